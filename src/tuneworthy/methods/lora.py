"""LoRA: low-rank adapters on every linear layer of a frozen decoder, trained to write the answer."""

import gc
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from tuneworthy.core.example import Example
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.engine.recipe import default_epochs, default_learning_rate
from tuneworthy.engine.sharded import split
from tuneworthy.methods import Answers, Setting, Space
from tuneworthy.methods._options import lettered
from tuneworthy.methods._tuned_decoder import (
    DecoderParameters,
    FittedDecoder,
    fit_decoder,
    frozen,
    reopened,
    with_adapter,
)
from tuneworthy.methods._tuning import around
from tuneworthy.models.adapters import add_lora, save_adapter
from tuneworthy.models.configuration import hidden_size
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.models.four_bits import has_four_bits
from tuneworthy.models.process_group import joined
from tuneworthy.tasks import Task

LABEL_RANK, TEXT_RANK = 8, 16


class LoraParameters(DecoderParameters):
    """Parameters of the arms that train adapters; the defaults follow the number of rows."""

    rank: int | None = Field(
        None,
        ge=1,
        le=512,
        description="adapter rank; default 8 for labels, 16 for texts (LoRA Without Regret)",
    )
    alpha: int | None = Field(None, ge=1, description="adapter scale; default 2 x rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout on adapter inputs")
    answer_format: Literal["label", "option"] = Field(
        "label",
        description="what is written: the label, or the letter of a lettered option, which transformers' "
        "decision pipeline reads (needed by the decision export; 26 labels at most)",
    )
    learning_rate: float | None = Field(
        None, gt=0, description="peak; default 5e-4 x (2000/hidden)^0.781, halved below 500 rows (Tinker)"
    )
    processes: int = Field(
        1,
        ge=1,
        le=64,
        description="processes that hold the frozen weights together, each a part, for a base model that one "
        "GPU does not hold: as many GPUs, or shares of the CPU's threads (FSDP2)",
    )


@dataclass(frozen=True)
class Lora:
    """Fine-tunes with LoRA, completion only, the stop token trained.

    Attributes:
        four_bits: whether the base's linear layers are packed (QLoRA), in training and in answering.
    """

    name: str
    title: str
    four_bits: bool
    kind: ArmKind = "tuned"
    models: tuple[ModelRole, ...] = ("decoder",)
    answers: Answers = "any"
    Parameters: type[LoraParameters] = LoraParameters

    def unsuited(self, task: Task, labels: Sequence[str], rows: Sequence[Example]) -> str:
        """What is missing here, if anything."""
        missing = self.four_bits and not has_four_bits()
        return "it needs bitsandbytes (pip install 'tuneworthy[qlora]')" if missing else ""

    def fit(
        self,
        setting: Setting,
        parameters: LoraParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedDecoder:
        """Trains the adapters; scores with them on the base multiplied in float32 afterwards."""
        setting = asked(setting, parameters)
        rank = usual_rank(setting, parameters)
        stays = joined() is not None

        def load() -> Decoder:
            decoder = load_decoder(setting.models["decoder"], setting.dtype, self.four_bits, stays)
            add_lora(decoder, rank, parameters.alpha or 2 * rank, parameters.dropout, setting.seed)
            return decoder

        decoder = split(load)
        rate = default_learning_rate(decoder.hidden_size, len(train))
        fitted = fit_decoder(self.name, setting, parameters, decoder, rate, train, validation)
        fitted.facts["rank"] = rank
        if setting.dtype != "float32":
            self.rebase(decoder)
        return fitted

    def rebase(self, decoder: Decoder) -> None:
        """Puts the adapter on a base that multiplies in float32, in place.

        The trained base leaves memory before the other one is loaded: it takes what either takes, not both.
        """
        with tempfile.TemporaryDirectory() as folder:
            save_adapter(decoder, Path(folder))
            decoder.model = None
            gc.collect()  # layers whose arithmetic was replaced refer to themselves
            decoder.model = with_adapter(decoder.folder, self.four_bits, Path(folder)).model

    def space(self, setting: Setting, parameters: LoraParameters, rows: int) -> tuple[dict[str, Any], Space]:
        """Learning rate, epochs and rank around their defaults."""
        rank = usual_rank(setting, parameters)
        rate = parameters.learning_rate or default_learning_rate(hidden_size(setting.models["decoder"]), rows)
        epochs = parameters.epochs or default_epochs(rows, min(parameters.batch, rows))
        values, space = around(rate, epochs, {"rank": tuple(sorted({max(1, rank // 2), rank, 2 * rank}))})
        return {**values, "rank": rank}, space

    def freeze(
        self, parameters: LoraParameters, facts: Sequence[dict[str, Any]], rows: Sequence[int], all_rows: int
    ) -> LoraParameters:
        """Steps = median kept step of the folds, scaled by rows; the learning rate they ran with."""
        return frozen(parameters, facts, rows, all_rows)

    def load(self, setting: Setting, parameters: LoraParameters, folder: Path) -> FittedDecoder:
        """The base that multiplies in float32, with the saved adapter."""
        decoder = self.tuned_decoder(setting.models["decoder"], folder)
        return reopened(asked(setting, parameters), parameters, decoder, folder)

    def tuned_decoder(self, base: Path, folder: Path) -> Decoder:
        """The base that multiplies in float32, with the saved adapter."""
        return with_adapter(base, self.four_bits, folder / "adapter")


def asked(setting: Setting, parameters: LoraParameters) -> Setting:
    """The setting as the parameters ask for answers."""
    return lettered(setting) if parameters.answer_format == "option" else setting


def usual_rank(setting: Setting, parameters: LoraParameters) -> int:
    """The rank that is asked for, or that of the kind of answers."""
    return parameters.rank or (TEXT_RANK if setting.task.open else LABEL_RANK)


PLUGIN = Lora("lora", "LoRA fine-tune", four_bits=False)
