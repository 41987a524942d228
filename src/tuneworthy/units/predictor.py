"""The final model of a run, loaded to predict new texts."""

import json
from collections.abc import Sequence
from pathlib import Path

from tuneworthy.core.endpoint import Endpoint, require_consent
from tuneworthy.core.errors import ModelError, RunFolderError
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ModelRole, Unit
from tuneworthy.methods import METHODS, LabelOnly, Report
from tuneworthy.models.endpoint import read_endpoint
from tuneworthy.runfolder.unit_output import is_finished
from tuneworthy.tasks import TASKS
from tuneworthy.units.adaptation import starting_models
from tuneworthy.units.execute import setting_of


class Predictor:
    """Predicts with the recommended method's refit, exactly as it was measured: same prompt, same labels."""

    def __init__(self, run: Path, report: Report = lambda done, total, facts: None) -> None:
        """Loads the model.

        Raises:
            RunFolderError: the run is not finished, or its model is damaged.
            ModelError: the base model is not the one the run used.
        """
        try:
            final = json.loads((run / "model.json").read_text(encoding="utf-8"))
            folder = run / "units" / final["unit"]
            unit = Unit.model_validate_json((folder / "unit.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError) as error:
            raise RunFolderError(
                f"{run} holds no finished run: run `tuneworthy run {run / 'job.yaml'} --output {run}` first."
            ) from error
        parts = [folder] if unit.start is None else [folder, run / "units" / unit.start]
        for part in parts:
            if not is_finished(part):
                raise RunFolderError(f"the model in {part} is damaged: run the job again to redo this unit.")
        self.unit = unit
        method = METHODS.get(unit.method)
        parameters = method.Parameters.model_validate(unit.parameters)
        # A metric of the user's own is not needed to predict: code that came with a folder is not run.
        unit = unit.model_copy(update={"metric": TASKS.get(unit.task).metrics[0]})
        models = _models(unit, final.get("folders", {}))
        self.models = starting_models(unit, run, models)
        setting = setting_of(unit, self.models, None, report)
        asked = map(read_endpoint, models.values())
        self.endpoints: list[Endpoint] = [endpoint for endpoint in asked if endpoint is not None]
        self._fitted = method.load(setting, parameters, folder / "model")

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


def _models(unit: Unit, folders: dict[str, str]) -> dict[ModelRole, Path]:
    """The base models, by the folder the run used or by name; their digest must be the run's."""
    from tuneworthy.models.resolve import model_ref, resolve

    found: dict[ModelRole, Path] = {}
    for role, ref in unit.models.items():
        stored = Path(folders.get(role, ""))
        folder = stored if folders.get(role) and (stored / "config.json").exists() else resolve(ref.name)
        if model_ref(ref.name, folder).digest != ref.digest:
            raise ModelError(
                f"{folder} is not the {role} this run was made with (its files differ): bring that version "
                "back, or run the job again."
            )
        found[role] = folder
    return found
