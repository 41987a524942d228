"""Asks an encoder with a head as its user does: transformers, nothing else.

python -P encoder.py request.json reply.json

The request has `folder`, `head` ("sequence", "token" or "span"), `texts`, a list of `[text]` or
`[question, text]`, `limit`, tokens of a window, and `stride`, tokens that windows share. The reply has for
each text its windows (tokens, offsets, logits), and of a sequence head what the pipeline makes of it.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    pipeline,
)

HEADS = {
    "sequence": AutoModelForSequenceClassification,
    "token": AutoModelForTokenClassification,
    "span": AutoModelForQuestionAnswering,
}


def windows(tokenizer: Any, text: list[str], limit: int, stride: int) -> list[dict[str, Any]]:
    """A text in windows; offsets are (0, 0) of special tokens and of a question."""
    encoded = tokenizer(
        *text,
        truncation="only_second" if len(text) == 2 else True,
        max_length=limit,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    found = []
    for number, tokens in enumerate(encoded["input_ids"]):
        pairs = zip(encoded["offset_mapping"][number], encoded.sequence_ids(number), strict=True)
        offsets = [list(place) if part == len(text) - 1 else [0, 0] for place, part in pairs]
        found.append({"tokens": tokens, "offsets": offsets})
    return found


def read(model: Any, head: str, window: dict[str, Any]) -> Any:
    """Logits of a window, as lists: [labels], [tokens, labels] or [2, tokens]."""
    given = model(input_ids=torch.tensor([window["tokens"]], device=model.device))
    if head == "span":
        return [given.start_logits[0].tolist(), given.end_logits[0].tolist()]
    return given.logits[0].tolist()


@torch.inference_mode()
def main(request: dict[str, Any]) -> dict[str, Any]:
    """Asks every text."""
    folder, head = request["folder"], request["head"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = HEADS[head].from_pretrained(folder)
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    whole = None
    if head == "sequence":
        whole = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None)
    rows = []
    for text in request["texts"]:
        if whole is not None:  # as its user cuts: at the length that the folder says
            cut = tokenizer(*text, truncation=True)["input_ids"]
            [said] = whole([text[0]], truncation=True)
            scores = {one["label"]: one["score"] for one in said}
            rows.append({"windows": [{"tokens": cut}], "scores": scores})
            continue
        parts = windows(tokenizer, text, request["limit"], request["stride"])
        rows.append({"windows": [{**part, "logits": read(model, head, part)} for part in parts]})
    labels = model.config.id2label
    return {
        "rows": rows,
        "labels": [labels[number] for number in sorted(labels, key=int)],
        "special_tokens": {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
        "precision": str(model.dtype).removeprefix("torch."),
        "modules": sorted(name for name in sys.modules if "." not in name),
    }


if __name__ == "__main__":
    asked, replied = map(Path, sys.argv[1:])
    reply = main(json.loads(asked.read_text(encoding="utf-8")))
    replied.write_text(json.dumps(reply, ensure_ascii=False), encoding="utf-8")
