"""Asks a language model as its user does: transformers and peft, nothing else.

python -P decoder.py request.json reply.json

The request has `folder`; `adapter`, whether it is a PEFT folder; `rows`, a list of `{messages, answers}`,
where `answers` are texts whose log-probability is asked; and `longest`, tokens to write, 0 for none. The
reply has for each row the prompt, its tokens, the scores and what was written, and what has to be equal
whatever was written.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig


def load(folder: str, adapter: bool) -> tuple[Any, Any]:
    """Model and tokenizer, as the model card says."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if adapter:
        from peft import PeftConfig, PeftModel

        base = str(PeftConfig.from_pretrained(folder).base_model_name_or_path)
        model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder)
    else:
        model = AutoModelForCausalLM.from_pretrained(folder)
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer


def stop_tokens(folder: str, tokenizer: Any) -> list[int]:
    """What `generate` stops at: the folder's generation configuration, else the tokenizer's end of text."""
    if (Path(folder) / "generation_config.json").exists():
        stops = GenerationConfig.from_pretrained(folder).eos_token_id
    else:
        stops = tokenizer.eos_token_id
    return [int(stop) for stop in (stops if isinstance(stops, list) else [stops]) if stop is not None]


def answer_tokens(tokenizer: Any, messages: list[dict[str, str]], prompt: str, answer: str) -> list[int]:
    """The answer and the first special token that the template writes after it."""
    whole = tokenizer.apply_chat_template(
        [*messages, {"role": "assistant", "content": answer}], tokenize=False
    )
    after = whole[len(prompt) + len(answer) :] if whole.startswith(prompt) else ""
    ids = tokenizer(after, add_special_tokens=False)["input_ids"]
    special = set(tokenizer.all_special_ids)
    stop = next((token for token in ids if token in special), tokenizer.eos_token_id)
    own = list(tokenizer(answer, add_special_tokens=False)["input_ids"])
    return own if stop is None else [*own, stop]


def score(model: Any, prompt: list[int], answers: list[list[int]]) -> list[float]:
    """Summed log-probability in nats of each answer after the prompt, which is read once."""
    where = model.device
    tokens = torch.tensor([prompt], device=where)
    try:
        read = model(input_ids=tokens, use_cache=True, logits_to_keep=1)
    except TypeError:  # an architecture that computes them all
        read = model(input_ids=tokens, use_cache=True)
    first = read.logits[0, -1].float().log_softmax(-1)
    longest = max(map(len, answers))
    if longest == 1:
        return [float(first[answer[0]]) for answer in answers]
    cache = read.past_key_values
    cache.batch_repeat_interleave(len(answers))
    after = torch.zeros((len(answers), longest - 1), dtype=torch.long)
    for row, answer in enumerate(answers):
        after[row, : len(answer) - 1] = torch.tensor(answer[:-1], dtype=torch.long)
    logits = model(input_ids=after.to(where), past_key_values=cache).logits.float().log_softmax(-1)
    sums = []
    for row, answer in enumerate(answers):
        later = sum(float(logits[row, at, token]) for at, token in enumerate(answer[1:]))
        sums.append(float(first[answer[0]]) + later)
    return sums


def write(model: Any, tokenizer: Any, prompt: list[int], stops: list[int], longest: int) -> str:
    """The greedy answer."""
    tokens = torch.tensor([prompt], device=model.device)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (stops or [0])[0]
    written = model.generate(
        input_ids=tokens,
        attention_mask=torch.ones_like(tokens),
        do_sample=False,
        max_new_tokens=longest,
        eos_token_id=stops or None,
        pad_token_id=pad,
    )
    return str(tokenizer.decode(written[0, len(prompt) :], skip_special_tokens=True))


@torch.inference_mode()
def main(request: dict[str, Any]) -> dict[str, Any]:
    """Asks every row."""
    folder = request["folder"]
    model, tokenizer = load(folder, request["adapter"])
    stops = stop_tokens(folder, tokenizer)
    rows = []
    for row in request["rows"]:
        messages = row["messages"]
        prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        tokens = list(tokenizer(prompt, add_special_tokens=False)["input_ids"])
        answers = [answer_tokens(tokenizer, messages, prompt, answer) for answer in row["answers"]]
        text = write(model, tokenizer, tokens, stops, request["longest"]) if request["longest"] else None
        scores = score(model, tokens, answers)
        lengths = [len(answer) for answer in answers]
        rows.append({"prompt": prompt, "tokens": tokens, "scores": scores, "lengths": lengths, "text": text})
    return {
        "rows": rows,
        "template": tokenizer.chat_template,
        "special_tokens": {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
        "stops": tokenizer.convert_ids_to_tokens(stops),
        "precision": str(model.dtype).removeprefix("torch."),
        "modules": sorted(name for name in sys.modules if "." not in name),
    }


if __name__ == "__main__":
    asked, replied = map(Path, sys.argv[1:])
    reply = main(json.loads(asked.read_text(encoding="utf-8")))
    replied.write_text(json.dumps(reply, ensure_ascii=False), encoding="utf-8")
