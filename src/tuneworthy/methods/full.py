"""Full fine-tuning of a decoder: its own weights learn, all of them or those of its last layers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from tuneworthy.core.example import Example
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.engine.recipe import default_epochs, default_learning_rate
from tuneworthy.methods import Answers, Setting, Space
from tuneworthy.methods._tuned_decoder import (
    DecoderParameters,
    FittedDecoder,
    fit_decoder,
    frozen,
    reopened,
)
from tuneworthy.methods._tuning import around
from tuneworthy.models.configuration import hidden_size
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.models.trainable import train_last

BELOW_LORA = 10  # LoRA's best rate is about ten times that of full fine-tuning (LoRA Without Regret)


class FullParameters(DecoderParameters):
    """Parameters of the full arm; the defaults follow the number of rows."""

    layers: int | None = Field(
        None, ge=1, description="train the last so many layers only; default: every weight of the model"
    )
    learning_rate: float | None = Field(
        None, gt=0, description="peak; default a tenth of lora's (LoRA Without Regret)"
    )


class Full:
    """Fine-tunes the weights themselves, kept in float32 and multiplied in the training precision."""

    name = "full"
    title = "full fine-tune"
    kind: ArmKind = "tuned"
    models: tuple[ModelRole, ...] = ("decoder",)
    answers: Answers = "any"
    Parameters = FullParameters

    def fit(
        self,
        setting: Setting,
        parameters: FullParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedDecoder:
        """Trains in float32: an update is smaller than what bfloat16 can tell apart."""
        decoder = load_decoder(setting.models["decoder"], "float32")
        train_last(decoder.model, parameters.layers)
        rate = usual_rate(decoder.hidden_size, len(train))
        return fit_decoder(self.name, setting, parameters, decoder, rate, train, validation)

    def space(self, setting: Setting, parameters: FullParameters, rows: int) -> tuple[dict[str, Any], Space]:
        """Learning rate, epochs and weight decay."""
        rate = parameters.learning_rate or usual_rate(hidden_size(setting.models["decoder"]), rows)
        epochs = parameters.epochs or default_epochs(rows, min(parameters.batch, rows))
        decays = tuple(sorted({0.0, 0.01, 0.1, parameters.weight_decay}))
        values, space = around(rate, epochs, {"weight_decay": decays})
        return {**values, "weight_decay": parameters.weight_decay}, space

    def freeze(
        self, parameters: FullParameters, facts: Sequence[dict[str, Any]], rows: Sequence[int], all_rows: int
    ) -> FullParameters:
        """Steps = median kept step of the folds, scaled by rows; the learning rate they ran with."""
        return frozen(parameters, facts, rows, all_rows)

    def load(self, setting: Setting, parameters: FullParameters, folder: Path) -> FittedDecoder:
        """The saved model."""
        decoder = self.tuned_decoder(setting.models["decoder"], folder)
        return reopened(setting, parameters, decoder, folder)

    def tuned_decoder(self, base: Path, folder: Path) -> Decoder:
        """The saved model, which is whole without its base."""
        return load_decoder(folder / "model", "float32")


def usual_rate(width: int, rows: int) -> float:
    """A tenth of the rate that adapters would have."""
    return default_learning_rate(width, rows) / BELOW_LORA


PLUGIN = Full()
