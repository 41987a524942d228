"""Asks a GGUF file as its user does: llama.cpp's own server, through xllamacpp.

python -P llamacpp.py request.json reply.json

The request has `file`; `context`, tokens; `rows`, a list of `{messages, answers}` or `{prompt, answers}`;
`longest`, tokens to write, 0 where one of the answers is chosen; and `forced`, of how many rows the right
answer is scored where answers are written. An answer is a text; the stop token comes after it.
"""

import heapq
import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any

import xllamacpp

USUAL, MOST = 300, 1_000_000  # tokens whose probability is asked: of the likeliest, or of all
IMPOSSIBLE = -100.0  # nats


class Model:
    """A server on a free port of this machine, and what has been asked of it."""

    def __init__(self, file: str, context: int) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = file
        params.n_ctx, params.n_parallel, params.warmup = context, 1, False
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        self.server = xllamacpp.Server(params)
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """A route's reply."""
        data = None if body is None else json.dumps(body).encode()
        address = f"{self.server.listening_address}{path}"
        request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
        with self.opener.open(request) as reply:
            return json.loads(reply.read())

    def tokens(self, text: str, special: bool = False) -> list[int]:
        """Token ids; `special` adds what the model wants before every text."""
        body = {"content": text, "add_special": special, "parse_special": True}
        return [int(token) for token in self.post("/tokenize", body)["tokens"]]

    def next(self, tokens: list[int], count: int = USUAL) -> tuple[dict[int, float], float]:
        """Log-probabilities of the likeliest next tokens, and what every other one is at most."""
        body = {"prompt": tokens, "n_predict": 1, "n_probs": count, "temperature": 0.0}
        [first] = self.post("/completion", body)["completion_probabilities"]
        found = {int(one["id"]): float(one["logprob"]) for one in first["top_logprobs"]}
        return found, min(found.values())

    def exact(self, tokens: list[int], token: int) -> float:
        """The log-probability of one next token, however unlikely it is."""
        found, _ = self.next(tokens)
        return found[token] if token in found else self.next(tokens, MOST)[0].get(token, IMPOSSIBLE)

    def best(self, prompt: list[int], answers: list[list[int]]) -> tuple[int, float]:
        """The answer with the highest summed log-probability, and that sum.

        Best first: a token beyond the likeliest counts as likely as it may be at most, and is looked up when
        it is its turn, so that the answer is exact.
        """
        waiting: list[tuple[float, tuple[int, ...], bool]] = [(0.0, (), True)]
        while waiting:
            cost, path, known = heapq.heappop(waiting)
            if not known:
                before = [*prompt, *path[:-1]]
                bound = self.next(before)[1]
                heapq.heappush(waiting, (cost + bound - self.exact(before, path[-1]), path, True))
                continue
            for number, answer in enumerate(answers):
                if tuple(answer) == path:
                    return number, -cost
            found, bound = self.next([*prompt, *path])
            starts = [a for a in answers if tuple(a[: len(path)]) == path and len(a) > len(path)]
            for token in {answer[len(path)] for answer in starts}:
                entry = (cost - found.get(token, bound), (*path, token), token in found)
                heapq.heappush(waiting, entry)
        raise ValueError("there is no answer to choose")

    def forced(self, prompt: list[int], answer: list[int]) -> float:
        """The summed log-probability of an answer, token by token."""
        steps = range(len(answer))
        return sum(self.exact([*prompt, *answer[:at]], answer[at]) for at in steps)

    def write(self, prompt: list[int], longest: int) -> str:
        """The greedy answer."""
        body = {"prompt": prompt, "n_predict": longest, "temperature": 0.0, "cache_prompt": True}
        return str(self.post("/completion", body)["content"])


def read_prompt(model: Model, row: dict[str, Any], bos: str) -> tuple[str, list[int]]:
    """The prompt as the server makes it, with the token that it puts before every text, and its ids."""
    prompt = row.get("prompt")
    if prompt is None:
        prompt = model.post("/apply-template", {"messages": row["messages"]})["prompt"]
    plain, whole = model.tokens(prompt), model.tokens(prompt, special=True)
    put_before = len(whole) == len(plain) + 1 and whole[1:] == plain
    return (bos + prompt if put_before and not prompt.startswith(bos) else prompt), whole


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Asks every row."""
    model = Model(request["file"], request["context"])
    told = model.post("/props")
    bos, eos = str(told.get("bos_token", "")), str(told["eos_token"])
    stop = model.tokens(request.get("stop") or eos)
    rows = []
    for number, row in enumerate(request["rows"]):
        prompt, tokens = read_prompt(model, row, bos)
        answers = [[*model.tokens(answer), *stop] for answer in row["answers"]]
        found: dict[str, Any] = {"prompt": prompt, "tokens": tokens}
        if request["longest"]:
            found["text"] = model.write(tokens, request["longest"])
            if number < request["forced"]:
                found["scores"] = [model.forced(tokens, answers[0])]
                found["lengths"] = [len(answers[0])]
        else:
            found["best"], found["score"] = model.best(tokens, answers)
        rows.append(found)
    return {
        "rows": rows,
        "template": told.get("chat_template"),
        "stops": [eos],
        "modules": sorted(name for name in sys.modules if "." not in name),
    }


if __name__ == "__main__":
    asked, replied = map(Path, sys.argv[1:])
    reply = main(json.loads(asked.read_text(encoding="utf-8")))
    replied.write_text(json.dumps(reply, ensure_ascii=False), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # the server's threads need no farewell
