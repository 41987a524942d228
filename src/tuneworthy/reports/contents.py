"""`Contents`: everything a report shows, read back from the files of a run folder and nothing else.

The models are not needed: every number of the report stands in one of these files.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from tuneworthy.core.counting import about
from tuneworthy.core.errors import RunFolderError
from tuneworthy.core.evidence import Arm, Comparison, Estimate, Evidence, Verdict
from tuneworthy.core.finding import Finding
from tuneworthy.core.forgetting import Forgetting
from tuneworthy.core.judgement import Judgement
from tuneworthy.core.study import Study
from tuneworthy.runfolder import checksums
from tuneworthy.runfolder.unit_output import DamagedFileError, checked_text

T = TypeVar("T")


class Stored(BaseModel):
    """A part of a file; keys that this report does not show are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Words(Stored):
    """Length of the inputs, in words."""

    mean: float
    max: float


class TestFacts(Stored):
    """The test file of the user's own, where there is one."""

    __test__ = False

    source: str
    rows: int
    fingerprint: str


class DatasetFacts(Stored):
    """`dataset.json`."""

    name: str
    source: str
    rows: int
    fingerprint: str
    input_columns: tuple[str, ...]
    target_column: str | None = None
    group_column: str | None = None
    task: str = "text-classification"
    labels: dict[str, int] = {}
    words: Words | None = None
    test: TestFacts | None = None


class Row(Stored):
    """One line of `rows.jsonl`."""

    id: str
    row: int = 0
    input: str
    target: str | None = None
    part: str = "table"


class Confusion(Stored):
    """How often a true label (row) got each answer (column); the last column counts no label at all."""

    labels: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]


class Disagreement(Stored):
    """A row that one of two methods has right and the other wrong."""

    id: str
    target: str | None = None
    winner: str | None = None
    against: str | None = None


class Won(Stored):
    """The rows on which the winner and the best untuned arm disagree."""

    winner: str
    against: str
    only_winner: tuple[Disagreement, ...] = ()
    only_against: tuple[Disagreement, ...] = ()


class GroupRow(Stored):
    """Errors of one group, with the interval of their rate."""

    group: str
    n: int
    wrong: int
    low: float
    high: float


class GroupErrors(Stored):
    """Errors by group, the highest rate first, and the p value that chance explains the difference."""

    groups: tuple[GroupRow, ...]
    left: int = 0
    p: float


class Wording(Stored):
    """How an arm writes: mean words, share of new pairs of words, share of words copied in runs."""

    words: float
    novel: float
    copied: float


class Slice(Stored):
    """A part of the rows on which an arm is worse than another, in the slices' metric."""

    by: str
    name: str
    n: int
    difference: float
    low: float | None = None
    high: float | None = None
    q: float


class Slices(Stored):
    """The parts on which `method` is worse than `against`, of `tested` that were looked at."""

    method: str
    against: str
    metric: str
    tested: int
    rate: float
    worse: tuple[Slice, ...] = ()


class Details(Stored):
    """`details.json`."""

    slices: Slices | None = None
    groups: dict[str, GroupErrors] = {}
    wording: dict[str, Wording] = {}
    confusion: dict[str, Confusion] = {}
    won: Won | None = None
    samples: dict[str, tuple[Any, ...]] = {}


class Opening(Stored):
    """One line of `lockbox.jsonl`: the test rows were handed out."""

    time: str
    fingerprint: str = ""
    plan: str = ""
    arms: tuple[str, ...] | int = ()
    run: str = ""


class PlannedUnit(Stored):
    """A unit as the plan announced it."""

    address: str
    title: str = ""
    method: str = ""
    predict_rows: int | None = None
    estimate_s: float | None = None


class Stage(Stored):
    """A stage of the plan."""

    name: str
    units: tuple[PlannedUnit, ...] = ()


class Plan(Stored):
    """`plan.json`."""

    stages: tuple[Stage, ...] = ()
    not_compared: dict[str, str] = {}


class UnitOutput(Stored):
    """What one unit was asked and what it reported: `unit.json` and `metrics.json`."""

    address: str
    method: str
    purpose: str = "evaluate"
    fold: int | None = None
    seed: int = 0
    facts: dict[str, Any] = {}


class Contents(Stored):
    """A finished run, as its folder tells it."""

    folder: Path
    job_text: str
    dataset: DatasetFacts
    rows: dict[str, Row]
    findings: tuple[Finding, ...]
    estimates: tuple[Estimate, ...]
    comparisons: tuple[Comparison, ...]
    details: Details
    evidence: Evidence
    verdict: Verdict
    openings: tuple[Opening, ...]
    environment: dict[str, Any]
    plan: Plan
    units: tuple[UnitOutput, ...]
    judgement: Judgement | None = None
    forgetting: Forgetting | None = None
    studies: tuple[Study, ...] = ()

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms, best value first; equal ones by cost, then by name."""

        def rank(arm: Arm) -> tuple[float, float, str]:
            value = arm.estimate.value
            return (value if self.evidence.error else -value, arm.cost.seconds_per_1000, arm.method)

        return tuple(sorted(self.evidence.arms, key=rank))

    @property
    def best_untuned(self) -> Arm | None:
        """The untuned arm with the highest value."""
        return next((arm for arm in self.arms if arm.kind != "tuned"), None)

    @property
    def best_tuned(self) -> Arm | None:
        """The tuned arm with the highest value."""
        return next((arm for arm in self.arms if arm.kind == "tuned"), None)

    @property
    def thrift(self) -> str:
        """How much cheaper the recommended arm predicts than the best tuned one; empty below twice.

        It is measured time, so it stands beside the verdict, which is the same whenever it is computed.
        """
        arm, rival = self.arm(self.verdict.recommended_method), self.best_tuned
        if arm is None or rival is None or arm.cost.endpoint or rival.cost.endpoint:
            return ""
        if not arm.cost.seconds_per_1000 or rival.cost.seconds_per_1000 < 2 * arm.cost.seconds_per_1000:
            return ""
        times = about(round(rival.cost.seconds_per_1000 / arm.cost.seconds_per_1000))
        return f"{arm.method} predicts about {times} times cheaper than {rival.method}."

    def arm(self, method: str) -> Arm | None:
        """One arm by name."""
        return next((arm for arm in self.evidence.arms if arm.method == method), None)

    def compared(self, method: str, against: str) -> Comparison | None:
        """The comparison of two arms on the primary metric, if it was made."""
        for comparison in self.comparisons:
            pair = (comparison.method, comparison.against)
            if pair == (method, against) and comparison.metric == self.evidence.metric:
                return comparison
        return None

    def units_of(self, method: str) -> tuple[UnitOutput, ...]:
        """A method's measured fits, by fold; those on parts of the rows are points of its learning curve."""
        return tuple(unit for unit in self.units if unit.method == method and unit.purpose == "evaluate")


def load_contents(folder: Path) -> Contents:
    """Reads a run folder. Raises RunFolderError, one sentence, when a file is missing or damaged."""
    folder = Path(folder)
    if not folder.is_dir():
        raise RunFolderError(
            f"there is no run folder '{folder}'; type `tuneworthy run job.yaml` to make one."
        )
    rows = _lines(folder, "rows.jsonl", Row)
    evidence = _whole(folder, "evidence.json", Evidence)
    plan = _whole(folder, "plan.json", Plan)
    units = _units(folder, plan, [arm.method for arm in evidence.arms])
    return Contents(
        folder=folder,
        job_text=_text(folder, "job.yaml"),
        dataset=_whole(folder, "dataset.json", DatasetFacts),
        rows={row.id: row for row in rows},
        findings=_whole(folder, "findings.json", tuple[Finding, ...]),
        estimates=_whole(folder, "estimates.json", tuple[Estimate, ...]),
        comparisons=_whole(folder, "comparisons.json", tuple[Comparison, ...]),
        details=_whole(folder, "details.json", Details),
        evidence=evidence,
        verdict=_whole(folder, "verdict.json", Verdict),
        openings=tuple(_lines(folder, "lockbox.jsonl", Opening)),
        environment=_whole(folder, "environment.json", dict[str, Any]),
        plan=plan,
        judgement=_whole(folder, "judge.json", Judgement) if (folder / "judge.json").exists() else None,
        forgetting=_whole(folder, "forgetting.json", Forgetting)
        if (folder / "forgetting.json").exists()
        else None,
        studies=tuple(_whole(folder, f"search/{path.name}", Study) for path in _studies(folder)),
        units=tuple(sorted(units, key=lambda unit: (unit.method, unit.fold or 0, unit.address))),
    )


def _studies(folder: Path) -> list[Path]:
    return sorted((folder / "search").glob("*.json"))


def _remedy(folder: Path, name: str) -> str:
    source = "job.yaml" if name == "job.yaml" else f"{folder / 'job.yaml'}"
    return f"type `tuneworthy run {source}` to finish the run."


def _text(folder: Path, name: str) -> str:
    try:
        return _checked(folder, name)
    except RunFolderError:
        raise
    except FileNotFoundError:
        raise RunFolderError(f"the run folder '{folder}' has no {name}; {_remedy(folder, name)}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise RunFolderError(
            f"{name} in the run folder '{folder}' cannot be read ({reason}); {_remedy(folder, name)}"
        ) from None


def _checked(folder: Path, name: str) -> str:
    """A file of the run, or of one of its units, which have sums of their own.

    Raises:
        RunFolderError: it is not what was written.
        OSError, UnicodeDecodeError: it cannot be read.
    """
    path = folder / name
    if path.parent.parent.name != "units":
        return checksums.checked(folder, name).decode()
    path.stat()  # one that is gone is said to be
    try:
        return checked_text(path.parent, path.name)
    except DamagedFileError as error:
        name = (path.parent / error.name).relative_to(folder).as_posix()
        raise _damaged(folder, name, "its checksum is not that of what was written") from None


def _damaged(folder: Path, name: str, what: str) -> RunFolderError:
    return RunFolderError(f"{name} in the run folder '{folder}' is damaged ({what}); {_remedy(folder, name)}")


def _whole(folder: Path, name: str, kind: type[T]) -> T:
    return _parsed(folder, name, _text(folder, name), kind, "")


def _lines(folder: Path, name: str, kind: type[T]) -> list[T]:
    lines = _text(folder, name).split("\n")
    return [
        _parsed(folder, name, line, kind, f"line {number}: ")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _parsed(folder: Path, name: str, text: str, kind: type[T], where: str) -> T:
    try:
        return TypeAdapter(kind).validate_python(json.loads(text))
    except json.JSONDecodeError as error:
        raise _damaged(folder, name, f"{where}not JSON: {error.msg.lower()}") from None
    except ValidationError as error:
        raise _damaged(folder, name, where + _first(error)) from None


def _units(folder: Path, plan: Plan, arms: Sequence[str]) -> Iterator[UnitOutput]:
    """The planned units of scored arms that predict; refits and earlier plans are left alone."""
    for planned in (unit for stage in plan.stages for unit in stage.units):
        if planned.method not in arms or planned.predict_rows == 0:
            continue
        name, report = (f"units/{planned.address}/{file}" for file in ("unit.json", "metrics.json"))
        fields = {**_whole(folder, name, dict[str, Any]), **_whole(folder, report, dict[str, Any])}
        try:
            yield UnitOutput.model_validate({**fields, "address": planned.address})
        except ValidationError as error:
            raise _damaged(folder, report, _first(error)) from None


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, in short."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place or 'content'}: {first['msg'].lower()}"
