"""Which column is the text and which is the label.

Columns that were not named are found when there is no doubt, and asked for otherwise. Every choice comes with
a sentence for the user.
"""

import re
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tuneworthy.core.errors import JobError
from tuneworthy.core.registry import did_you_mean
from tuneworthy.data.forms import PLAIN, Form
from tuneworthy.data.table import Table

TARGET_NAMES = frozenset(
    ("label", "labels", "target", "class", "category", "sentiment", "intent", "topic", "y", "gold_label")
)
FITTING_TARGET_NAMES = TARGET_NAMES | {"score", "rating", "stars", "record", "fields", "entities", "tags"}
OPEN_TARGET_NAMES = frozenset(
    ("answer", "answers", "summary", "output", "completion", "response", "reply", "reference", "target")
)
TEXT_NAMES = frozenset(("text", "input", "sentence", "utterance"))

_MOST_LABELS = 200
_LONGEST_LABEL = 60  # mean characters
_FEWEST_WORDS = 3.0  # mean words of free text
_FEWEST_WORDS_OF_A_RIVAL = 1.5  # names and titles; ids, links and codes have one
_MOST_LISTED = 60  # columns in a message
_SHOWN = 24  # characters of a value in a message
_CJK = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f]"
)  # scripts without spaces
_LISTED = re.compile(r"\S\s*[;|]\s*\S")  # several labels in a cell
_ROW_NUMBER_NAMES = frozenset(("id", "idx", "index", "row", "no", "nr", "number"))
_NUMBER_OR_DATE = re.compile(r"[-+\d.,:/TZ%$€£ eE]+")


@dataclass(frozen=True)
class Columns:
    """Which columns are used.

    Attributes:
        input: the column(s) with the text.
        target: the column with the label; None where the input column holds it too, as a chat does.
        explanation: one sentence for the user, saying how they were chosen.
    """

    input: tuple[str, ...]
    target: str | None
    explanation: str = field(default="", compare=False)


@dataclass(frozen=True)
class _Profile:
    """What a column looks like."""

    name: str
    filled: int
    counts: Counter[str]
    words: float
    characters: float
    numeric: bool
    nested: bool

    @property
    def distinct(self) -> int:
        return len(self.counts)

    @property
    def mostly_distinct(self) -> bool:
        return self.distinct > self.filled / 2

    @property
    def may_be_text(self) -> bool:
        """Free text, however short, that hardly repeats."""
        prose = not self.numeric and not self.nested and self.words >= _FEWEST_WORDS_OF_A_RIVAL
        return prose and self.mostly_distinct

    @property
    def is_text(self) -> bool:
        """Longish free text that hardly repeats."""
        return self.may_be_text and self.words >= _FEWEST_WORDS

    @property
    def has_few_values(self) -> bool:
        """Short values that repeat: it may be a label, or a company, a source, a date."""
        return 2 <= self.distinct <= self.filled / 2 and self.characters <= _LONGEST_LABEL

    @property
    def is_label(self) -> bool:
        """Few short values, each of which repeats."""
        most = max(2.0, min(_MOST_LABELS, self.filled / 3))
        return self.has_few_values and self.distinct <= most and min(self.counts.values()) >= 2

    @property
    def numbers_rows(self) -> bool:
        """Whole numbers without a gap or a repeat, or called an id: a row's number, not what is asked."""
        name = _plain(self.name)
        if name in _ROW_NUMBER_NAMES or name.endswith("_id"):
            return True
        if self.distinct < self.filled or not all(
            value.isdecimal() and len(value) < 19 for value in self.counts
        ):
            return False
        numbers = [int(value) for value in self.counts]
        return bool(numbers) and max(numbers) - min(numbers) == len(numbers) - 1

    def mostly(self, holds: Callable[[str], object]) -> bool:
        """Whether more than half of the cells that are filled hold what is looked for."""
        return 2 * sum(count for value, count in self.counts.items() if holds(value)) > self.filled

    def describe(self) -> str:
        """One line for the list that an error prints."""
        if not self.filled:
            return "blank"
        if self.distinct == 1:
            return f"always {_shown(next(iter(self.counts)))}"
        if self.is_text:
            return f"{self.distinct} distinct texts, about {round(self.words)} words each"
        common = ", ".join(
            _shown(value) if value == value.strip() else repr(value[:_SHOWN])  # white space is seen in quotes
            for value, _ in self.counts.most_common(3)
        )
        ellipsis = ", ..." if self.distinct > 3 else ""
        return f"{self.distinct} distinct values: {common}{ellipsis}"


def choose_columns(
    table: Table, input: Sequence[str], target: str | None, group: str | None = None, form: Form = PLAIN
) -> Columns:
    """The text and label columns: those that were named, and the obvious ones for those that were not.

    A label column is obvious when it is the only one with few, short, repeated values, or the only one that
    is called so (label, target, class, ...); a text column when it is the only one with longish, mostly
    distinct text, or the only one that is called so (text, sentence, ...).

    Args:
        table: the rows.
        input: names of the text columns; empty to find one.
        target: name of the label column; None to find it.
        group: name of the group column, which is then neither.
        form: how rows of the task stand in a table: columns that belong together are found by their names,
            a column that holds input and target in one by its cells. An open target is found by its name
            only (answer, summary, ...), unless the form tells it by its cells.

    Raises:
        JobError: a name is unknown or used twice, or a column is not obvious; the message then lists the
            columns and the flags to type.
    """
    if len(table.columns) < 2 and form.holds_both is None:
        raise JobError(
            f"{table.name} has the one column '{table.columns[0]}': a text and a label column are needed, "
            "separated by a comma, semicolon, tab or bar."
        )
    named = [*input, *([target] if target is not None else []), *([group] if group is not None else [])]
    for name in named:
        require_column(table, name)
    for name, count in Counter([*input, *([target] if target is not None else [])]).items():
        if count > 1:
            raise JobError(f"column '{name}' is named twice; an input column cannot be the target as well.")
    if input and target is not None:
        return Columns(tuple(input), target, _explain(tuple(input), target, "as you said", form.target))
    free = [_profile(table, name) for name in table.columns if name not in named]
    well_known = _well_known(table, input, target, group, form)
    if well_known is not None:
        return well_known
    found_target = target if target is not None else _find_target(free, form)
    found_input = tuple(input) or _find_text([one for one in free if one.name != found_target], form)
    if not found_input or found_target is None:
        raise _unclear(table, free, tuple(input), target, (found_input, found_target), form)
    how = "the obvious choice" if not input and target is None else "one as you said, the other obvious"
    return Columns(found_input, found_target, _explain(found_input, found_target, how, form.target))


def _well_known(
    table: Table, input: Sequence[str], target: str | None, group: str | None, form: Form
) -> Columns | None:
    """The columns that go by a layout of the task, or the one that holds both, when there is no doubt."""
    free = {_plain(name): name for name in table.columns if name != group}
    found = [
        Columns(tuple(free[name] for name in asked), free[answer])
        for asked, answer in form.layouts
        if free.keys() >= {*asked, answer}
    ]
    found = [one for one in found if not any(_within(one, other) for other in found)]
    if target is None and form.holds_both is not None:
        both = [name for name in free.values() if _profile(table, name).mostly(form.holds_both)]
        found += [Columns((name,), None) for name in both]
    found = [
        one for one in found if (not input or one.input == tuple(input)) and target in (None, one.target)
    ]
    if len(found) != 1:
        return None
    how = "one as you said, the other obvious" if input or target is not None else "the obvious choice"
    return replace(found[0], explanation=_explain(found[0].input, found[0].target, how, form.target))


def _within(one: Columns, other: Columns) -> bool:
    """Whether the other has the same target and more input."""
    return one.target == other.target and set(one.input) < set(other.input)


def require_column(table: Table, name: str) -> None:
    """Raises JobError with the nearest name when the table has no such column."""
    if name not in table.columns:
        raise JobError(f"{table.name} has no column '{name}': {did_you_mean(name, list(table.columns))}")


def _shown(value: str) -> str:
    flat = " ".join(value.split())
    return flat if len(flat) <= _SHOWN else flat[: _SHOWN - 3] + "..."


def _profile(table: Table, name: str) -> _Profile:
    values = [value for row in table.rows if (value := row[name]) is not None and value.strip()]
    filled = max(1, len(values))
    return _Profile(
        name=name,
        filled=len(values),
        counts=Counter(values),
        words=sum(len(value.split()) + len(_CJK.findall(value)) / 2 for value in values) / filled,
        characters=sum(map(len, values)) / filled,
        numeric=all(_NUMBER_OR_DATE.fullmatch(value) and re.search(r"\d", value) for value in values),
        nested=sum(value[0] in "{[" and value[-1] in "}]" for value in values) * 2 > filled,
    )


def _is_called(profile: _Profile, names: frozenset[str]) -> bool:
    return _plain(profile.name) in names


def _plain(name: str) -> str:
    return re.sub(r"[\s\-]+", "_", name.strip().lower())


def _fitting(profiles: list[_Profile], form: Form) -> list[_Profile]:
    """Columns whose cells are targets of a form that can tell."""
    holds = form.holds_target
    return [one for one in profiles if holds is not None and one.mostly(holds) and not one.numbers_rows]


def _find_target(profiles: list[_Profile], form: Form) -> str | None:
    """The label column when there is no doubt."""
    fitting = _fitting(profiles, form)
    if len(fitting) == 1:
        return fitting[0].name
    told = form.holds_target is not None
    names = FITTING_TARGET_NAMES if told else OPEN_TARGET_NAMES if form.open else TARGET_NAMES
    called = [one.name for one in (fitting if told else profiles) if one.filled and _is_called(one, names)]
    if called or form.open:
        return called[0] if len(called) == 1 else None
    # A column that repeats, yet not as a label does (one value occurs once), is still a rival.
    rivals = [one for one in profiles if one.has_few_values]
    return rivals[0].name if len(rivals) == 1 and rivals[0].is_label else None


def _find_text(profiles: list[_Profile], form: Form) -> tuple[str, ...]:
    """The text column, alone, when there is no doubt; empty otherwise."""
    holds = form.holds_input
    lists = [one for one in profiles if holds is not None and one.mostly(holds)]
    if len(lists) == 1 and not any(one.may_be_text for one in profiles):
        return (lists[0].name,)
    called = [one for one in profiles if one.filled and _is_called(one, TEXT_NAMES)]
    if called:
        return (called[0].name,) if len(called) == 1 else ()
    # A column of short texts, too short to be chosen, is still a rival.
    rivals = [one for one in profiles if one.may_be_text]
    return (rivals[0].name,) if len(rivals) == 1 and rivals[0].is_text else ()


def _explain(input: tuple[str, ...], target: str | None, how: str, called: str) -> str:
    if target is None:
        return f"Text and answer are in column '{input[0]}': its last turn is the answer ({how})."
    plural = "s" if len(input) > 1 else ""
    quoted = " + ".join(f"'{name}'" for name in input)
    return f"The text is column{plural} {quoted} and the {called} is column '{target}' ({how})."


def _unclear(
    table: Table,
    profiles: list[_Profile],
    input: tuple[str, ...],
    target: str | None,
    found: tuple[tuple[str, ...], str | None],
    form: Form,
) -> JobError:
    """The list of columns, and the flags to type with the likeliest of them."""
    missing = [word for word, have in (("text", found[0]), (form.target, found[1])) if not have]
    likely_target = found[1] or _likeliest_target(profiles, found[0], form)
    likely_input = found[0] or (_likeliest_text(profiles, likely_target),)
    flags = [f"--input {shlex.quote(name)}" for name in (input or likely_input)]
    flags.append(f"--target {shlex.quote(likely_target if target is None else target)}")
    if not form.open and any(one.name == likely_target and one.mostly(_LISTED.search) for one in profiles):
        flags.append("--task multi-label")
    width = max((min(len(one.name), _SHOWN) for one in profiles), default=0)
    listing = "\n".join(f"  {one.name:<{width}}  {one.describe()}" for one in profiles[:_MOST_LISTED])
    if len(profiles) > _MOST_LISTED:
        listing += f"\n  and {len(profiles) - _MOST_LISTED} more"
    listing = f" The columns:\n{listing}\nSay" if listing else " Say"
    which = (
        f"which columns are the text and the {form.target}"
        if len(missing) == 2
        else f"which column is the {missing[0]}"
    )
    return JobError(
        f"{table.name} does not make clear {which}.{listing} which, for example: {' '.join(flags)}"
    )


def _likeliest_target(profiles: list[_Profile], input: tuple[str, ...], form: Form) -> str:
    """The best example for the flag: what fits, else what is called so, label-like, repeated, or last."""
    others = [one for one in profiles if one.name not in input]
    fitting = _fitting(others, form)
    called = [one for one in others if _is_called(one, TARGET_NAMES)]
    labels = [one for one in others if one.is_label]
    few = [one for one in others if one.has_few_values]
    last = [one for one in others if not one.is_text] or others
    return next((group[-1].name for group in (fitting, called, labels, few, last) if group), "COLUMN")


def _likeliest_text(profiles: list[_Profile], target: str) -> str:
    others = [one for one in profiles if one.name != target]
    texts = [one for one in others if one.is_text] or others
    return max(texts, key=lambda one: one.words).name if texts else "COLUMN"
