"""`Finding`: what a check of the data has to say."""

from typing import Literal

from tuneworthy.core.frozen import Frozen

Outcome = Literal["issue", "tip", "passed", "not_applicable", "skipped", "muted"]


class RowNote(Frozen):
    """What a finding says about one row.

    Attributes:
        row: the 1-based source row, of the labelled table unless `test`.
        test: whether it is a row of the test file.
        note: why it is named, a few words; no text of the row itself.
        other: the source row it is compared with, 0 for none.
        column: the column a proposal is for; empty without one.
        before, after: what stands there and what is proposed.
        doubt: how sure the check is that something is wrong, 0 to 1; orders the rows to look at.
    """

    row: int
    test: bool = False
    note: str = ""
    other: int = 0
    column: str = ""
    before: str = ""
    after: str = ""
    doubt: float = 1.0


class Finding(Frozen):
    """The outcome of one check.

    Attributes:
        code: "TW001" and so on; stable, so that `--accept TW001` keeps its meaning.
        check: the check's file name.
        title: what was looked for.
        outcome: an "issue" with `blocking` refuses compute unless accepted.
        message: what was found, one sentence.
        advice: what to do about it, one sentence.
        rows: the 1-based source rows of the labelled table concerned.
        ceiling: the share of right answers at most that the labels allow, where the check can tell.
        notes: what there is to say about single rows, the likeliest fault first.
    """

    code: str
    check: str
    title: str
    outcome: Outcome
    message: str
    advice: str = ""
    blocking: bool = False
    rows: tuple[int, ...] = ()
    ceiling: float | None = None
    notes: tuple[RowNote, ...] = ()
