"""`Example`, `Dataset` and `RowSet`: what was labelled, and which part of it a unit may see."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from tuneworthy.core.frozen import Frozen
from tuneworthy.core.hashing import address


class Example(Frozen):
    """One labelled row.

    `target` is the canonical text form of the label (structured tasks keep JSON in it); None when the
    label is unknown or withheld. `row` is the 1-based row in the source, for messages only.
    """

    id: str
    input: str
    target: str | None = None
    group: str | None = None
    row: int = 0

    def without_target(self) -> "Example":
        """The same row as a unit may see it when it has to predict it: the target withheld."""
        return self.model_copy(update={"target": None})


def example_id(input: str, target: str | None, group: str | None, occurrence: int) -> str:
    """A row's id: its content's address, and how often the same content came before it."""
    stem = address([input, target, group])[:12]
    return stem if occurrence == 0 else f"{stem}-{occurrence}"


class Dataset(Frozen):
    """An immutable table of examples, named by its source and known by its fingerprint."""

    name: str
    examples: tuple[Example, ...]
    input_columns: tuple[str, ...]
    target_column: str | None
    group_column: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """The address of the rows' contents, independent of file format, not of order."""
        return address([example.id for example in self.examples])

    @cached_property
    def by_id(self) -> dict[str, Example]:
        """The examples by id."""
        return {example.id: example for example in self.examples}

    def __len__(self) -> int:
        return len(self.examples)


class RowSet(Frozen):
    """Row ids in a fixed order; units refer to it by its address."""

    ids: tuple[str, ...]

    @classmethod
    def of(cls, rows: Iterable[Example | str]) -> "RowSet":
        """The row set of some examples or ids, in their order."""
        return cls(ids=tuple(row if isinstance(row, str) else row.id for row in rows))

    @cached_property
    def address(self) -> str:
        """What a unit stores in place of the ids."""
        return address(list(self.ids))

    def select(self, by_id: dict[str, Example]) -> list[Example]:
        """The examples of this set, in its order."""
        return [by_id[row_id] for row_id in self.ids]

    def __len__(self) -> int:
        return len(self.ids)


def label_counts(examples: Sequence[Example]) -> dict[str, int]:
    """How often each target occurs, most frequent first, ties by name."""
    counts: dict[str, int] = {}
    for example in examples:
        if example.target is not None:
            counts[example.target] = counts.get(example.target, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
