"""A job is sent once, found again after any crash, and brought back as it was."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

from launched import QUICK, Elsewhere, toy_job, wanted
from toy import toy_rows, write_csv
from tuneworthy import launching
from tuneworthy.cli.main import app
from tuneworthy.core.errors import ConsentError, LaunchError, NotFoundError, RunFolderError
from tuneworthy.core.frozen import Frozen
from tuneworthy.data.lockbox import ledger_path, read_openings
from tuneworthy.launchers import LAUNCHERS, Handle, Parcel, Status, Terms, Where
from tuneworthy.launchers.archive import ARCHIVE, End, pack, same_files
from tuneworthy.launchers.bundle import read_bundle
from tuneworthy.launchers.handles import BUNDLE, folder_of, keep, known, named
from tuneworthy.runfolder.folder import RunFolder


class NoOptions(Frozen):
    """None."""


@dataclass
class Service:
    """A place whose answers a test sets, and which remembers what it was sent."""

    name: str = "service"
    title: str = "a service"
    needs: tuple[str, ...] = ()
    extra: str = ""
    instance: str = "L4"
    options: type[Frozen] = NoOptions
    jobs: list[str] = field(default_factory=list)
    state: Status = field(default_factory=lambda: Status(phase="running"))
    left: End | None = None
    has_logs: bool = True
    dies: bool = False
    dies_late: bool = False

    def offer(self, instance: str) -> tuple[str, ...]:
        return (instance,)

    def where(self, parcel: Parcel, terms: Terms) -> Where:
        return Where(image="image", place="elsewhere", leaves=True, request={"name": parcel.name})

    def submit(self, handle: Handle, bundle: Path, folder: Path) -> dict[str, str]:
        read_bundle(bundle)
        if self.dies:
            raise KeyboardInterrupt
        self.jobs.append(handle.parcel.name)
        if self.dies_late:
            raise KeyboardInterrupt
        return {"id": handle.parcel.name}

    def status(self, handle: Handle) -> Status:
        return self.state

    def logs(self, handle: Handle, seen: int) -> Iterator[str]:
        if not self.has_logs:
            raise LaunchError("no right to read the log.")
        yield from ["one", "two"][seen:]

    def collect(self, handle: Handle, folder: Path) -> Path:
        if self.left is None:
            raise LaunchError("nothing")
        (folder / "run").mkdir(exist_ok=True)
        (folder / "run" / "job.yaml").write_text("job")
        pack(folder / "run", folder / ARCHIVE, handle.parcel.digest, self.left, "", 1.0)
        return folder / ARCHIVE

    def cancel(self, handle: Handle) -> None:
        self.state = Status(phase="stopped")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, unexamined: None) -> Service:
    made = Service()
    monkeypatch.setattr(LAUNCHERS, "_brought", {"service": (made, Path(__file__))})
    return made


def test_rows_leave_only_when_somebody_says_so(service: Service) -> None:
    with pytest.raises(ConsentError, match="60 rows to elsewhere") as asked:
        launching.launch(toy_job(), wanted("service"))
    assert asked.value.question == "Send 60 rows to elsewhere?"
    assert service.jobs == [] and known() == []


def test_a_launcher_that_dies_while_it_sends_is_found_again_under_the_same_name(service: Service) -> None:
    service.dies = True
    with pytest.raises(KeyboardInterrupt):
        launching.launch(toy_job(), wanted("service"), allowed=True)
    (left,) = known()
    assert not left.sent and read_bundle(folder_of(left.name) / BUNDLE).digest == left.parcel.digest
    assert launching.status(left).phase == "written"
    service.dies = False
    handle = launching.launch(toy_job(), wanted("service"), allowed=True)
    assert handle.sent and service.jobs == [left.parcel.name]


def test_a_job_that_runs_is_not_sent_twice_and_one_that_failed_is_sent_anew(service: Service) -> None:
    first = launching.launch(toy_job(), wanted("service"), allowed=True)
    said: list[str] = []
    again = launching.launch(toy_job(), wanted("service"), allowed=True, say=said.append)
    assert again == first and len(service.jobs) == 1 and "running there already" in said[0]
    with pytest.raises(LaunchError, match="with other files"):
        launching.launch(toy_job("seed=1"), wanted("service"), allowed=True)
    service.state = Status(phase="failed", told="no machine")
    second = launching.launch(toy_job(), wanted("service"), allowed=True)
    assert service.jobs == [f"{first.parcel.stem}-1", f"{first.parcel.stem}-2"]
    assert second.parcel.stem == first.parcel.stem and second.attempt == 2


def test_a_finished_job_that_nobody_has_fetched_is_not_forgotten_for_one_with_other_files(
    service: Service,
) -> None:
    first = launching.launch(toy_job(), wanted("service"), allowed=True)
    service.state, service.left = Status(phase="finished"), "finished"
    with pytest.raises(LaunchError, match="finished with other files and was not fetched: tuneworthy fetch"):
        launching.launch(toy_job("seed=1"), wanted("service"), allowed=True)
    assert named(first.name) == first and len(service.jobs) == 1
    launching.fetch(first)
    assert launching.launch(toy_job("seed=1"), wanted("service"), allowed=True).came is None
    with pytest.raises(LaunchError, match="was not fetched"):  # that which was fetched was another one
        launching.launch(toy_job(), wanted("service"), allowed=True)
    assert len(service.jobs) == 2


@pytest.mark.parametrize("elsewhere_to", [Path("runs/other"), None])
def test_a_finished_job_is_not_paid_again_wherever_its_run_folder_went(
    service: Service, elsewhere_to: Path | None
) -> None:
    first = launching.launch(toy_job(), wanted("service"), allowed=True)
    service.state, service.left = Status(phase="finished"), "finished"
    launching.fetch(first, output=elsewhere_to)
    if elsewhere_to is None:
        Path("runs/toy").rename("runs/moved")
    assert launching.launch(toy_job(), wanted("service"), allowed=True).attempt == 1
    assert len(service.jobs) == 1


def test_a_run_that_came_in_part_is_sent_again_and_then_not_twice(service: Service) -> None:
    first = launching.launch(toy_job(), wanted("service"), allowed=True)
    service.state, service.left = Status(phase="finished"), "stopped"
    launching.fetch(first)
    for _ in range(2):
        assert launching.launch(toy_job(), wanted("service"), allowed=True).attempt == 2
    assert len(service.jobs) == 2


def test_a_job_that_arrived_before_the_launcher_died_is_not_forgotten_for_one_with_other_files(
    service: Service,
) -> None:
    service.dies_late = True
    with pytest.raises(KeyboardInterrupt):
        launching.launch(toy_job(), wanted("service"), allowed=True)
    service.dies_late = False
    with pytest.raises(LaunchError, match=r"running with other files.*--cancel"):
        launching.launch(toy_job("seed=1"), wanted("service"), allowed=True)
    (left,) = known()
    launching.cancel(left)
    assert launching.launch(toy_job("seed=1"), wanted("service"), allowed=True).sent
    assert len(service.jobs) == 2


def test_following_passes_on_each_line_once_and_ends_with_the_job(service: Service) -> None:
    handle = launching.launch(toy_job(), wanted("service"), allowed=True)
    launching.cancel(handle)
    said: list[str] = []
    assert launching.follow(handle, said.append, every=0).phase == "stopped"
    assert said == [f"{handle.name}: stopped", "one", "two"]


def test_following_ends_with_the_job_where_its_log_cannot_be_read(
    service: Service, elsewhere: Elsewhere
) -> None:
    service.has_logs, service.state = False, Status(phase="finished")
    handle = elsewhere.handle.model_copy(update={"launcher": "service", "sent": True})
    said: list[str] = []
    assert launching.follow(handle, said.append, every=0).phase == "finished"
    told = "no right to read the log. Its state is followed all the same."
    assert said == [f"{handle.name}: finished", told]


def test_a_job_that_ran_elsewhere_ends_in_the_same_verdict(elsewhere: Elsewhere) -> None:
    here, there = (json.loads((run / "verdict.json").read_text()) for run in (elsewhere.here, elsewhere.run))
    assert here == there
    for name in ("estimates.json", "comparisons.json", "split.json", "job.yaml"):
        assert (elsewhere.here / name).read_bytes() == (elsewhere.run / name).read_bytes(), name


def test_the_run_folder_is_fetched_byte_for_byte_and_the_ledger_learns_of_it(elsewhere: Elsewhere) -> None:
    keep(elsewhere.handle)
    done = launching.fetch(elsewhere.handle, elsewhere.archive)
    fetched = {p.relative_to(done.run): p for p in Path(done.run).rglob("*") if p.is_file()}
    there = {
        p.relative_to(elsewhere.run): p for p in elsewhere.run.rglob("*") if p.is_file() and p.name != ".lock"
    }
    assert set(fetched) == set(there)
    assert all(fetched[name].read_bytes() == there[name].read_bytes() for name in there)
    assert same_files(Path(done.run), done.manifest)
    (opening,) = read_openings(ledger_path())
    assert opening.run == "toy"
    again = launching.fetch(named(elsewhere.handle.name), elsewhere.archive)
    assert again.was_here and len(read_openings(ledger_path())) == 1


def test_openings_so_far_go_along(elsewhere: Elsewhere, service: Service) -> None:
    keep(elsewhere.handle)
    shutil.copytree(elsewhere.here, "runs/toy")
    ledger_path().write_bytes((elsewhere.run / "lockbox.jsonl").read_bytes())
    handle = launching.launch(toy_job(), wanted("service", output=Path("runs/other")), allowed=True)
    sent = read_openings(folder_of(handle.name) / BUNDLE / "ledger.jsonl")
    assert sent == read_openings(ledger_path()) and len(sent) == 1


def test_another_jobs_archive_is_not_taken(elsewhere: Elsewhere, tmp_path: Path) -> None:
    pack(elsewhere.run, tmp_path / "other.tar.gz", "another", "finished", "", 1.0)
    with pytest.raises(LaunchError, match="another job"):
        launching.fetch(elsewhere.handle, tmp_path / "other.tar.gz")
    with pytest.raises(NotFoundError, match="does not exist"):
        launching.fetch(elsewhere.handle, tmp_path / "none.tar.gz")
    assert not Path(elsewhere.handle.run).exists()


def stopped(elsewhere: Elsewhere, place: Path) -> Path:
    """An archive of the same job, stopped before its verdict."""
    shutil.copytree(elsewhere.run, place / "part")
    (place / "part" / "verdict.json").unlink()
    pack(
        place / "part",
        place / "part.tar.gz",
        elsewhere.handle.parcel.digest,
        "stopped",
        "it was stopped",
        1.0,
    )
    return place / "part.tar.gz"


@pytest.mark.parametrize("name", ["mine.txt", ".hidden", "units/abc/model.bin"])
def test_a_folder_with_anything_else_is_never_replaced_however_often_it_is_fetched(
    name: str, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    keep(elsewhere.handle)
    part, precious = stopped(elsewhere, tmp_path), Path("precious")
    launching.fetch(elsewhere.handle, part, Path("runs/two"))
    for folder in (precious, Path("runs/two")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")
        for _ in range(2):
            with pytest.raises(RunFolderError, match="name another --output"):
                launching.fetch(named(elsewhere.handle.name), elsewhere.archive, folder)
        assert (folder / name).read_text() == "mine"


def test_a_run_that_goes_on_here_is_not_fetched_over(elsewhere: Elsewhere, tmp_path: Path) -> None:
    keep(elsewhere.handle)
    launching.fetch(elsewhere.handle, stopped(elsewhere, tmp_path), Path("runs/two"))
    again = named(elsewhere.handle.name)
    with RunFolder(Path("runs/two")), pytest.raises(RunFolderError, match="in use"):
        launching.fetch(again, elsewhere.archive, Path("runs/two"))
    assert launching.fetch(again, elsewhere.archive, Path("runs/two")).was_here is False


def test_a_fetch_ends_in_3_where_the_run_that_came_has_not_finished(
    elsewhere: Elsewhere, tmp_path: Path
) -> None:
    keep(elsewhere.handle)
    words = ["fetch", elsewhere.handle.name, "--from"]
    part = CliRunner().invoke(app, [*words, str(stopped(elsewhere, tmp_path)), "--output", "runs/two"])
    assert part.exit_code == 3 and "The run stopped: it was stopped." in part.output
    whole = CliRunner().invoke(app, [*words, str(elsewhere.archive), "--output", "runs/two"])
    assert whole.exit_code == 0


def test_a_launch_that_only_writes_a_file_has_nothing_to_wait_for(unexamined: None) -> None:
    write_csv(Path("toy.csv"), toy_rows())
    words = ["launch", "toy.csv", "--on", "skypilot", "--max-cost", "9", "--time-limit", "1h", "--wait"]
    settings = [word for one in QUICK for word in ("--set", one)]
    done = CliRunner().invoke(app, [*words, *settings, "--output", "runs/toy"])
    assert done.exit_code == 0, done.output
    assert (folder_of("toy-skypilot") / "task.yaml").exists() and "written (sky status" in done.output


def test_a_file_is_no_run_folder(elsewhere: Elsewhere) -> None:
    keep(elsewhere.handle)
    Path("afile").write_text("mine")
    with pytest.raises(RunFolderError, match="is a file"):
        launching.fetch(elsewhere.handle, elsewhere.archive, Path("afile"))


def test_a_fetch_replaces_nothing_but_what_a_fetch_has_brought(elsewhere: Elsewhere, tmp_path: Path) -> None:
    keep(elsewhere.handle)
    Path("runs/toy").mkdir(parents=True)
    Path("runs/toy/mine.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="name another --output"):
        launching.fetch(elsewhere.handle, elsewhere.archive)
    assert Path("runs/toy/mine.txt").read_text() == "mine"
    launching.fetch(elsewhere.handle, stopped(elsewhere, tmp_path), Path("runs/two"))
    done = launching.fetch(named(elsewhere.handle.name), elsewhere.archive, Path("runs/two"))
    assert (Path(done.run) / "verdict.json").exists() and not done.was_here
