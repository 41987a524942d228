"""QLoRA: LoRA on a base whose linear layers are packed in four bits, for models that memory does not hold.

NF4 with double quantisation (Dettmers et al. 2023, arXiv:2305.14314).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneworthy.core.example import Example
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.methods import Answers, Setting, Space
from tuneworthy.methods._tuned_decoder import FittedDecoder, frozen, reopened, with_adapter
from tuneworthy.methods.lora import LoraParameters, adapter_space, fit_adapters, rebased
from tuneworthy.models.decoder import load_decoder
from tuneworthy.models.four_bits import has_four_bits
from tuneworthy.tasks import Task


class QLora:
    """Fine-tunes adapters on the base in four bits, and answers with that very model."""

    name = "qlora"
    title = "QLoRA fine-tune"
    kind: ArmKind = "tuned"
    models: tuple[ModelRole, ...] = ("decoder",)
    answers: Answers = "any"
    Parameters = LoraParameters

    def unsuited(self, task: Task, labels: Sequence[str], rows: Sequence[Example]) -> str:
        """What is missing here, if anything."""
        return "" if has_four_bits() else "it needs bitsandbytes (pip install 'tuneworthy[qlora]')"

    def fit(
        self,
        setting: Setting,
        parameters: LoraParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedDecoder:
        """Trains the adapters; scores on the same four bits, multiplied in float32, afterwards."""
        decoder = load_decoder(setting.models["decoder"], setting.dtype, four_bits=True)
        fitted = fit_adapters(self.name, setting, parameters, decoder, train, validation)
        if setting.dtype != "float32":
            fitted.decoder = rebased(decoder, four_bits=True)
        return fitted

    def space(self, setting: Setting, parameters: LoraParameters, rows: int) -> tuple[dict[str, Any], Space]:
        """Learning rate, epochs and rank."""
        return adapter_space(setting, parameters, rows)

    def freeze(
        self, parameters: LoraParameters, facts: Sequence[dict[str, Any]], rows: Sequence[int], all_rows: int
    ) -> LoraParameters:
        """Steps = median kept step of the folds, scaled by rows; the learning rate they ran with."""
        return frozen(parameters, facts, rows, all_rows)

    def load(self, setting: Setting, parameters: LoraParameters, folder: Path) -> FittedDecoder:
        """The base in four bits with the saved adapter."""
        decoder = with_adapter(setting.models["decoder"], True, folder / "adapter")
        return reopened(setting, parameters, decoder, folder)


PLUGIN = QLora()
