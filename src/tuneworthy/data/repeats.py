"""Rows that belong together: one text that came twice, or one group."""

from collections.abc import Sequence

from tuneworthy.core.example import Example


def normalised(text: str) -> str:
    """Lower case, single spaces: what counts as an exact duplicate."""
    return " ".join(text.lower().split())


def group_keys(examples: Sequence[Example]) -> list[int]:
    """A number per row; rows with the same group or the same normalised input share it (union-find)."""
    parent = list(range(len(examples)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, row in enumerate(examples):
        keys = (
            [("text", text)] if (text := normalised(row.input)) else []
        )  # blank rows have nothing in common
        if row.group is not None:
            keys.append(("group", row.group))
        for key in keys:
            parent[root(i)] = root(first.setdefault(key, i))
    return [root(i) for i in range(len(examples))]
