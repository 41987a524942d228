"""Asks a decision folder as its user does: transformers' own pipeline, nothing else.

python -P decision.py request.json reply.json

The request has `folder` and `rows`, a list of `{state, instructions, options}`. The reply has for each row
the probabilities, the prompt's tokens and the prompt, and what has to be equal whatever was answered.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import pipeline


@torch.inference_mode()
def main(request: dict[str, Any]) -> dict[str, Any]:
    """Asks every row."""
    decide = pipeline("decision", model=request["folder"], dtype=torch.float32)
    tokenizer = decide.tokenizer
    rows = []
    for row in request["rows"]:
        criteria = dict.fromkeys(row["options"])
        question = {"type": "choice", "instructions": row["instructions"], "criteria": criteria}
        asked = {"state": row["state"], "questions": {"label": question}}
        [(inputs, _)] = decide.preprocess(asked)["prompts"]
        tokens = inputs["input_ids"][0].tolist()
        answer = decide(asked)["label"]
        rows.append(
            {
                "prompt": tokenizer.decode(tokens),
                "tokens": tokens,
                "choice": answer["choice"],
                "probabilities": answer["probabilities"],
            }
        )
    return {
        "rows": rows,
        "template": tokenizer.chat_template,
        "special_tokens": {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
        "precision": str(decide.model.dtype).removeprefix("torch."),
        "modules": sorted(name for name in sys.modules if "." not in name),
    }


if __name__ == "__main__":
    asked_file, replied = map(Path, sys.argv[1:])
    reply = main(json.loads(asked_file.read_text(encoding="utf-8")))
    replied.write_text(json.dumps(reply, ensure_ascii=False), encoding="utf-8")
