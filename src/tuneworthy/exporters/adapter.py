"""adapter: a PEFT folder with tokenizer and chat template, for the base model that the run used."""

import json
from collections.abc import Sequence
from pathlib import Path

from tuneworthy.core.example import Example
from tuneworthy.exporters import Exporter, Side, Subject, Tolerance
from tuneworthy.exporters import _decoders as decoders
from tuneworthy.models.portable import save_portable_adapter, save_words, speaking
from tuneworthy.models.resolve import at_hand, is_hub_id, model_ref


class Adapter:
    """A few megabytes beside a base model that stays as it is."""

    name = "adapter"
    title = "LoRA adapter (PEFT)"
    variants: tuple[str, ...] = ()

    def unsuited(self, subject: Subject) -> str:
        """Whole weights are no adapter, and a base of the run's own goes nowhere without the run."""
        if decoders.adapter_of(subject) is None:
            if decoders.whole_of(subject) is not None:
                return f"{subject.refit.unit.method} has tuned whole weights and no adapter: export merged"
            return decoders.no_decoder(subject, self.name)
        if subject.refit.unit.start is not None:
            return "its base model has read your unlabelled text and is in this run only: export merged"
        return decoders.answers_by_letter(subject)

    def write(self, subject: Subject, folder: Path) -> None:
        """Weights, a configuration that names the base model, tokenizer, template, stop tokens."""
        adapter = decoders.adapter_of(subject)
        assert adapter is not None
        speaker = speaking(decoders.base_of(subject))
        save_portable_adapter(adapter, _base_name(subject), folder)
        save_words(speaker, decoders.stop_of(speaker, subject), folder)

    def expected(self, subject: Subject, rows: Sequence[Example]) -> Side:
        """The fit's answers."""
        return decoders.expected_side(subject, rows)

    def found(self, subject: Subject, folder: Path, rows: Sequence[Example]) -> Side:
        """The adapter's answers on the base that its configuration names, under transformers and peft."""
        side = decoders.found_side(subject, folder, rows, adapter=True)
        named = str(json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"])
        base = at_hand(named)
        digest = "not on this machine" if base is None else model_ref(named, base).digest
        return Side(side.given, {**side.traits, "base_model": digest}, side.precision)

    def tolerance(self, subject: Subject, precision: str) -> Tolerance:
        """What rounding explains."""
        return decoders.rounding(subject, precision)

    def usage(self, subject: Subject) -> str:
        """Base, then adapter; `AutoPeftModel` would cut the base's embeddings to the tokenizer's size."""
        return f"""```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

folder = "THIS FOLDER"
tokenizer = AutoTokenizer.from_pretrained(folder)
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained({_base_name(subject)!r}), folder)
model.generation_config = GenerationConfig.from_pretrained(folder)  # its stop tokens
{decoders.chat_lines(subject)}
```"""


def _base_name(subject: Subject) -> str:
    """What the base is found by: its id on the Hub, else its folder on this machine."""
    ref, folder = subject.refit.unit.models["decoder"], decoders.base_of(subject)
    return ref.name if is_hub_id(ref.name) else str(folder.resolve())


PLUGIN: Exporter = Adapter()
