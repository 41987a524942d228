"""Every file of a run folder, torn and edited: named, redone, and never a silently different answer."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from quick import quick_settings
from toy import toy_rows, write_csv
from tuneworthy.comparing import compare_runs
from tuneworthy.core.errors import RunFolderError
from tuneworthy.refitting import likeness
from tuneworthy.reports.contents import load_contents
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.listing import list_runs
from tuneworthy.runfolder.unit_output import damaged_file
from tuneworthy.trackers._events import EventFile
from tuneworthy.trackers._facts import outcome, tracked
from tuneworthy.units.calibration import calibration_of
from tuneworthy.units.execute import run_rows
from tuneworthy.units.predictor import Predictor
from tuneworthy.units.refit import recommended

ARMS = ["majority", "tfidf", "lora"]
LOGS = {".lock"}
Damage = Callable[[Path, random.Random], None]


def torn(file: Path, rng: random.Random) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def flipped(file: Path, rng: random.Random) -> None:
    content = bytearray(file.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(bytes(content))


KINDS: tuple[Damage, ...] = (torn, flipped)


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, decoder_folder: Path, embedder_folder: Path
) -> tuple[Path, dict[str, Any]]:
    """A finished run, below a folder that has its table."""
    home = tmp_path_factory.mktemp("whole")
    table = write_csv(home / "toy.csv", toy_rows())
    settings = {**quick_settings(decoder_folder, embedder_folder), "arms": ARMS, "resamples": 100}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        tw.run(table, output="runs/a", **settings)
        calibration_of(Path("runs/a"), recommended(Path("runs/a"))[0])
    return home, settings


def copied(whole: tuple[Path, dict[str, Any]]) -> Path:
    """The run in this test's own folder."""
    shutil.copytree(whole[0] / "runs", "runs")
    shutil.copy(whole[0] / "toy.csv", "toy.csv")
    return Path("runs/a")


def files_of(run: Path) -> list[Path]:
    found = (file for file in run.rglob("*") if file.is_file() and file.name not in LOGS)
    return sorted(file for file in found if file.stat().st_size)


def readers(run: Path) -> dict[str, Callable[[], Any]]:
    """What the commands read of a run, as something to compare."""

    def told() -> Any:
        events = list(EventFile(run).new())
        about = tracked(run, "local", events[0])
        return about, outcome(run, about, events[-1], ())

    return {
        "report": lambda: load_contents(run).model_dump(),
        "runs": lambda: list_runs(run.parent),
        "compare": lambda: compare_runs(run, run),
        "predict": lambda: Predictor(run).predict(["where is my parcel", "the password"]),
        "serve": lambda: calibration_of(run, recommended(run)[0]).model_dump(),
        "export": lambda: likeness(run, "lora").unit,
        "export asks rows": lambda: run_rows.__wrapped__(str(run)),
        "track": told,
    }


def test_no_command_reads_a_damaged_file_as_if_it_were_whole(whole: tuple[Path, dict[str, Any]]) -> None:
    run, rng = copied(whole), random.Random(0)
    expected = {name: read() for name, read in readers(run).items()}
    for file in files_of(run):
        content = file.read_bytes()
        for damage in KINDS:
            damage(file, rng)
            named = set()
            for name, read in readers(run).items():
                try:
                    found = read()
                except RunFolderError as error:
                    assert file.name in str(error) or "events" in str(error), (file, name)
                    assert "run" in str(error)
                    named.add(name)
                    continue
                if name == "runs" and found != expected[name]:  # in a table: no sentence, a state
                    (listed,) = found
                    if damage is torn and file.name == "events.jsonl":
                        assert listed.state in ("stopped", "damaged")
                    else:
                        assert (listed.state, listed.damaged) == ("damaged", file.name)
                    continue
                assert found == expected[name] or file.name == "events.jsonl", (file, damage, name)
            if file.name in ("verdict.json", "evidence.json", "estimates.json", "model.json", "job.yaml"):
                assert named, file
            file.write_bytes(content)


def again(run: Path, settings: dict[str, Any]) -> tuple[set[str], str]:
    """Units that were started, and the notes, of the same run again."""
    events: list[dict[str, Any]] = []
    tw.run("toy.csv", output=run, listener=events.append, **settings)
    started = {event["unit"] for event in events if event["event"] == "unit_started"}
    return started, "\n".join(event["text"] for event in events if event["event"] == "note")


def assert_as_it_was(run: Path, verdict: Any) -> None:
    for unit in (run / "units").iterdir():
        assert damaged_file(unit) is None
    assert tw.open_run(run).verdict == verdict


@pytest.mark.parametrize("damage", KINDS)
def test_the_same_command_names_every_damaged_file_and_comes_to_the_same_verdict(
    whole: tuple[Path, dict[str, Any]], damage: Damage
) -> None:
    run, rng = copied(whole), random.Random(1)
    verdict = tw.open_run(run).verdict
    top = [file for file in files_of(run) if file.parent == run and file.name != "events.jsonl"]
    for file in top:
        if file.name not in ("job.yaml", "checksums.jsonl"):
            damage(file, rng)
    started, told = again(run, whole[1])
    assert not started
    for file in top:
        assert (f"{file.name} was damaged" in told) == (file.name not in ("job.yaml", "checksums.jsonl"))
    assert_as_it_was(run, verdict)


@pytest.mark.parametrize("damage", KINDS)
def test_a_damaged_unit_alone_is_done_again(whole: tuple[Path, dict[str, Any]], damage: Damage) -> None:
    run, rng = copied(whole), random.Random(2)
    verdict = tw.open_run(run).verdict
    unit = RunFolder(run).read("plan.json")["stages"][-1]["units"][0]["address"]
    before = {
        file: file.read_bytes() for file in files_of(run / "units" / unit) if "metrics" not in file.name
    }
    adapter = next((run / "units" / unit).rglob("*.safetensors"))
    damage(adapter, rng)
    started, told = again(run, whole[1])
    assert started == {unit}
    assert f"{adapter.relative_to(run)} is gone, or was damaged" in told
    assert_as_it_was(run, verdict)
    after = {file: file.read_bytes() for file in before if file.name != "checksums.json"}
    assert after == {file: content for file, content in before.items() if file.name != "checksums.json"}


def half(run: Path) -> None:
    """Takes away what a run writes after its untuned arms."""
    tuned = RunFolder(run).read("plan.json")["stages"][-1]["units"][0]["address"]
    untuned = {unit["address"] for unit in RunFolder(run).read("plan.json")["stages"][0]["units"]}
    for unit in (run / "units").iterdir():
        if unit.name == tuned or unit.name not in untuned:
            shutil.rmtree(unit)
    late = ("estimates", "comparisons", "details", "evidence", "verdict", "model", "calibration")
    for name in (*(f"{name}.json" for name in late), "lockbox.jsonl", "report.html"):
        (run / name).unlink()


def test_a_half_finished_run_with_damaged_files_goes_on_to_the_same_verdict(
    whole: tuple[Path, dict[str, Any]],
) -> None:
    run, rng = copied(whole), random.Random(5)
    verdict = tw.open_run(run).verdict
    half(run)
    for number, file in enumerate(files_of(run)):
        if file.name != "job.yaml":
            KINDS[number % 2](file, rng)
    assert list_runs(run.parent)[0].state in ("damaged", "stopped")
    again(run, whole[1])
    assert_as_it_was(run, verdict)


def test_a_folder_whose_plan_and_job_are_damaged_is_nobodys(whole: tuple[Path, dict[str, Any]]) -> None:
    run = copied(whole)
    for name in ("plan.json", "job.yaml"):
        torn(run / name, random.Random(0))
    with pytest.raises(RunFolderError, match=r"plan\.json and job\.yaml .* are damaged"):
        again(run, whole[1])


def test_a_damaged_plan_does_not_let_another_job_in(whole: tuple[Path, dict[str, Any]]) -> None:
    run = copied(whole)
    torn(run / "plan.json", random.Random(0))
    with pytest.raises(RunFolderError, match="another job"):
        again(run, {**whole[1], "seed": 7})


def test_the_job_of_a_run_is_not_run_when_it_was_edited_in_its_folder(
    whole: tuple[Path, dict[str, Any]],
) -> None:
    run = copied(whole)
    text = (run / "job.yaml").read_text()
    (run / "job.yaml").write_text(text.replace("seed: 0", "seed: 1"))
    with pytest.raises(RunFolderError, match="copy it out"):
        tw.run(run / "job.yaml")
    shutil.copy(run / "job.yaml", "runs/mine.yaml")  # beside the folder, paths mean something else: fine here
    assert "seed: 1" in Path("runs/mine.yaml").read_text()


@pytest.mark.parametrize("name", ["budget.json", "sequential.json"])
def test_a_damaged_decision_that_nothing_else_tells_is_not_guessed(
    whole: tuple[Path, dict[str, Any]], name: str
) -> None:
    run = copied(whole)
    RunFolder(run).write(name, {"spent_s": 1.0, "decisions": {}})
    flipped(run / name, random.Random(3))
    with pytest.raises(RunFolderError, match=f"{name} is damaged .* delete it to have that decided anew"):
        again(run, whole[1])


@pytest.mark.slow
@pytest.mark.parametrize("damage", KINDS)
def test_every_file_in_turn_is_redone_by_the_same_command(
    whole: tuple[Path, dict[str, Any]], damage: Damage
) -> None:
    run, rng = copied(whole), random.Random(4)
    verdict = tw.open_run(run).verdict
    for name in [file.relative_to(run) for file in files_of(run)]:
        damage(run / name, rng)
        started, told = again(run, whole[1])
        unit = {name.parts[1]} if name.parts[0] == "units" else set()
        assert started == unit, name
        assert str(name) in told or name.name in ("events.jsonl", "checksums.jsonl"), name
        assert_as_it_was(run, verdict)
