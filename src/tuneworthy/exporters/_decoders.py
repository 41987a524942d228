"""What the exports of fine-tuned decoders share: the fit's answers, the request, and reading the reply."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from tuneworthy.core.example import Example
from tuneworthy.engine.encoding import cut_input
from tuneworthy.engine.scoring import score_labels
from tuneworthy.exporters import Given, Side, Subject, Tolerance
from tuneworthy.exporters.asking import ask
from tuneworthy.methods._tuned_decoder import FACTS, FittedDecoder
from tuneworthy.models.decoder import Decoder
from tuneworthy.models.portable import speaking

Row = dict[str, Any]
RIGHT = "the right answer"  # what is scored where answers are texts
NATS = {"float32": 0.01, "float16": 0.1, "bfloat16": 0.3}  # mean distance that rounding explains
ARMS = ("lora", "qlora", "full")


def adapter_of(subject: Subject) -> Path | None:
    """The folder of the fit's adapter; None where whole weights were tuned."""
    folder = subject.refit.model / "adapter"
    return folder if (folder / "adapter_model.safetensors").exists() else None


def whole_of(subject: Subject) -> Path | None:
    """The folder of a model of which every weight was tuned."""
    folder = subject.refit.model / "model"
    return folder if (folder / "config.json").exists() else None


def base_of(subject: Subject) -> Path:
    """The weights that an adapter is for, or those that were tuned."""
    return whole_of(subject) or subject.refit.models["decoder"]


def no_decoder(subject: Subject, form: str) -> str:
    """Why a fit that is no fine-tuned decoder cannot be such an export; empty where it is one."""
    if adapter_of(subject) is None and whole_of(subject) is None:
        return (
            f"{form} holds a fine-tuned language model, which {subject.refit.unit.method} does not make: "
            f"export an arm among {', '.join(ARMS)}"
        )
    return answers_by_letter(subject)


def answers_by_letter(subject: Subject) -> str:
    """Why a fit that answers by the letter of an option leaves as a decision model only; empty where none."""
    own = subject.refit.unit.parameters
    by_letter = own.get("settings", own).get("answer_format") == "option"
    return "it answers by letters, which the decision pipeline reads: export decision" if by_letter else ""


def fitted_decoder(subject: Subject) -> FittedDecoder:
    """The fit in this process."""
    return cast(FittedDecoder, subject.refit.fitted)


def stop_of(speaker: Decoder, subject: Subject) -> int:
    """The token that the fit learned to end its answers with."""
    setting = subject.refit.setting
    return speaker.encode_answer(setting.task.messages(setting.instruction, ""), "x")[-1]


def expected_side(subject: Subject, rows: Sequence[Example]) -> Side:
    """What the fit makes of the rows, worked out once for all forms that it is exported in."""
    key = ("decoder", *(row.id for row in rows))
    if key not in subject.refit.known:
        subject.refit.known[key] = _fitted_side(subject, rows)
    side: Side = subject.refit.known[key]
    return side


def _fitted_side(subject: Subject, rows: Sequence[Example]) -> Side:
    """Label scores, or texts as the fit writes them freely."""
    fitted, setting = fitted_decoder(subject), subject.refit.setting
    decoder = fitted.decoder
    prompts = fitted.prompts(rows)
    asked = [decoder.render(row["messages"]) for row in request_rows(subject, decoder, rows)]
    if setting.task.open:
        free = replace(fitted, schema=None).write([row.without_target() for row in rows], report=False)
        values = [prediction.value for prediction in free]
        scores = [
            _of_right_answer(subject, decoder, row, prompt) for row, prompt in zip(rows, prompts, strict=True)
        ]
    else:
        raw = fitted.score(rows, report=False)
        values = [setting.labels[int(line.argmax())] for line in raw]
        scores = [dict(zip(setting.labels, line.tolist(), strict=True)) for line in raw]
    given = tuple(
        Given(value, score, prompt, tuple(tokens))
        for value, score, prompt, tokens in zip(values, scores, asked, prompts, strict=True)
    )
    return Side(given, traits_of(decoder, subject), "float32")


def traits_of(speaker: Decoder, subject: Subject) -> dict[str, Any]:
    """What an artefact has to have too."""
    tokenizer = speaker.tokenizer
    traits = {
        "template": tokenizer.chat_template,
        "special_tokens": {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
        "stop_token": tokenizer.convert_ids_to_tokens(stop_of(speaker, subject)),
    }
    ref = subject.refit.unit.models.get("decoder")
    return traits if ref is None else {**traits, "base_model": ref.digest}


def _of_right_answer(subject: Subject, decoder: Decoder, row: Example, prompt: list[int]) -> dict[str, float]:
    """The summed log-probability of the row's target and its stop token."""
    setting = subject.refit.setting
    messages = setting.task.messages(setting.instruction, "")
    answer = decoder.encode_answer(messages, setting.task.format(str(row.target)))
    return {RIGHT: float(score_labels(decoder, [prompt], [answer])[0, 0]) / len(answer)}


def request_rows(subject: Subject, speaker: Decoder, rows: Sequence[Example]) -> list[Row]:
    """The rows as chats, cut and made inert as for the fit, and the texts whose log-probability is asked."""
    setting = subject.refit.setting
    own = subject.refit.unit.parameters
    limit = int(own.get("settings", own)["max_input_tokens"])
    labels = [speaker.apart(setting.task.format(label)) for label in setting.labels]
    return [
        {
            "messages": speaker.inert(
                setting.task.messages(setting.instruction, cut_input(speaker, row.input, limit))
            ),
            "answers": [speaker.apart(setting.task.format(str(row.target)))] if setting.task.open else labels,
        }
        for row in rows
    ]


def longest_of(subject: Subject) -> int:
    """Tokens that an answer may have; 0 where labels are scored."""
    if not subject.refit.setting.task.open:
        return 0
    stored = json.loads((subject.refit.model / FACTS).read_text(encoding="utf-8"))
    return int(stored["longest"])


def found_side(subject: Subject, folder: Path, rows: Sequence[Example], adapter: bool) -> Side:
    """What a folder makes of the rows under plain transformers, and peft where it holds an adapter."""
    speaker = speaking(base_of(subject))
    request = {
        "folder": str(folder),
        "adapter": adapter,
        "rows": request_rows(subject, speaker, rows),
        "longest": longest_of(subject),
    }
    return read_side(subject, ask("decoder", request, "what was written"))


def read_side(subject: Subject, reply: Mapping[str, Any]) -> Side:
    """A reply of a script that asks language models."""
    setting = subject.refit.setting
    given = []
    for row in reply["rows"]:
        if setting.task.open:
            value = setting.task.parse(row["text"], setting.labels)
            scores = {RIGHT: row["scores"][0] / row["lengths"][0]}
        else:
            scores = dict(zip(setting.labels, row["scores"], strict=True))
            value = max(setting.labels, key=lambda label: scores[label])
        given.append(Given(value, scores, row["prompt"], tuple(row["tokens"])))
    traits = {
        "template": reply.get("template"),
        "special_tokens": reply.get("special_tokens"),
        "stop_token": reply.get("stops"),
    }
    known = {name: value for name, value in traits.items() if value is not None}
    return Side(tuple(given), known, str(reply["precision"]))


def rounding(subject: Subject, precision: str) -> Tolerance:
    """What a precision explains. A base in four bits is another model than the one in sixteen."""
    four_bits = subject.refit.arm == "qlora"
    return Tolerance(nats=None if four_bits else NATS.get(precision, NATS["bfloat16"]))


def chat_lines(subject: Subject) -> str:
    """The lines of a model card that ask the model one text."""
    setting = subject.refit.setting
    turns = setting.task.messages(setting.instruction, "YOUR TEXT")
    shown = ",\n".join(f"    {json.dumps(dict(turn), ensure_ascii=False)}" for turn in turns)
    longest = longest_of(subject) or 40
    return f"""messages = [
{shown},
]
prompt = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
)
written = model.generate(**prompt, max_new_tokens={longest})
print(tokenizer.decode(written[0, prompt["input_ids"].shape[1]:], skip_special_tokens=True))"""
