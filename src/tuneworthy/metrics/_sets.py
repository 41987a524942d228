"""Sets of labels, and the one way they are written."""

import re

from tuneworthy.core.strict_json import strict_json

NONE = "none"  # what is written for a row that has no label
_PARTS = re.compile(r"[;|\n]")


def labels_of(target: str) -> list[str]:
    """The labels of a target, sorted, each once: a JSON list, or labels between semicolons or bars.

    >>> labels_of("late; damaged;late"), labels_of('["b", "a"]'), labels_of("none"), labels_of("[]")
    (['damaged', 'late'], ['a', 'b'], [], [])
    """
    found: list[str] = _PARTS.split(target)
    if target.startswith("["):
        try:
            listed = strict_json(target)
        except ValueError:
            listed = None
        if isinstance(listed, list):
            found = [str(one) for one in listed]
    return sorted({name for one in found if (name := " ".join(one.split())) and name.casefold() != NONE})


def written(labels: list[str]) -> str:
    """Labels as a model writes them."""
    return "; ".join(labels) or NONE


def as_record(target: str) -> dict[str, str]:
    """The set as a record with a field for each label, which the metrics of records can read."""
    return dict.fromkeys(labels_of(target), "yes")
