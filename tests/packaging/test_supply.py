"""What is installed and what is shipped: pinned by sha256, under licences that go together."""

import hashlib
import importlib.util
import json
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from tuneworthy.models.catalogue import catalogue

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)")
spec = importlib.util.spec_from_file_location("check_licenses", ROOT / "docs" / "check_licenses.py")
assert spec is not None and spec.loader is not None
licences = importlib.util.module_from_spec(spec)
spec.loader.exec_module(licences)


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> dict[str, str]:
    found = (PIN.match(line) for line in (ROOT / file).read_text(encoding="utf-8").splitlines())
    return {plain(pin[1]): pin[2] for pin in found if pin}


def test_the_lock_file_has_the_pins_of_the_constraints_each_with_a_sha256() -> None:
    constraints, locked = pins("constraints.txt"), pins("requirements.lock")
    differ = {
        name: (pin, constraints[name]) for name, pin in locked.items() if constraints.get(name, pin) != pin
    }
    assert differ == {}
    entries = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / "requirements.lock").read_text(encoding="utf-8").strip())
    assert len(entries) == len(locked) > 100
    assert [entry for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == []


def test_what_the_user_chooses_by_hardware_is_not_locked_and_everything_else_is() -> None:
    locked = pins("requirements.lock")
    assert not [name for name in locked if name == "torch" or name.startswith(("nvidia-", "cuda-", "triton"))]
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {plain(re.split(r"[\[>=<]", line)[0]) for line in project["dependencies"]} - {"torch"}
    assert wanted <= set(locked)


def test_every_model_that_a_wheel_brings_is_pinned_by_version_and_sha256() -> None:
    wheels = [entry.wheel for entry in catalogue().values() if entry.wheel is not None]
    assert len(wheels) >= 2
    for wheel in wheels:
        assert re.fullmatch(r"[0-9a-f]{64}", wheel.sha256) and re.fullmatch(
            r"[\w.-]+==[\w.]+", wheel.requirement
        )


def test_the_tables_of_the_examples_are_the_ones_that_were_pinned() -> None:
    listed = (ROOT / "examples" / "checksums.txt").read_text(encoding="utf-8").splitlines()
    known = {name: digest for digest, name in (line.split("  ") for line in listed)}
    tables = {
        path.relative_to(ROOT / "examples").as_posix(): path for path in (ROOT / "examples").glob("*/*.csv")
    }
    assert tables.keys() == known.keys()
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in tables.items()} == known


def test_a_licence_is_judged_by_what_it_says() -> None:
    for fine in (
        "MIT",
        "Apache-2.0 AND MIT",
        "GPL-3.0 OR BSD-3-Clause",
        "MPL-2.0 AND (Apache-2.0 OR GPL-2.0)",
    ):
        assert licences.allowed(fine), fine
    for foul in (
        "",
        "UNKNOWN",
        "GPL-3.0",
        "MIT AND AGPL-3.0",
        "MIT; Other/Proprietary License",
        "(GPL-2.0 OR LGPL)",
    ):
        assert not licences.allowed(foul), foul
    listed = [
        {"Name": "a", "Version": "1", "License": "GPL-3.0"},
        {"Name": "b", "Version": "1", "License": "MIT"},
    ]
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "check_licenses.py")],
        input=json.dumps(listed),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "a: GPL-3.0" in done.stderr and "b: MIT" not in done.stderr


def test_every_licence_of_what_is_installed_goes_with_ours() -> None:
    listed = []
    for one in distributions():
        meta = one.metadata
        classified = [c.rsplit(" :: ", 1)[1] for c in meta.get_all("Classifier") or () if "License ::" in c]
        classified = [name for name in classified if name != "OSI Approved"]
        said = meta.get("License-Expression") or "; ".join(classified) or meta.get("License") or "UNKNOWN"
        if not one.name.startswith("tuneworthy"):
            listed.append({"Name": one.name, "Version": one.version, "License": said})
    ours = pins("constraints.txt")  # others that somebody has installed beside are not ours to judge
    assert licences.refused([package for package in listed if plain(package["Name"]) in ours]) == []


def test_how_to_report_a_fault_names_no_address_that_nobody_reads() -> None:
    told = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "private vulnerability reporting" in told.lower() and "@" not in told
