"""merged: one ordinary transformers folder in 16 bits, the adapter added to the base's weights."""

from collections.abc import Sequence
from pathlib import Path

from tuneworthy.core.example import Example
from tuneworthy.exporters import Exporter, Side, Subject, Tolerance
from tuneworthy.exporters import _decoders as decoders
from tuneworthy.models.portable import (
    different_weights,
    save_whole,
    save_words,
    sixteen_bits,
    speaking,
)


class Merged:
    """What any server loads; an adapter trained on four bits is merged into the base's 16."""

    name = "merged"
    title = "merged model (safetensors, 16 bits)"
    variants: tuple[str, ...] = ()

    def unsuited(self, subject: Subject) -> str:
        """Only a fine-tuned decoder has weights of its own to merge."""
        return decoders.no_decoder(subject, self.name)

    def write(self, subject: Subject, folder: Path) -> None:
        """Weights added in float32 and rounded once, tokenizer, template, stop tokens."""
        base = decoders.base_of(subject)
        speaker = speaking(base)
        save_whole(base, decoders.adapter_of(subject), sixteen_bits(base), folder)
        save_words(speaker, decoders.stop_of(speaker, subject), folder)

    def expected(self, subject: Subject, rows: Sequence[Example]) -> Side:
        """The fit's answers."""
        return decoders.expected_side(subject, rows)

    def found(self, subject: Subject, folder: Path, rows: Sequence[Example]) -> Side:
        """The folder's answers under transformers, in the precision it is stored in."""
        return decoders.found_side(subject, folder, rows, adapter=False)

    def tolerance(self, subject: Subject, precision: str) -> Tolerance:
        """What rounding explains."""
        return decoders.rounding(subject, precision)

    def weights(self, subject: Subject, folder: Path) -> list[str]:
        """Tensors that are not the merged ones."""
        return different_weights(decoders.base_of(subject), decoders.adapter_of(subject), folder)

    def usage(self, subject: Subject) -> str:
        """Plain transformers."""
        return f"""```python
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "THIS FOLDER"
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
{decoders.chat_lines(subject)}
```"""


PLUGIN: Exporter = Merged()
