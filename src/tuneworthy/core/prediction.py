"""`Prediction`: one method's answer for one row, and whether it was an answer at all."""

from typing import Literal

from tuneworthy.core.frozen import Frozen

Status = Literal["parsed", "unparseable", "failed"]


class Prediction(Frozen):
    """One answer.

    Attributes:
        example_id: the row that was answered.
        value: the parsed answer in canonical form; None unless `status` is "parsed".
        status: "unparseable" counts as wrong and is its own column; "failed" means the method broke.
        raw: the method's raw text, where it wrote one; what it wrote freely, where it wrote twice.
        valid_without_constraint: whether what was written freely follows the JSON Schema; where not, `value`
            was written again under it. None where answers are held to no schema.
        scores: probability per label (they sum to 1), where the method gives them.
        log_scores: the raw score per label before any prior correction: summed log p(label, stop | prompt),
            in nats, where the method is a language model.
    """

    example_id: str
    value: str | None
    status: Status = "parsed"
    raw: str | None = None
    valid_without_constraint: bool | None = None
    scores: dict[str, float] | None = None
    log_scores: dict[str, float] | None = None

    @property
    def confidence(self) -> float | None:
        """The probability of the chosen answer, where the method gives probabilities."""
        if self.scores is None or self.value is None:
            return None
        return self.scores.get(self.value)
