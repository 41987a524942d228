"""`Judgement`: what a model that compared two arms' answers preferred, counted. The verdict never sees it."""

from typing import Literal

from tuneworthy.core.evidence import Estimate
from tuneworthy.core.frozen import Frozen

Preference = Literal["first", "second", "tie"]


class JudgedRow(Frozen):
    """One row, shown twice with the two answers in both orders.

    Attributes:
        id: the row.
        shown_first, shown_second: what was preferred when `method`'s answer was A, and when it was B: "first"
            is `method`'s, "second" the other's; None where the judge said nothing that is A, B or tie.
        identical: both answers are the same text, so that nobody was asked: a tie.
    """

    id: str
    shown_first: Preference | None = None
    shown_second: Preference | None = None
    identical: bool = False

    @property
    def agrees(self) -> bool:
        """Whether both orders came to the same preference."""
        return self.shown_first is not None and self.shown_first == self.shown_second

    @property
    def place(self) -> Literal["A", "B"] | None:
        """The place that was preferred in both orders, whichever answer stood there."""
        if (self.shown_first, self.shown_second) == ("first", "second"):
            return "A"
        return "B" if (self.shown_first, self.shown_second) == ("second", "first") else None

    @property
    def outcome(self) -> Preference:
        """A win only where both orders agree, else a tie."""
        return self.shown_first if self.agrees and self.shown_first is not None else "tie"


class Judgement(Frozen):
    """`method` against `against` in the eyes of one model.

    Attributes:
        model: who judged.
        rubric: what it was told to prefer.
        wins, ties, losses: rows by outcome, `method`'s wins.
        win_rate: wins and half of the ties, as a share of the rows; None where no row was judged.
        p_two_sided: exact sign test of wins against losses.
        position_disagreement: share of the rows asked about in which the order of the answers changed the
            preference; a judge that always says A has 1.
        unreadable: answers of the judge that are neither A, B nor tie, of two a row.
        unanswered: rows that are left out because a request failed.
        agreement: share of rows on which judge and task metric prefer the same arm, of those on which both
            have a preference; None without such a row.
        agreement_metric: that metric.
        requests, prompt_tokens, completion_tokens, money: what it cost; None where the server does not count,
            or without a price.
        rows: every row.
        reason: why there is no judgement, where there is none.
    """

    model: str
    rubric: str
    method: str
    against: str
    wins: int = 0
    ties: int = 0
    losses: int = 0
    win_rate: Estimate | None = None
    p_two_sided: float | None = None
    position_disagreement: float | None = None
    unreadable: int = 0
    unanswered: int = 0
    agreement: Estimate | None = None
    agreement_metric: str = ""
    requests: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    money: float | None = None
    rows: tuple[JudgedRow, ...] = ()
    reason: str | None = None
