"""`RankedModel`, `Ranking`: base models in the order in which they are worth fine-tuning."""

from typing import Literal

from pydantic import Field

from tuneworthy.core.evidence import Estimate
from tuneworthy.core.frozen import Frozen


class RankedModel(Frozen):
    """A base model in its place, and what put it there.

    Attributes:
        name: what the user called it; of a folder its own name, where no other candidate has that.
        kind: decoder (writes from left to right) or encoder (reads both ways).
        rows: on how many rows it was measured; all of them unless it left early.
        score: the primary metric of a linear probe on its frozen states, cross-validated, with its interval.
        evidence: LogME, the log marginal likelihood of the labels in nats per row.
        layer: the layer that explains the labels best, and how it is pooled.
        tokens_per_word: what a text costs.
        bits_per_byte: how well it reads the texts; None where the folder has no head that says.
        letters_alone: bits per byte of counting letters, where the model takes more; it is ranked last then.
        zero_shot: what it answers untrained; only of decoders that stayed to the end.
        tied: whether the rows cannot tell its probe from that of the model in the first place.
        reason: the same in a sentence.
        typed: what a job has to call it, where that is not its name.
    """

    name: str
    kind: Literal["decoder", "encoder"]
    rows: int
    score: Estimate
    evidence: float
    layer: str
    tokens_per_word: float
    bits_per_byte: float | None = None
    letters_alone: float | None = None
    zero_shot: Estimate | None = None
    tied: bool = False
    reason: str = ""
    typed: str | None = None


class Ranking(Frozen):
    """The candidates in order, those left out with the reason, and how many rows were read.

    Attributes:
        models: the one to fine-tune first.
        left_out: why, by name.
        metric: of the probe and of zero-shot.
        asked_metric: the job's own, where it is another: one of probabilities, which the probe does not give.
        machine: that a model of the catalogue has to be fine-tuned on.
        read_rows: training rows, which the ranking has seen.
        kept_rows: rows that a holdout of the same job is scored on, which it has not.
    """

    models: tuple[RankedModel, ...] = Field(min_length=1)
    left_out: dict[str, str]
    metric: str
    machine: str
    read_rows: int
    kept_rows: int
    asked_metric: str | None = None

    @property
    def best(self) -> RankedModel:
        """The model in the first place."""
        return self.models[0]
