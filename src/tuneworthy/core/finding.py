"""`Finding`: what a check of the data has to say."""

from typing import Literal

from tuneworthy.core.frozen import Frozen

Outcome = Literal["issue", "tip", "passed", "not_applicable", "skipped", "muted"]


class Finding(Frozen):
    """The outcome of one check.

    Attributes:
        code: "TW001" and so on; stable, so that `--accept TW001` keeps its meaning.
        check: the check's file name.
        title: what was looked for.
        outcome: an "issue" with `blocking` refuses compute unless accepted.
        message: what was found, one sentence.
        advice: what to do about it, one sentence.
        rows: the 1-based source rows concerned.
    """

    code: str
    check: str
    title: str
    outcome: Outcome
    message: str
    advice: str = ""
    blocking: bool = False
    rows: tuple[int, ...] = ()
