"""`Decider`: transformers' decision pipeline, which scores lettered options in one forward pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tuneworthy.models.decoder import Decoder, shared_decoder
from tuneworthy.models.quiet import quiet

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # what the pipeline names options by
MOST_OPTIONS = len(LETTERS)


@dataclass(slots=True)
class Decider:
    """A decoder behind the pipeline."""

    pipeline: Any
    decoder: Decoder

    def decide(self, state: str, instruction: str, options: Sequence[str]) -> list[float]:
        """The probability of each option, in the order given, which small models are not indifferent to."""
        shown = [self.decoder.apart(option) for option in options]
        question = {
            "type": "choice",
            "instructions": self.decoder.apart(instruction),
            "criteria": {option: option for option in shown},
        }
        asked = {"state": self.decoder.apart(state), "questions": {"label": question}}
        found = self.pipeline(asked)["label"]["probabilities"]
        return [float(found[option]) for option in shown]


def load_decider(folder: Path) -> Decider:
    """The decoder of the folder in float32; raises ModelError when it is none."""
    quiet()
    from transformers import pipeline
    from transformers.decision import DecisionConfig

    decoder = shared_decoder(folder, "float32")
    model, tokenizer = decoder.model, decoder.tokenizer
    decide = pipeline("decision", model=model, tokenizer=tokenizer, decision_config=DecisionConfig())
    return Decider(decide, decoder)


def lettered_question(state: str, instruction: str, options: Sequence[str]) -> str:
    """The user turn in which the pipeline asks a model without a decision template of its own."""
    prompt, question = _generic_prompt()
    asked = question(
        name="label",
        type="choice",
        instructions=instruction,
        options=list(options),
        labels=list(LETTERS[: len(options)]),
        descriptions=[None] * len(options),
    )
    return str(prompt.render(state=state, question=asked))


@lru_cache(maxsize=1)
def _generic_prompt() -> tuple[Any, Any]:
    from transformers.decision import DECISION_PROMPT, Question
    from transformers.utils.chat_template_utils import _compile_jinja_template

    return _compile_jinja_template(DECISION_PROMPT), Question
