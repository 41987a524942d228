"""ollama: a GGUF file and the Modelfile that runs it: template, system turn, stop tokens, parameters."""

from collections.abc import Sequence
from pathlib import Path

from tuneworthy.core.example import Example
from tuneworthy.exporters import Exporter, Side, Subject, Tolerance, _gguf
from tuneworthy.exporters import _decoders as decoders
from tuneworthy.exporters._modelfile import around, modelfile, read_modelfile
from tuneworthy.models.portable import speaking

MODELFILE = "Modelfile"


class Ollama:
    """The gate renders chats by the Modelfile and asks llama.cpp, which Ollama runs: no Ollama is needed."""

    name = "ollama"
    title = "Ollama model (Modelfile and GGUF)"
    variants: tuple[str, ...] = _gguf.VARIANTS

    def unsuited(self, subject: Subject) -> str:
        """As GGUF."""
        return decoders.no_decoder(subject, self.name)

    def require(self, subject: Subject) -> None:
        """llama.cpp, and in four bits its quantizer."""
        _gguf.check_tools(subject)

    def write(self, subject: Subject, folder: Path) -> None:
        """GGUF and Modelfile."""
        file = f"model-{subject.variant}.gguf"
        speaker = speaking(decoders.base_of(subject))
        stop = speaker.tokenizer.convert_ids_to_tokens(decoders.stop_of(speaker, subject))
        setting = subject.refit.setting
        longest = decoders.longest_of(subject) or _longest_label(subject)
        text = modelfile(around(speaker), file, speaker.apart(setting.instruction), [stop], longest)
        (folder / MODELFILE).write_text(text, encoding="utf-8")
        _gguf.write_gguf(subject, folder / file)

    def expected(self, subject: Subject, rows: Sequence[Example]) -> Side:
        """The fit's answers."""
        return decoders.expected_side(subject, rows)

    def found(self, subject: Subject, folder: Path, rows: Sequence[Example]) -> Side:
        """llama.cpp's answers to what the Modelfile makes of each chat."""
        said = read_modelfile((folder / MODELFILE).read_text(encoding="utf-8"))
        speaker = speaking(decoders.base_of(subject))
        asked = decoders.request_rows(subject, speaker, rows)
        prompts = [said.render(row["messages"]) for row in asked]
        file = folder / f"model-{subject.variant}.gguf"
        side = _gguf.found_side(subject, file, rows, prompts, said.stops)
        return Side(side.given, {**side.traits, "stop_token": list(said.stops)}, side.precision)

    def tolerance(self, subject: Subject, precision: str) -> Tolerance:
        """What a quantisation explains."""
        return _gguf.rounding(subject, precision)

    def usage(self, subject: Subject) -> str:
        """Two commands."""
        return """```
ollama create my-model -f Modelfile      # in this folder
ollama run my-model "YOUR TEXT"
```"""


def _longest_label(subject: Subject) -> int:
    """Tokens of the longest label and its stop token."""
    setting = subject.refit.setting
    speaker = speaking(decoders.base_of(subject))
    messages = setting.task.messages(setting.instruction, "")
    return max(len(speaker.encode_answer(messages, setting.task.format(label))) for label in setting.labels)


PLUGIN: Exporter = Ollama()
