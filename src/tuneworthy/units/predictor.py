"""The final model of a run, loaded to predict new texts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tuneworthy.core.endpoint import Endpoint, require_consent
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.methods import LabelOnly, Report
from tuneworthy.models.endpoint import read_endpoint
from tuneworthy.units.refit import Refit, base_models, recommended
from tuneworthy.units.untuned import written


class Predictor:
    """Predicts with the recommended method's refit, exactly as it was measured: same prompt, same labels."""

    def __init__(
        self, run: Path, report: Report = lambda done, total, facts: None, refit: Refit | None = None
    ) -> None:
        """Loads the model: of the recommended method, or of the refit that is given.

        Raises:
            RunFolderError: the run is not finished, or its model is damaged.
            ModelError: the base model is not the one the run used.
        """
        if refit is None:
            unit, folders = recommended(run)
            refit = Refit(run, unit, base_models(unit, folders), report)
        self.unit = refit.unit
        self.models = refit.models
        asked = map(read_endpoint, self.models.values())
        self.endpoints: list[Endpoint] = [endpoint for endpoint in asked if endpoint is not None]
        self._fitted = refit.fitted

    def predict(
        self, texts: Sequence[str], label_only: bool = False, send_rows: bool = False
    ) -> list[Prediction]:
        """One prediction per text, in order; ids are the positions.

        With `label_only` a method that scores labels one by one looks for the best alone: the same label
        several times sooner, without probabilities.

        Raises:
            ConsentError: the texts would be sent to another machine, and `send_rows` does not allow it.
        """
        require_consent(self.endpoints, len(texts), send_rows)
        examples = [Example(id=str(i), input=text) for i, text in enumerate(texts)]
        if label_only and isinstance(self._fitted, LabelOnly):
            return self._fitted.predict_labels(examples)
        return self._fitted.predict(examples)

    def stream(self, text: str) -> Iterator[Prediction]:
        """The answer to one text: ever more of it where a decoder writes freely, else at once.

        Raises:
            ConsentError: the text would be sent to another machine.
        """
        require_consent(self.endpoints, 1, False)
        return written(self._fitted, text)
