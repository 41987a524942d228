"""gguf: one file for llama.cpp and all that is built on it, in 16, 8 or 4 bits."""

from collections.abc import Sequence
from pathlib import Path

from tuneworthy.core.example import Example
from tuneworthy.exporters import Exporter, Side, Subject, Tolerance, _gguf
from tuneworthy.exporters import _decoders as decoders


class Gguf:
    """Merged in float32, converted by llama.cpp's own converter, asked through llama.cpp."""

    name = "gguf"
    title = "GGUF"
    variants: tuple[str, ...] = _gguf.VARIANTS

    def unsuited(self, subject: Subject) -> str:
        """Only a fine-tuned decoder has such a file."""
        return decoders.no_decoder(subject, self.name)

    def require(self, subject: Subject) -> None:
        """llama.cpp, and in four bits its quantizer."""
        _gguf.check_tools(subject)

    def write(self, subject: Subject, folder: Path) -> None:
        """The file, with tokenizer, template and stop token inside."""
        _gguf.write_gguf(subject, folder / _file(subject))

    def expected(self, subject: Subject, rows: Sequence[Example]) -> Side:
        """The fit's answers."""
        return decoders.expected_side(subject, rows)

    def found(self, subject: Subject, folder: Path, rows: Sequence[Example]) -> Side:
        """llama.cpp's answers: it renders the chat, makes the tokens and computes."""
        return _gguf.found_side(subject, folder / _file(subject), rows, None, ())

    def tolerance(self, subject: Subject, precision: str) -> Tolerance:
        """What a quantisation explains."""
        return _gguf.rounding(subject, precision)

    def usage(self, subject: Subject) -> str:
        """llama.cpp's server, and any client that speaks OpenAI's protocol."""
        return f"""```
llama-server -m THIS_FOLDER/{_file(subject)} --jinja
```

Then ask it at `http://localhost:8080/v1` with the turns that stand under Task, temperature 0. In Python,
`pip install xllamacpp` brings the same server."""


def _file(subject: Subject) -> str:
    return f"model-{subject.variant}.gguf"


PLUGIN: Exporter = Gguf()
