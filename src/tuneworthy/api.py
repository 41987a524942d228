"""The Python interface: `run` a job, `open_run` a finished one, and the `Run` they return."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneworthy.core.errors import JobError, NotFoundError
from tuneworthy.core.evidence import Comparison, Estimate, Verdict
from tuneworthy.core.forecast import FitPlan
from tuneworthy.core.job import Job
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.ranking import Ranking
from tuneworthy.data.forms import Cells
from tuneworthy.data.jobfile import job_from_tree, load_job
from tuneworthy.data.table import Table, cell_text, table_from_frame
from tuneworthy.methods import METHODS
from tuneworthy.runfolder.folder import Listener, RunFolder

if TYPE_CHECKING:
    from tuneworthy.core.parity import Parity
    from tuneworthy.exporting import Exported
    from tuneworthy.units.predictor import Predictor

JOB_SUFFIXES = (".yaml", ".yml")


class Run:
    """A finished run: its verdict, its numbers, and the model it recommends."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def verdict(self) -> Verdict:
        """The decision, the recommended method, the reasons."""
        return Verdict.model_validate(RunFolder(self.path).read("verdict.json"))

    @cached_property
    def estimates(self) -> list[Estimate]:
        """Every metric of every arm, with its interval."""
        return [Estimate.model_validate(item) for item in RunFolder(self.path).read("estimates.json")]

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Every paired difference."""
        return [Comparison.model_validate(item) for item in RunFolder(self.path).read("comparisons.json")]

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    def predict(self, texts: str | Sequence[Any], send_rows: bool = False) -> list[Prediction]:
        """Label and probabilities for new texts, by the recommended method fitted on all rows.

        A text may be whatever the input column held in training: tokens, or the turns of a chat.

        Raises:
            ConsentError: the method asks an endpoint on another machine, and `send_rows` does not allow it.
        """
        from tuneworthy.tasks import TASKS, form_of

        given = [texts] if isinstance(texts, str) else texts
        read = form_of(TASKS.get(self._predictor.unit.task)).read
        cells = [cell_text(text, f"text {number}") or "" for number, text in enumerate(given, start=1)]
        asked = [read(Cells(cell, None)).input for cell in cells]
        return self._predictor.predict(asked, send_rows=send_rows)

    def export(
        self,
        *to: str,
        arm: str | None = None,
        output: str | os.PathLike[str] | None = None,
        rows: int | None = None,
        tools: Mapping[str, str | os.PathLike[str]] | None = None,
    ) -> "list[Exported]":
        """Exports the recommended model, each artefact re-scored before it gets its name.

        Args:
            to: formats, such as "merged" or "gguf:q8_0"; none for the usual one of the arm.
            arm: an arm other than the recommended one; fitted on all rows first where the run has not.
            output: where the artefacts' folders go; `exports` in the run folder when absent.
            rows: how many rows of the run the gate asks.
            tools: programs of your own by name: "converter", "quantizer".

        Returns:
            For each format its `folder`, and what the gate found, `parity`.

        Raises:
            ParityError: an artefact does not answer as the fit; it is not kept.
        """
        from tuneworthy.exporters.gate import USUAL_ROWS
        from tuneworthy.exporting import Wanted, export_run

        named = {name: Path(path) for name, path in (tools or {}).items()}
        place = None if output is None else Path(output)
        return export_run(self.path, Wanted(to, arm, place, rows or USUAL_ROWS, named))

    def verify(self, artefact: str | os.PathLike[str], rows: int | None = None) -> "Parity":
        """The parity gate alone: whether an exported model still answers as its fit (`passed`, `causes`)."""
        from tuneworthy.exporters.gate import USUAL_ROWS
        from tuneworthy.exporting import verify

        return verify(Path(artefact), self.path, rows or USUAL_ROWS)

    @cached_property
    def _predictor(self) -> "Predictor":
        from tuneworthy.units.predictor import Predictor

        return Predictor(self.path)

    def _repr_html_(self) -> str:
        from tuneworthy.reports.contents import load_contents
        from tuneworthy.reports.notebook import verdict_card

        return verdict_card(load_contents(self.path))

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.verdict.decision!r}, use {self.verdict.recommended_method!r})"


def open_run(path: str | os.PathLike[str]) -> Run:
    """A finished run from its folder; raises NotFoundError when there is none."""
    folder = Path(path)
    if not (folder / "verdict.json").exists():
        raise NotFoundError(f"{folder} holds no finished run (verdict.json is missing).")
    return Run(folder)


def run(
    data: Any,
    *,
    target: str | None = None,
    input: str | Sequence[str] = (),
    group: str | None = None,
    test: str | os.PathLike[str] | None = None,
    blank_means_none: bool = False,
    output: str | os.PathLike[str] | None = None,
    listener: Listener | None = None,
    overrides: Sequence[str] = (),
    **settings: Any,
) -> Run:
    """Runs the main job and returns the finished `Run`.

    Args:
        data: a table's path, a job file (.yaml), a pandas or polars DataFrame, or a list of dicts.
        target: the label column; found when it is clear.
        input: the text column or columns; found when clear.
        group: column whose equal values never straddle a split.
        test: a test file of your own.
        blank_means_none: rows with a blank target are ones with nothing to find, not unlabelled.
        output: the run folder.
        listener: told every event as a dict.
        overrides: `section.key=value` texts, as on the command line.
        settings: any field of a job, and a dict per method: `arms=["tfidf", "lora"]`, `lora={"rank": 16}`.

    Raises:
        TuneworthyError: one sentence that says what is wrong and what to do.
    """
    from tuneworthy import pipeline

    columns = {
        "target": target,
        "input": (input,) if isinstance(input, str) else tuple(input),
        "group": group,
        "test": None if test is None else os.fspath(test),
        "blank_means_none": blank_means_none,
    }
    job, table = make_job(data, columns, settings, overrides)
    return Run(pipeline.run(job, None if output is None else Path(output), table, listener))


def rank_models(
    data: Any,
    *,
    candidates: Sequence[str] = (),
    target: str | None = None,
    input: str | Sequence[str] = (),
    group: str | None = None,
    test: str | os.PathLike[str] | None = None,
    commercial: bool = False,
    licence: str | None = None,
    domain: str | None = None,
    language: str | None = None,
    memory: str | None = None,
    overrides: Sequence[str] = (),
    **settings: Any,
) -> Ranking:
    """Ranks base models by what they know of the labels before any fine-tuning; reads training rows only.

    Args:
        data: as for `run`.
        candidates: catalogue names, Hub ids or folders; default: the catalogue's models on this machine.
        target, input, group, test: as for `run`.
        commercial, licence, domain, language: conditions on models of the catalogue.
        memory: of a GPU that is to fine-tune them, such as "16GiB"; default: this machine.
        overrides: `section.key=value` texts, as on the command line.
        settings: any field of a job, such as `seed=1`.

    Raises:
        TuneworthyError: one sentence that says what is wrong and what to do.
    """
    from tuneworthy.models.machines import machine_with
    from tuneworthy.models.wanted import Wanted
    from tuneworthy.ranking import rank_models as rank

    columns = {
        "target": target,
        "input": (input,) if isinstance(input, str) else tuple(input),
        "group": group,
        "test": None if test is None else os.fspath(test),
    }
    job, table = make_job(data, columns, settings, overrides)
    asked = {"licence": licence, "domain": domain, "language": language, "commercial": commercial}
    machine = None if memory is None else machine_with(memory)
    return rank(job, table, candidates, Wanted.model_validate({**asked, "machine": machine}))


def plan(
    data: Any,
    *,
    gpu: str | None = None,
    memory: str | None = None,
    models: Sequence[str] = (),
    length: int | None = None,
    machines: str | os.PathLike[str] | None = None,
    columns: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    **settings: Any,
) -> FitPlan:
    """Plans memory, minutes and money of every way to fine-tune a job's models. No weights are loaded.

    Args:
        data: a table's path, a job file (.yaml), a DataFrame, or a list of dicts.
        gpu: a card, such as "RTX 3090"; with `memory` neither, this machine.
        memory: of a GPU of which nothing else is known, such as "16GiB".
        models: other base models; the largest that fits is picked among all.
        length: tokens of every row, in place of the table's rows.
        machines: a file of cards and prices of your own.
        columns: fields of the job's `data` section, such as `{"target": "label"}`.
        overrides: `section.key=value` texts, as on the command line.
        settings: as for `run`.

    Raises:
        TuneworthyError: one sentence that says what is wrong and what to do.
    """
    from tuneworthy.models.machines import MACHINES
    from tuneworthy.planning import plan_job

    job, table = make_job(data, columns or {}, settings, overrides)
    place = MACHINES if machines is None else Path(machines)
    return plan_job(job, table, gpu, memory, models, length, place)


def adapt(
    text: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    base_model: str = "minilm",
    seed: int = 0,
    **settings: Any,
) -> dict[str, Any]:
    """Lets a base model read unlabelled text; a folder for `base_model` or `embedding_model` if that helps.

    Args:
        text: file(s) of text: .txt with a document a line, or a table.
        output: a new folder, which is not written when held-out text is read worse afterwards.
        base_model: a catalogue name, a Hugging Face id or a local folder.
        seed: every random draw derives from it.
        settings: parameters of the arm `adapt`, such as `max_steps=100`.

    Returns:
        `kept`, `before` and `after` (in `measure`, the lower the better), and `told`, a sentence.

    Raises:
        TuneworthyError: one sentence that says what is wrong and what to do.
    """
    from tuneworthy.adapting import adapt_model

    files = [text] if isinstance(text, str | os.PathLike) else text
    return adapt_model([Path(file) for file in files], base_model, Path(output), settings, seed)


def make_job(
    data: Any, columns: Mapping[str, Any], settings: Mapping[str, Any], overrides: Sequence[str] = ()
) -> tuple[Job, Table | None]:
    """A job from a path, a job file or rows in memory.

    Args:
        data: see `run`.
        columns: fields of `DataSpec` but the path; empty values are left to the job or to the tool.
        settings: fields of a job and sections of methods.
        overrides: `section.key=value` texts of the command line; they win.

    Raises:
        JobError: a setting is unknown or impossible.
    """
    from tuneworthy.data.job_yaml import apply_overrides

    given = {key: value for key, value in columns.items() if value}
    names = METHODS.names()
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        if path.suffix.lower() in JOB_SUFFIXES:
            job = load_job(path, overrides, names)
            changed = {"data": job.data.model_copy(update={k: _plain(v) for k, v in given.items()})}
            if settings:
                raise JobError(
                    "settings belong in the job file when there is one; use overrides for single values."
                )
            return job.model_copy(update=changed), None
        tree = {"data": {"path": str(path), **given}, **settings}
        return job_from_tree(apply_overrides(tree, overrides), names), None
    table = table_from_frame(data)
    tree = {"data": {"path": "rows", **given}, **settings}
    return job_from_tree(apply_overrides(tree, overrides), names), table


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value
