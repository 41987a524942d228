"""Zero-shot: the instruction and the text, nothing else."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneworthy.core.example import Example
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._prompting import FittedPrompt, PromptParameters, frozen_correction


class ZeroShot:
    """The base model, untrained and without demonstrations."""

    name = "zero_shot"
    title = "zero-shot prompt"
    kind: ArmKind = "prompt"
    models: tuple[ModelRole, ...] = ("prompter",)
    answers: Answers = "any"
    Parameters = PromptParameters

    def fit(
        self,
        setting: Setting,
        parameters: PromptParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedPrompt:
        """Nothing is trained; labelled rows only choose the correction of the prior."""
        fitted = FittedPrompt(setting, parameters, lambda row, training: [])
        fitted.calibrate([*train, *validation], [*train, *validation])
        return fitted

    def freeze(
        self,
        parameters: PromptParameters,
        facts: Sequence[dict[str, Any]],
        rows: Sequence[int],
        all_rows: int,
    ) -> PromptParameters:
        """The correction most folds chose."""
        return parameters.model_copy(update={"correction": frozen_correction(facts)})

    def load(self, setting: Setting, parameters: PromptParameters, folder: Path) -> FittedPrompt:
        """Reads the correction."""
        fitted = FittedPrompt(setting, parameters, lambda row, training: [])
        fitted.load_correction(folder)
        return fitted


PLUGIN = ZeroShot()
