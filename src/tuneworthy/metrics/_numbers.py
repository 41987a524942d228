"""Targets and answers that are numbers."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Parts, check_lengths
from tuneworthy.metrics._traits import OfWholeRows

Numbers = NDArray[np.float64]

_THOUSANDS = r"[1-9]\d{0,2}(?:,\d{3})+(?![\d,])(?:\.\d*)?"
_NUMBER = re.compile(rf"[-+]?(?:{_THOUSANDS}|\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{{1,3}})?")


def number_of(text: str) -> float | None:
    """The first number in a text, or None; a comma may part thousands, and is no decimal point.

    >>> number_of("about -3.5 of 5"), number_of("$45,000.50"), number_of("3,14"), number_of("four")
    (-3.5, 45000.5, 3.0, None)
    """
    found = _NUMBER.search(text.replace("\N{MINUS SIGN}", "-"))
    return None if found is None else float(found.group().replace(",", ""))


def written(number: float) -> str:
    """A number as a model writes it: no more than four decimals, none where it is whole.

    >>> written(3.0), written(2.71828)
    ('3', '2.7183')
    """
    text = f"{number:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def pairs(
    predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
) -> tuple[Numbers, Numbers]:
    """Answers and targets as numbers, each [rows].

    An answer that is no number counts as the end of the targets' range, `labels`, that is farther away.

    Raises:
        ValueError: empty or unpaired input, or a target that is no number.
    """
    check_lengths(predictions, targets)
    wanted = np.array([_target(target) for target in targets])
    ends = [float(end) for end in labels] or [wanted.min(), wanted.max()]
    low, high = min(ends), max(ends)
    answers = []
    for prediction, target in zip(predictions, wanted, strict=True):
        given = prediction.value if prediction.status == "parsed" else None
        number = None if given is None else number_of(given)
        farther = low if target - low > high - target else high
        answers.append(farther if number is None else number)
    return np.array(answers), wanted


def _target(target: str) -> float:
    number = number_of(target)
    if number is None:
        raise ValueError(f"target '{target[:40]}' is no number")
    return number


@dataclass(frozen=True, slots=True)
class Agreement(OfWholeRows):
    """How answers and targets agree, computed from their moments; 0 where nothing varies.

    Attributes:
        name, title: as every metric has them.
        seen: from answers and targets, each [rows], to the two columns whose moments count.
        over, under: sides of the ratio it is, of variance of answers, variance of targets, their covariance,
            and squared difference of the means.
    """

    name: str
    title: str
    seen: Callable[[Numbers, Numbers], tuple[Numbers, Numbers]]
    over: Callable[[Parts, Parts, Parts, Parts], Parts]
    under: Callable[[Parts, Parts, Parts, Parts], Parts]
    best: float = 1.0
    worst: float = -1.0
    binary: bool = False
    open: bool = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 6]: 1, x, y, x^2, y^2 and xy of each row.

        Raises ValueError on empty or unpaired input and on a target that is no number.
        """
        x, y = self.seen(*pairs(predictions, targets, labels))
        return np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y])

    def value(self, sums: Parts) -> Parts:
        """The ratio from summed moments, shape [..., 6] -> [...]."""
        n, x, y, xx, yy, xy = (sums[..., i] for i in range(6))
        known = (xx / n - (x / n) ** 2, yy / n - (y / n) ** 2, xy / n - x * y / n**2, (x / n - y / n) ** 2)
        over, under = self.over(*known), self.under(*known)
        # What rounding leaves of moments that cancel is no variance, whatever the numbers are measured in.
        rounding = self.under(xx / n, yy / n, np.sqrt(xx * yy) / n, (np.abs(x) + np.abs(y)) ** 2 / n**2)
        return np.divide(over, under, out=np.zeros(np.shape(over)), where=under > 1e-12 * rounding)
