"""`OwnMetric`: a function in the user's own file, with the intervals and tests that every metric gets."""

import importlib.util
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any

import numpy as np

from tuneworthy.core.counting import counted
from tuneworthy.core.errors import JobError
from tuneworthy.core.job import own_metric
from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import METRICS, Parts, check_lengths
from tuneworthy.metrics._traits import MeanOverRows

Function = Callable[[list[str | None], list[str]], Sequence[float]]


@dataclass(frozen=True, slots=True)
class OwnMetric(MeanOverRows):
    """The mean over rows of what the function gives each row.

    Attributes:
        name: the function's.
        title: how a report calls it.
        function: from answers (None where one is unparseable or failed) and targets to a number per row.
        best, worst: its ends, by the function's attributes of these names; higher is better by default.
        open: whether answers are texts.
        notation: from a target to how an answer would say it, so that equal ones are equal texts.
    """

    name: str
    title: str
    function: Function
    best: float
    worst: float
    open: bool
    notation: Callable[[str], str] = str
    binary: bool = False

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 2]: the function's number, and 1.

        Raises:
            ValueError: empty or unpaired input.
            JobError: the function fails, or does not give a finite number per row.
        """
        check_lengths(predictions, targets)
        answers = [p.value if p.status == "parsed" else None for p in predictions]
        try:
            found = self.function(answers, [self.notation(target) for target in targets])
        except Exception as error:
            hint = "; an answer is None where nothing could be read" if "None" in str(error) else ""
            raise JobError(
                f"the metric '{self.name}' failed with {_what_and_where(error, METRICS.source(self.name))}"
                f"{hint}."
            ) from error
        numbers = [_number(one) for one in self._listed(found, len(targets))]
        for row, (number, given) in enumerate(zip(numbers, found, strict=True), start=1):
            if number is None:
                raise self._refused(f"{given!r} for row {row} of {len(targets)}, which is no finite number")
        return np.column_stack([np.array(numbers, dtype=np.float64), np.ones(len(numbers))])

    def _listed(self, found: Any, rows: int) -> Sequence[Any]:
        """What the function returned, where it is as long as there are rows."""
        if found is None:
            raise self._refused("nothing")
        if not hasattr(found, "__len__") or isinstance(found, str | dict):
            raise self._refused(f"{found!r}"[:60])
        if len(found) != rows:
            raise self._refused(f"{counted(len(found), 'number')} for {counted(rows, 'row')}")
        listed: Sequence[Any] = found
        return listed

    def _refused(self, what: str) -> JobError:
        return JobError(
            f"the metric '{self.name}' returned {what}: let it return a list with one finite number for each "
            "row, whose mean is reported."
        )


def bring_own(metric: str, open: bool, folder: Path = Path(), notation: Callable[[str], str] = str) -> str:
    """Makes the function of `file.py:function` a metric of this process and returns its name.

    Args:
        metric: the file, relative to `folder`, and the function in it.
        open: whether answers are texts.
        folder: where the job file is.
        notation: from a target to how an answer would say it.

    Raises:
        JobError: no such file or function, the file cannot be run, or its name is a metric of ours.
    """
    file, name = (Path(metric), "") if metric.endswith(".py") else own_metric(metric)
    source = (folder / file).resolve()
    if not source.is_file():
        raise JobError(f"metric '{metric}': there is no file {folder / file}.")
    module = _run(source, metric)
    function = getattr(module, name, None)
    if not callable(function):
        defined = [
            key
            for key, value in vars(module).items()
            if callable(value) and key[0] != "_" and value.__module__ == module.__name__
        ]
        said = f"has no function '{name}'" if name else "is a file, and a function in it is the metric"
        known = (
            f"say {' or '.join(f'{source.name}:{key}' for key in defined)}" if defined else "it defines none"
        )
        raise JobError(f"metric '{metric}': {source.name} {said}: {known}.")
    best, worst = float(getattr(function, "best", math.inf)), float(getattr(function, "worst", -math.inf))
    if best == worst:
        raise JobError(f"metric '{metric}': its best and worst are the same, {best:g}.")
    own = OwnMetric(name, name.replace("_", " "), function, best, worst, open, notation)
    METRICS.bring(name, own, source)
    return name


def _run(source: Path, metric: str) -> Any:
    """The user's file as a module."""
    spec = importlib.util.spec_from_file_location(f"own_metric_{source.stem}", source)
    if spec is None or spec.loader is None:
        raise JobError(f"metric '{metric}': {source} cannot be run as Python.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise JobError(
            f"metric '{metric}': {source.name} fails with {_what_and_where(error, source)}."
        ) from error
    return module


def _number(given: Any) -> float | None:
    """A finite number, or None."""
    try:
        number = float(given)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _what_and_where(error: Exception, source: Path | None) -> str:
    """The error, and the last line of the user's file that led to it: "KeyError: 'k' (mine.py, line 3)"."""
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(source)]
    place = f" ({source.name}, line {lines[-1]})" if source is not None and lines else ""
    return f"{type(error).__name__}: {error}{place}"
