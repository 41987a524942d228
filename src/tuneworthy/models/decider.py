"""`Decider`: transformers' decision pipeline, which scores lettered options in one forward pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneworthy.models.decoder import load_decoder
from tuneworthy.models.quiet import quiet

MOST_OPTIONS = 26  # letters that the pipeline names options by


@dataclass(slots=True)
class Decider:
    """A decoder behind the pipeline."""

    pipeline: Any

    def decide(self, state: str, instruction: str, options: Sequence[str]) -> list[float]:
        """The probability of each option, in the order given, which small models are not indifferent to."""
        question = {
            "type": "choice",
            "instructions": instruction,
            "criteria": {option: option for option in options},
        }
        answer = self.pipeline({"state": state, "questions": {"label": question}})["label"]
        found = answer["probabilities"]
        return [float(found[option]) for option in options]

    def cut(self, text: str, tokens: int) -> str:
        """The text, or its first tokens when it is longer."""
        encoded = self.pipeline.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        offsets = encoded["offset_mapping"]
        return text if len(offsets) <= tokens else text[: offsets[tokens - 1][1]]


def load_decider(folder: Path) -> Decider:
    """The decoder of the folder in float32; raises ModelError when it is none."""
    quiet()
    from transformers import pipeline
    from transformers.decision import DecisionConfig

    decoder = load_decoder(folder, "float32")
    return Decider(
        pipeline(
            "decision", model=decoder.model, tokenizer=decoder.tokenizer, decision_config=DecisionConfig()
        )
    )
