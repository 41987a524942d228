"""Typed questions about a text, in System One's and in OpenAI's words, answered by a run's probabilities.

A run answers one question: which of its labels. So an option of a question has to be a label of the run;
probabilities of the options are those of the run, normalised over the options that were given. The question's
own wording is not read: the run was trained and measured with its instruction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["noul", "choice", "score"]
YES = ("yes", "true", "1", "y", "positive", "pos")
NO = ("no", "false", "0", "n", "negative", "neg")


class QuestionError(ValueError):
    """The run cannot answer this question."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in the run's terms.

    Attributes:
        kind: "noul" (yes or no), "choice" or "score".
        options: what the client calls each option, in its order.
        labels: the run's label of each option; of a yes/no question the label of yes, then that of no where
            there is one.
    """

    kind: Kind
    options: tuple[str, ...]
    labels: tuple[str, ...]

    def shares(self, probabilities: Mapping[str, float]) -> list[float]:
        """Probability of each option; of a yes/no question without a label of no, yes and the rest."""
        found = [probabilities[label] for label in self.labels]
        if self.kind == "noul" and len(found) == 1:
            found.append(max(0.0, sum(probabilities.values()) - found[0]))
        whole = sum(found)
        return [p / whole for p in found] if whole > 0 else [1 / len(found)] * len(found)


def choice(options: Sequence[str | bool], labels: Sequence[str]) -> Asked:
    """One of several options; raises QuestionError where one is no label of the run."""
    return Asked("choice", tuple(map(str, options)), _named(options, labels))


def score(levels: Sequence[Any], labels: Sequence[str]) -> Asked:
    """A place among levels, the lowest first; raises QuestionError where one is no label of the run."""
    return Asked("score", tuple(map(str, range(len(levels)))), _named(levels, labels))


def yes_or_no(yes: Any, no: Any, labels: Sequence[str]) -> Asked:
    """Yes or no: the labels that are said to stand for them, or those of a run whose two labels mean that.

    Raises:
        QuestionError: neither is there.
    """
    named = _label(yes, labels)
    if named is not None:
        other = _label(no, labels)
        return Asked("noul", ("true", "false"), (named,) if other is None else (named, other))
    plain = {label.strip().casefold(): label for label in labels}
    if len(labels) == 2:
        for one, two in zip(YES, NO, strict=True):
            if one in plain and two in plain:
                return Asked("noul", ("true", "false"), (plain[one], plain[two]))
    raise QuestionError(
        f"this run's labels are {shown(labels)}: ask a choice among them, or say which one means yes "
        "(System One: criteria.true; OpenAI: the question's name)."
    )


def _named(options: Sequence[Any], labels: Sequence[str]) -> tuple[str, ...]:
    found = [_label(option, labels) for option in options]
    unknown = [str(option) for option, label in zip(options, found, strict=True) if label is None]
    if unknown:
        raise QuestionError(f"{shown(unknown)}: no label of this run, which has {shown(labels)}.")
    named = tuple(label for label in found if label is not None)
    if len(set(named)) < len(named):
        raise QuestionError("two of the options are the same label of this run.")
    if not named:
        raise QuestionError("a question needs options.")
    return named


def _label(option: Any, labels: Sequence[str]) -> str | None:
    """The label that an option names, case and outer blanks aside where that is unambiguous."""
    if isinstance(option, bool):
        words = YES if option else NO
        found = [label for label in labels if label.strip().casefold() in words]
    elif isinstance(option, str):
        if option in labels:
            return option
        found = [label for label in labels if label.strip().casefold() == option.strip().casefold()]
    else:
        return None
    return found[0] if len(found) == 1 else None


def shown(names: Sequence[str], most: int = 8) -> str:
    """A few of the names, quoted."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + more


def choice_confidence(shares: Sequence[float]) -> float:
    """0 at equal shares, 1 at certainty: (p - 1/n) / (1 - 1/n) of the best option, as in transformers."""
    n = len(shares)
    return 1.0 if n == 1 else max(0.0, (max(shares) - 1 / n) / (1 - 1 / n))


def score_and_confidence(shares: Sequence[float]) -> tuple[float, float]:
    """The mean level, and 1 - mean distance from the likeliest / that of equal shares from the middle."""
    n = len(shares)
    best = max(range(n), key=lambda level: shares[level])
    mean = sum(level * p for level, p in enumerate(shares))
    if n == 1:
        return mean, 1.0
    distance = sum(p * abs(level - best) for level, p in enumerate(shares))
    uniform = sum(abs(level - (n - 1) / 2) for level in range(n)) / n
    return mean, max(0.0, 1 - distance / uniform)
