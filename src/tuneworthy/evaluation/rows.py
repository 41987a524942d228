"""The scored rows in one fixed order, and which of them are drawn together."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.data.repeats import group_keys, normalised
from tuneworthy.metrics import Parts

REPEATED = 0.05  # of the rows have a text that came before, from which on texts are drawn whole (ours)


@dataclass(frozen=True)
class Rows:
    """Scored rows, sorted by id so that no result depends on the order of a file.

    Attributes:
        ids: example ids, ascending.
        targets: their labels.
        unit: for each row the number of its resampling unit, shape [rows]: rows that share a group share a
            unit, and so do rows of the same text where there are many; any other row is a unit of its own.
        units: how many resampling units there are.
    """

    ids: tuple[str, ...]
    targets: tuple[str, ...]
    unit: NDArray[np.int64]
    units: int

    @property
    def grouped(self) -> bool:
        """True when at least two rows share a group: then rows are not independent draws."""
        return self.units < len(self.ids)

    @property
    def noun(self) -> str:
        """What a resampling unit is called."""
        return "groups" if self.grouped else "rows"

    @property
    def bootstrap(self) -> str:
        """What an interval from resampling these rows is called."""
        return "group_bootstrap" if self.grouped else "bootstrap"

    def order(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """The predictions in this order.

        Raises:
            ValueError: the predictions do not answer exactly these rows, once each.
        """
        by_id = {prediction.example_id: prediction for prediction in predictions}
        if len(by_id) != len(predictions):
            raise ValueError("a row is predicted twice")
        strangers = by_id.keys() ^ set(self.ids)
        if strangers:
            raise ValueError(
                f"predictions and rows differ in {len(strangers)} ids, '{min(strangers)}' among them: "
                "scores are compared on the same rows or not at all"
            )
        return [by_id[row_id] for row_id in self.ids]

    def by_unit(self, parts: Parts) -> Parts:
        """Parts summed over each resampling unit, shape [rows, parts] -> [units, parts]."""
        if not self.grouped:
            return parts
        sums = np.zeros((self.units, parts.shape[1]))
        np.add.at(sums, self.unit, parts)
        return sums


def rows_of(examples: Sequence[Example]) -> Rows:
    """Sorts the examples and numbers their resampling units in order of appearance.

    Raises:
        ValueError: no examples, an id twice, or an example without a target.
    """
    if not examples:
        raise ValueError("a score needs at least one row")
    ordered = sorted(examples, key=lambda example: example.id)
    targets = []
    for example in ordered:
        if example.target is None:
            raise ValueError(f"row '{example.id}' has no target to score against")
        targets.append(example.target)
    ids = tuple(example.id for example in ordered)
    if len(set(ids)) != len(ids):
        raise ValueError("an example id occurs twice")
    unit = _units(tuple((example.id, example.input, example.group) for example in ordered))
    return Rows(ids=ids, targets=tuple(targets), unit=unit, units=int(unit.max()) + 1)


@lru_cache(maxsize=64)
def _units(rows: tuple[tuple[str, str, str | None], ...]) -> NDArray[np.int64]:
    """The resampling unit of each row, given its id, text and group; kept, since every arm has these rows.

    An answer depends on the text, so that rows of one text are right or wrong together: counted as
    independent, equal arms were called different in 10% of tables in which each text came twice.
    """
    examples = [Example(id=name, input=text, group=group) for name, text, group in rows]
    alone = [("id", row.id) if row.group is None else ("group", row.group) for row in examples]
    together = _numbered(alone)
    texts = [("id", row.id) if not row.input.strip() else ("text", normalised(row.input)) for row in examples]
    if len(set(texts)) < (1 - REPEATED) * len(texts):
        together = _numbered(group_keys(examples))
    together.flags.writeable = False
    return together


def _numbered(keys: Sequence[Hashable]) -> NDArray[np.int64]:
    """Keys as numbers from 0, in order of appearance."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
