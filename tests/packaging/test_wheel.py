"""The built wheel: installs into an empty environment and is the same tool there."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def clean_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own with the wheel in it; the dependencies are borrowed from this one."""
    place = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(place), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = place.glob("tuneworthy-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place / "env")], check=True)
    python = place / "env" / "bin" / "python"
    subprocess.run(
        [*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)], check=True
    )
    packages = next((place / "env").glob("lib/python*/site-packages"))
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return python


def test_the_wheel_runs_from_its_own_files(clean_python: Path) -> None:
    code = "import tuneworthy, pathlib; print(pathlib.Path(tuneworthy.__file__).parent)"
    done = subprocess.run([clean_python, "-c", code], capture_output=True, text=True, check=True)
    package = Path(done.stdout.strip())
    assert package.is_relative_to(clean_python.parents[1])
    assert (package / "py.typed").exists()
    assert (package / "capabilities" / "texts.txt").exists()


def test_the_wheel_has_the_same_command_line(clean_python: Path) -> None:
    ours = subprocess.run(
        [sys.executable, "-m", "tuneworthy.cli.main", "schema"], capture_output=True, text=True, check=True
    )
    theirs = subprocess.run(
        [clean_python.with_name("tuneworthy"), "schema"], capture_output=True, text=True, check=True
    )
    assert theirs.stdout == ours.stdout


def test_the_wheel_ends_a_run_in_a_report(clean_python: Path, toy_csv: Path) -> None:
    command = [clean_python.with_name("tuneworthy"), "run", str(toy_csv), "--arms", "majority,tfidf"]
    done = subprocess.run([*command, "--output", "runs/x"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path("runs/x/report.html").exists()
