"""`Decider`: transformers' decision pipeline, which scores lettered options in one forward pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneworthy.models.decoder import Decoder, shared_decoder
from tuneworthy.models.quiet import quiet

MOST_OPTIONS = 26  # letters that the pipeline names options by


@dataclass(slots=True)
class Decider:
    """A decoder behind the pipeline."""

    pipeline: Any
    decoder: Decoder

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


def load_decider(folder: Path) -> Decider:
    """The decoder of the folder in float32; raises ModelError when it is none."""
    quiet()
    from transformers import pipeline
    from transformers.decision import DecisionConfig

    decoder = shared_decoder(folder, "float32")
    model, tokenizer = decoder.model, decoder.tokenizer
    decide = pipeline("decision", model=model, tokenizer=tokenizer, decision_config=DecisionConfig())
    return Decider(decide, decoder)
