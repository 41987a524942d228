"""The image's file, as far as it can be checked without building it."""

import os
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def instructions() -> list[list[str]]:
    """Of the Dockerfile, each as words."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_the_base_image_is_one_exact_version() -> None:
    stages = {words[3] for words in instructions() if words[0] == "FROM" and len(words) == 4}
    (base,) = [words[1] for words in instructions() if words[0] == "FROM" and words[1] not in stages]
    assert re.search(r":3\.1[123]\.\d+-[a-z-]+$", base)


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    admitted = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = [source for words in instructions() if words[0] == "COPY" for source in words[1:-1]]
    for source in copied:
        name = source.removeprefix("./")
        assert (ROOT / name).exists() and name in admitted, name


def test_every_dependency_is_pinned_and_the_image_runs_as_nobody_in_particular() -> None:
    assert '-c "$root/constraints.txt"' in (ROOT / "docker" / "install.sh").read_text()
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.strip()]
    assert all("==" in line for line in lines if not line.startswith("#"))
    words = [words[0] for words in instructions()]
    assert {"USER", "ENTRYPOINT"} <= set(words) and not {"ADD", "ARG"} & set(words)


@pytest.mark.slow
def test_the_images_script_installs_the_package_in_a_fresh_environment(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    packages = next((tmp_path / "env").glob("lib/python*/site-packages"))
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    settings = {"PYTHON": str(tmp_path / "env/bin/python"), "PIP_OPTIONS": "--no-deps --ignore-installed"}
    ours = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PIP_DRY_RUN")}
    script = ["sh", str(ROOT / "docker" / "install.sh")]
    done = subprocess.run(script, env={**ours, **settings}, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (packages / "tuneworthy" / "pipeline.py").exists()
    assert done.stdout.strip().endswith("0.1.0")
