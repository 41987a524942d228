"""decision: base model, adapter and decision.json, for transformers' decision pipeline and its server."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tuneworthy.core.example import Example
from tuneworthy.engine.encoding import cut_input
from tuneworthy.exporters import Exporter, Given, Side, Subject, Tolerance
from tuneworthy.exporters import _decoders as decoders
from tuneworthy.exporters.asking import ask
from tuneworthy.methods._options import lettered
from tuneworthy.models.decider import LETTERS
from tuneworthy.models.portable import save_portable_adapter, save_words, speaking
from tuneworthy.units.calibration import calibration_of

ADAPTER = "adapter"
NATS = {"float32": 0.02}  # mean distance of log-probabilities
LEAST = 1e-9


class Decision:
    """One question, its options by letter, and probabilities that a fitted temperature has calibrated."""

    name = "decision"
    title = "decision model (transformers, System One)"
    variants: tuple[str, ...] = ()

    def unsuited(self, subject: Subject) -> str:
        """The pipeline reads one token an option, which an arm that writes labels has not learned."""
        if decoders.adapter_of(subject) is None:
            return "it has no adapter: export an arm among lora, qlora that was run with answer_format=option"
        own = subject.refit.unit.parameters
        if own.get("settings", own).get("answer_format") != "option":
            return (
                "a decision model answers by one letter, and this one was trained to write labels: run it "
                "with --set lora.answer_format=option"
            )
        return ""

    def write(self, subject: Subject, folder: Path) -> None:
        """The base's files as they are, the adapter in a folder of its own, decision.json."""
        base, adapter = decoders.base_of(subject), decoders.adapter_of(subject)
        assert adapter is not None
        for file in base.iterdir():
            if file.suffix == ".safetensors" or file.name in ("config.json", "model.safetensors.index.json"):
                shutil.copyfile(file, folder / file.name)
        (folder / ADAPTER).mkdir()
        save_portable_adapter(adapter, ".", folder / ADAPTER)
        speaker = speaking(base)
        save_words(speaker, decoders.stop_of(speaker, subject), folder)
        labels = subject.refit.setting.labels
        config = {
            "labels": {"choice": list(LETTERS[: len(labels)])},
            "temperature": {"choice": _temperature(subject)},
            "adapter": ADAPTER,
        }
        (folder / "decision.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    def expected(self, subject: Subject, rows: Sequence[Example]) -> Side:
        """The fit's answers, its probabilities at the temperature."""
        fitted, labels = decoders.fitted_decoder(subject), subject.refit.setting.labels
        decoder, prompts = fitted.decoder, fitted.prompts(rows)
        raw = fitted.score(rows, report=False) / _temperature(subject)
        logs = raw - np.logaddexp.reduce(raw, axis=1, keepdims=True)
        given = tuple(
            Given(
                labels[int(line.argmax())],
                dict(zip(labels, line.tolist(), strict=True)),
                str(decoder.tokenizer.decode(prompt)),
                tuple(prompt),
            )
            for line, prompt in zip(logs, prompts, strict=True)
        )
        traits = decoders.traits_of(decoder, subject)
        return Side(given, {name: traits[name] for name in ("template", "special_tokens")}, "float32")

    def found(self, subject: Subject, folder: Path, rows: Sequence[Example]) -> Side:
        """The pipeline's answers, in float32 as the run scores."""
        setting = lettered(subject.refit.setting)
        speaker = speaking(decoders.base_of(subject))
        own = subject.refit.unit.parameters
        limit = int(own.get("settings", own)["max_input_tokens"])
        asked = [
            {
                "state": cut_input(speaker, row.input, limit),
                "instructions": speaker.apart(setting.instruction),
                "options": [speaker.apart(label) for label in setting.labels],
            }
            for row in rows
        ]
        reply = ask("decision", {"folder": str(folder), "rows": asked}, "what was written")
        label_of = {speaker.apart(label): label for label in setting.labels}
        given = tuple(
            Given(
                label_of[row["choice"]],
                {
                    label_of[option]: float(np.log(max(p, LEAST)))
                    for option, p in row["probabilities"].items()
                },
                row["prompt"],
                tuple(row["tokens"]),
            )
            for row in reply["rows"]
        )
        traits = {name: reply[name] for name in ("template", "special_tokens")}
        return Side(given, traits, str(reply["precision"]))

    def tolerance(self, subject: Subject, precision: str) -> Tolerance:
        """What rounding explains."""
        return Tolerance(nats=NATS.get(precision))

    def usage(self, subject: Subject) -> str:
        """The pipeline, and the server."""
        setting = lettered(subject.refit.setting)
        criteria = json.dumps(dict.fromkeys(setting.labels), ensure_ascii=False).replace("null", "None")
        return f"""```python
import torch
from transformers import pipeline

decide = pipeline("decision", model="THIS FOLDER", dtype=torch.float32)
question = {{
    "type": "choice",
    "instructions": {setting.instruction!r},
    "criteria": {criteria},
}}
print(decide({{"state": "YOUR TEXT", "questions": {{"label": question}}}})["label"])
```

Options are asked in this order: the model has learned their places. The same question goes to
`POST /v1/systemone` of `transformers serve THIS FOLDER --dtype float32`."""


def _temperature(subject: Subject) -> float:
    return calibration_of(subject.refit.run, subject.refit.unit).temperature


PLUGIN: Exporter = Decision()
