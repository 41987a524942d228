"""`Parity`: whether an exported model answers as the fit that it was made from."""

from tuneworthy.core.evidence import Comparison
from tuneworthy.core.frozen import Frozen


class Difference(Frozen):
    """A row that the exported model answers otherwise.

    Attributes:
        example_id, row: which row; `row` counts from 1 in the source.
        expected, found: the answers of the fit and of the exported model; None where it was no answer.
        expected_prompt, found_prompt: what each was asked, where it reads a prompt.
        expected_tokens, found_tokens: the prompts' token ids, where they are known.
        nats: how far the two are apart on this row, at most, in log-probability; None where it is not known.
    """

    example_id: str
    row: int
    expected: str | None
    found: str | None
    expected_prompt: str | None = None
    found_prompt: str | None = None
    expected_tokens: tuple[int, ...] | None = None
    found_tokens: tuple[int, ...] | None = None
    nats: float | None = None


class Parity(Frozen):
    """What the parity gate found.

    Attributes:
        artefact: what was exported, such as "merged" or "gguf-q8_0".
        method, unit: the arm and the address of the fit it is compared with.
        rows, same: rows asked, and those with the same answer.
        metric, expected, found: the metric, and its values for the fit and for the exported model.
        drop: the fit minus the exported model, paired on the rows; None where nothing could be asked.
        tolerance: how much worse the value may be, in the metric's own unit.
        nats, most_nats: mean distance in log-probability, and how much is allowed; None where it is not
            measured, or where it is reported only.
        precision: what the exported model computes in.
        causes: why the gate fails, the likeliest cause first; empty when it passes.
        notes: what is worth knowing though the gate passes.
        first: the first row that is answered otherwise.
        seconds: for asking the exported model, loading it included.
    """

    artefact: str
    method: str
    unit: str
    rows: int
    same: int
    metric: str
    expected: float | None
    found: float | None
    drop: Comparison | None
    tolerance: float
    nats: float | None = None
    most_nats: float | None = None
    precision: str = ""
    causes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    first: Difference | None = None
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the exported model may leave."""
        return not self.causes
