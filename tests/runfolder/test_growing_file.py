"""A file written in parts: whole at the end, whatever stopped it before."""

from pathlib import Path

import pytest

from tuneworthy.core.errors import RunFolderError
from tuneworthy.runfolder.growing_file import GrowingFile


def begun(path: Path, identity: str = "a") -> None:
    with GrowingFile(path, identity) as file:
        file.append("one\n", {"rows": 1})
        file.append("two\n", {"rows": 2})


def test_it_goes_on_after_its_last_part_and_what_was_torn_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    begun(path)
    assert not path.exists()
    with (tmp_path / ".out.csv.partial").open("a") as torn:
        torn.write("thr")
    with GrowingFile(path, "a") as file:
        assert file.counts == {"rows": 2}
        file.append("three\n", {"rows": 3})
        file.finish()
    assert path.read_text() == "one\ntwo\nthree\n"
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]


def test_parts_of_something_else_are_thrown_away(tmp_path: Path) -> None:
    begun(tmp_path / "out.csv")
    with GrowingFile(tmp_path / "out.csv", "b") as file:
        assert file.counts == {}
        file.append("new\n", {"rows": 1})
        file.finish()
    assert (tmp_path / "out.csv").read_text() == "new\n"


def test_parts_that_somebody_has_cut_are_written_again(tmp_path: Path) -> None:
    begun(tmp_path / "out.csv")
    (tmp_path / ".out.csv.partial").write_text("on")
    with GrowingFile(tmp_path / "out.csv", "a") as file:
        assert file.counts == {}


def test_an_old_file_stays_until_the_new_one_is_whole_and_nothing_begun_leaves_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), GrowingFile(path, "a"):
        _ = 1 / 0
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]


def test_two_processes_never_write_the_same_file(tmp_path: Path) -> None:
    with (
        GrowingFile(tmp_path / "out.csv", "a"),
        pytest.raises(RunFolderError, match="being written by another process"),
        GrowingFile(tmp_path / "out.csv", "a"),
    ):
        pass
