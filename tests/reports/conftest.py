"""Made-up run folders, written once per variant."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from synthetic_run import VARIANTS, write_run

from chromium import browser
from tuneworthy.reports.contents import Contents, load_contents

__all__ = ["browser"]


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Contents]:
    """The contents of a finished run of the named variant."""

    @cache
    def contents(name: str) -> Contents:
        return load_contents(write_run(tmp_path_factory.mktemp(name) / "run", VARIANTS[name]))

    return contents


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder of this test's own, to damage."""
    return write_run(tmp_path / "run", VARIANTS["crossfit"])
