"""`Unit`: the smallest thing that runs, a pure description whose hash is its address."""

from typing import Any, Literal

from tuneworthy.core.frozen import Frozen
from tuneworthy.core.hashing import address

ArmKind = Literal["baseline", "classifier", "prompt", "tuned"]
Purpose = Literal["evaluate", "refit", "trial", "adapt", "curve", "forgetting"]
PURPOSES: dict[Purpose, str] = {
    "evaluate": "",
    "refit": " (final)",
    "trial": " (trial)",
    "adapt": " (unlabelled text)",
    "curve": " (fewer rows)",
    "forgetting": " (general abilities)",
}
ModelRole = Literal["decoder", "embedder", "prompter"]  # fine-tuned; turns texts into vectors; prompted


class ModelRef(Frozen):
    """A base model, pinned: what the user called it, and the sha256 of its weights and tokenizer."""

    name: str
    digest: str


class Unit(Frozen):
    """One method x parameters x fold x seed.

    A killed run restarts and redoes only the units whose address has no output yet; the same unit gives the
    same output in this process, on a cluster, or in a cloud job.

    Attributes:
        method: the file name in `methods/`.
        parameters: the method's full parameters, defaults written out.
        task, labels, instruction: what is asked, in the task's words.
        purpose: "evaluate" predicts rows it has not seen; "refit" fits all rows with frozen settings; "trial"
            tries settings on validation rows; "adapt" makes a base model read documents; "curve" learns from
            a part of the rows; "forgetting" measures what a model can do besides the task.
        fold: the fold of a crossfit (0-based); None under holdout and for a refit.
        json_schema: the user's JSON Schema of the answers; None where it is inferred from the rows fitted.
        constrain: whether answers are held to the JSON Schema.
        prompt: the user's template of a user turn, its text; None for the bare input.
        until: the share of a fine-tune's steps after which a trial pauses.
        share: of the fold's training rows that a point of a learning curve learns from.
        metric: the primary metric, which inner selection and checkpoint choice go by.
        fit, validation, predict: addresses of row sets.
        models: the base models by role; empty for methods that need none.
        start: the unit whose model takes the base model's place; None where the base model is used.
        dtype: the precision asked for in training ("float32" or "bfloat16"); scoring is float32.
        threads: torch threads; a sum depends on it, so it is part of the identity.
        implementation: hash of the source of the method, engine, models and task.
    """

    method: str
    parameters: dict[str, Any]
    task: str
    labels: tuple[str, ...]
    instruction: str
    metric: str
    purpose: Purpose = "evaluate"
    fold: int | None
    seed: int
    fit: str
    validation: str
    predict: str
    models: dict[ModelRole, ModelRef]
    dtype: str
    threads: int
    implementation: str
    json_schema: dict[str, Any] | None = None
    constrain: bool = True
    prompt: str | None = None
    until: float = 1.0
    share: float = 1.0
    start: str | None = None

    @property
    def address(self) -> str:
        """Sixteen hex digits: the folder name of this unit's output.

        How answers are constrained, a prompt, a pause, a part and a start count only where there is such.
        """
        unsaid = {
            "json_schema": self.json_schema is None,
            "constrain": self.constrain,
            "prompt": self.prompt is None,
            "until": self.until == 1.0,
            "share": self.share == 1.0,
            "start": self.start is None,
        }
        return address(self.model_dump(mode="json", exclude={name for name in unsaid if unsaid[name]}))

    @property
    def processes(self) -> int:
        """How many processes hold its model together; its threads are shared out among them."""
        if self.purpose == "adapt":  # the reading itself; `settings` are of the method that follows
            return 1
        settings = self.parameters.get("settings") or self.parameters
        return int(settings.get("processes", 1))

    @property
    def title(self) -> str:
        """What the progress display calls it."""
        fold = "" if self.fold is None else f" fold {self.fold + 1}"
        return f"{self.method}{fold}{PURPOSES[self.purpose]}"
