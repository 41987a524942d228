"""`RunPair`: what two runs come to side by side."""

from tuneworthy.core.evidence import Comparison, Estimate
from tuneworthy.core.frozen import Frozen


class ArmPair(Frozen):
    """An arm of either run, or of both: its scores, each with its own run's interval, and `b` minus `a`."""

    method: str
    a: Estimate | None = None
    b: Estimate | None = None
    difference: Comparison | None = None


class RunPair(Frozen):
    """Two runs compared.

    Attributes:
        a, b: their names.
        metrics: by which each was judged.
        verdicts: what each recommends, and why, in a sentence.
        data: the name of each run's data, its rows and its fingerprint.
        shared_rows: test rows that both predicted; the differences are over these, or over those of them that
            an arm answered in both, as `note` says.
        arms: those of both runs first; of these the highest score of `b` first.
        recommended: `b`'s recommended arm minus `a`'s, where they can be paired.
        note: on what the differences rest, or why there are none.
    """

    a: str
    b: str
    metrics: tuple[str, str]
    verdicts: tuple[str, str]
    data: tuple[str, str]
    shared_rows: int
    arms: tuple[ArmPair, ...]
    recommended: Comparison | None
    note: str
