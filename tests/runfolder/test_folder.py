"""Run folders: whole files, one writer, damage noticed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tuneworthy.core.errors import RunFolderError
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import Unit
from tuneworthy.runfolder.folder import RunFolder, write_text
from tuneworthy.runfolder.unit_output import UnitWriter, adopt, is_finished, read_predictions, reveal

UNIT = Unit(
    method="tfidf", parameters={}, task="text-classification", labels=("a", "b"), instruction="",
    metric="accuracy",
    fold=None, seed=0, fit="f", validation="v", predict="p", models={}, dtype="float32", threads=1,
    implementation="i",
)  # fmt: skip
ODD = Prediction(example_id="r1", value="a", raw="line\u2028separator\nnew line")


def finished(folder: Path) -> Path:
    writer = UnitWriter(folder)
    writer.finish(UNIT, [ODD], {"cost": {}, "facts": {}})
    return folder


def test_a_file_that_cannot_be_written_whole_keeps_its_old_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert path.read_text() == "old"


def test_a_folder_in_use_refuses_a_second_writer(tmp_path: Path) -> None:
    with (
        RunFolder(tmp_path / "run"),
        pytest.raises(RunFolderError, match=rf"in use .*number {os.getpid()} of its machine, since 2"),
        RunFolder(tmp_path / "run"),
    ):
        pass


def test_the_lock_of_a_process_that_was_killed_is_free_at_once(tmp_path: Path) -> None:
    held = "import time\nfrom pathlib import Path\nfrom tuneworthy.runfolder.folder import RunFolder\n"
    held += "with RunFolder(Path('run')):\n    print('held', flush=True)\n    time.sleep(600)\n"
    process = subprocess.Popen([sys.executable, "-c", held], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    with pytest.raises(RunFolderError, match=f"number {process.pid} "), RunFolder(Path("run")):
        pass
    process.kill()
    process.wait()
    with RunFolder(Path("run")) as folder:
        folder.emit("mine")


def test_events_are_kept_in_order_and_told_to_listeners(tmp_path: Path) -> None:
    heard = []
    with RunFolder(tmp_path / "run") as folder:
        folder.listen(heard.append)
        folder.emit("one", value=1)
        folder.emit("passing", keep=False)
    kept = [json.loads(line)["event"] for line in (tmp_path / "run/events.jsonl").read_text().splitlines()]
    assert kept == ["one"]
    assert [event["event"] for event in heard] == ["one", "passing"]


def test_a_unit_output_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "units" / UNIT.address
    writer = UnitWriter(folder)
    assert not folder.exists()
    writer.finish(UNIT, [ODD], {})
    assert is_finished(folder)


def test_two_writers_of_one_unit_never_mix_and_the_first_stays(tmp_path: Path) -> None:
    folder = tmp_path / "units" / UNIT.address
    first, second = UnitWriter(folder), UnitWriter(folder)
    first.finish(UNIT, [ODD], {})
    inode = folder.stat().st_ino
    second.finish(UNIT, [ODD], {})
    assert is_finished(folder) and folder.stat().st_ino == inode
    assert [one.name for one in folder.parent.iterdir()] == [UNIT.address]


def test_a_damaged_output_makes_room_for_a_whole_one(tmp_path: Path) -> None:
    folder = finished(tmp_path / "units" / UNIT.address)
    (folder / "metrics.json").unlink()
    finished(folder)
    assert is_finished(folder)
    assert [one.name for one in folder.parent.iterdir()] == [UNIT.address]


def test_an_output_that_cannot_get_its_name_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="cannot be written"):
        reveal(tmp_path / "nowhere", tmp_path / "target")


@pytest.mark.parametrize("name", ["predictions.jsonl", "metrics.json", "unit.json", "checksums.json"])
def test_a_file_that_was_changed_makes_the_unit_unfinished(tmp_path: Path, name: str) -> None:
    folder = finished(tmp_path / "unit")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-3] + b"x" + content[-2:])
    assert not is_finished(folder)


def test_predictions_with_line_separators_come_back_equal(tmp_path: Path) -> None:
    assert read_predictions(finished(tmp_path / "unit")) == [ODD]


def test_a_sibling_runs_output_is_taken_over_unless_damaged(tmp_path: Path) -> None:
    source = finished(tmp_path / "a" / "units" / UNIT.address)
    target = tmp_path / "b" / "units" / UNIT.address
    target.parent.mkdir(parents=True)
    assert adopt(UNIT, target, tmp_path)
    assert read_predictions(target) == [ODD]
    (source / "metrics.json").unlink()
    other = tmp_path / "c" / "units" / UNIT.address
    other.parent.mkdir(parents=True)
    (target / "metrics.json").unlink()
    assert not adopt(UNIT, other, tmp_path)


def test_a_unit_changed_by_copying_has_an_address_of_its_own() -> None:
    assert UNIT.address != UNIT.model_copy(update={"seed": 1}).address
