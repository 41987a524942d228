"""`Service`: the runs by name, the queue in front of them, and what every route does alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuneworthy.core.errors import DataError
from tuneworthy.core.prediction import Prediction
from tuneworthy.serving.batching import Batcher, QueueFullError
from tuneworthy.serving.chat import ChatRun, Chats
from tuneworthy.serving.measures import Measures
from tuneworthy.serving.problems import ProblemError
from tuneworthy.serving.served import ServedRun
from tuneworthy.serving.wire import Predicted


@dataclass
class Service:
    """All that routes need.

    Attributes:
        runs: by the name that requests call them.
        batcher: the queue.
        measures: what is counted.
        most_rows: of one request.
        since: when the server started, in seconds of Unix time.
        chats: the runs that write, which other servers serve.
    """

    runs: Mapping[str, ServedRun]
    batcher: Batcher
    measures: Measures
    most_rows: int
    since: int
    chats: Chats = field(default_factory=Chats)

    def run(self, name: str | None) -> ServedRun:
        """The run of a request; raises ProblemError where it is unknown, or unsaid among several."""
        known = ", ".join(self.runs)
        if name in self.chats.runs or (name is None and not self.runs):
            raise ProblemError(
                400, "this run writes texts: ask it by POST /v1/chat/completions.", param="model"
            )
        if name is None:
            if len(self.runs) == 1:
                return next(iter(self.runs.values()))
            raise ProblemError(422, f"several runs are served: name one as `model`: {known}.", param="model")
        if name not in self.runs:
            raise ProblemError(
                404,
                f"no model '{name}' is served here; known: {known or 'none'}.",
                param="model",
                code="model_not_found",
            )
        return self.runs[name]

    def read(self, run: ServedRun, given: Any, param: str, as_row: bool = False) -> str:
        """A text as the run reads it; raises ProblemError where it cannot be read or is too long.

        With `as_row` an object has to be a row of the run's input columns.
        """
        try:
            if as_row:
                run.require_columns(given)
            text = run.read(given)
            run.check_length(text)
        except OverflowError as error:
            raise ProblemError(413, f"{error}: shorten it.", param=param, code="too_long") from None
        except (DataError, ValueError) as error:
            raise ProblemError(
                422, f"{error}.".replace("..", "."), param=param, code="invalid_input"
            ) from None
        return text

    async def predict(self, run: ServedRun, texts: Sequence[str]) -> list[Prediction]:
        """The run's predictions, in order; raises ProblemError where there is no room or it failed."""
        if len(texts) > self.most_rows:
            raise ProblemError(
                413,
                f"{len(texts)} texts are more than the {self.most_rows} that one request may hold.",
                param="inputs",
                code="too_many",
            )
        try:
            return await self.batcher.predict(run.name, texts)
        except QueueFullError as full:
            raise ProblemError(
                429, f"{full}.", code="queue_full", headers={"Retry-After": str(full.retry_after)}
            ) from None

    def predicted(self, run: ServedRun, prediction: Prediction, abstain_below: float) -> Predicted:
        """A prediction as it goes out."""
        if run.open:
            self.measures.answered(
                run.name, "answered" if prediction.value is not None else prediction.status
            )
            answer = None if prediction.value is None else run.form.as_json(prediction.value)
            return Predicted(answer=answer, status=prediction.status)
        shares = run.probabilities(prediction)
        confidence = shares[prediction.value] if shares and prediction.value is not None else None
        if abstain_below and shares is None:
            raise ProblemError(
                422,
                "this run's arm gives no confidence to abstain by: leave abstain_below out.",
                param="abstain_below",
            )
        hides = abstain_below > 0 and (confidence or 0.0) < abstain_below
        outcome = "abstained" if hides else "labelled" if prediction.value is not None else prediction.status
        self.measures.answered(run.name, outcome)
        return Predicted(
            label=None if hides else prediction.value,
            status=prediction.status,
            confidence=confidence,
            probabilities=shares,
            abstained=hides,
        )

    def models(self) -> list[dict[str, Any]]:
        """The entries of /v1/models."""
        return [
            *(self.described(run) for run in self.runs.values()),
            *(self.written(run) for run in self.chats.runs.values()),
        ]

    def written(self, run: ChatRun) -> dict[str, Any]:
        """The entry of a run that writes."""
        return {
            **self._model(run.name, run.task.name, run.method),
            "engine": run.engine.kind,
            "instruction": run.instruction,
            "longest_answer_tokens": run.longest,
            "context_tokens": run.context,
        }

    def _model(self, name: str, task: str, method: str) -> dict[str, Any]:
        entry = {"id": name, "object": "model", "created": self.since, "owned_by": "tuneworthy"}
        return {**entry, "task": task, "method": method}

    def described(self, run: ServedRun) -> dict[str, Any]:
        """The entry of a run that labels, with what a client may want to know of it."""
        unit = run.fit.unit
        return {
            **self._model(run.name, unit.task, unit.method),
            "labels": list(run.labels),
            "input_columns": list(run.columns),
            "temperature": run.calibration.temperature,
            "most_tokens": run.most_tokens,
        }
