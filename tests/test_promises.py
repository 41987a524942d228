"""docs/security.md names a test for each promise: each of them is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_test_that_the_threat_model_names_exists() -> None:
    told = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    files = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "tests").rglob("test_*.py")}
    known = {
        name
        for path in files.values()
        for name in re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.M)
    }
    quoted = re.findall(r"`([^`]*test_[^`]*)`", told)
    named = [name for name in quoted if not name.endswith(".py")]
    assert len(named) > 30
    assert [name for name in named if name not in known] == []
    short = {Path(name).name for name in files}
    assert [name for name in quoted if name.endswith(".py") and Path(name).name not in short] == []
    assert [name for name in quoted if name.startswith("tests/") and name not in files] == []
