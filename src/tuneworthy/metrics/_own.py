"""`OwnMetric`: a function in the user's own file, with the intervals and tests that every metric gets."""

import importlib.util
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
            raise JobError(
                f"the metric '{self.name}' failed with {type(error).__name__}: {error}; an answer is None "
                "where nothing could be read."
            ) from error
        wanted = "return a list with one finite number per row, whose mean is reported"
        if not hasattr(found, "__len__"):
            raise JobError(f"the metric '{self.name}' returned {type(found).__name__}: {wanted}.")
        if len(found) != len(targets):
            raise JobError(
                f"the metric '{self.name}' returned {len(found)} numbers for {len(targets)} rows: {wanted}."
            )
        try:
            numbers = np.array([float(one) for one in found])
        except (TypeError, ValueError):
            raise JobError(f"the metric '{self.name}' returned what is no number: {wanted}.") from None
        if not np.isfinite(numbers).all():
            raise JobError(f"the metric '{self.name}' returned a number that is not finite: {wanted}.")
        return np.column_stack([numbers, np.ones(len(numbers))])


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
    file, name = own_metric(metric)
    source = (folder / file).resolve()
    if not source.is_file():
        raise JobError(f"metric '{metric}': there is no file {folder / file}.")
    module = _run(source, metric)
    function = getattr(module, name, None)
    if not callable(function):
        known = sorted(key for key, value in vars(module).items() if callable(value) and key[0] != "_")
        raise JobError(
            f"metric '{metric}': {source.name} has no function '{name}': it has {', '.join(known) or 'none'}."
        )
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
            f"metric '{metric}': {source.name} fails with {type(error).__name__}: {error}."
        ) from error
    return module
