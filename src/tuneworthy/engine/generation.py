"""Writing answers token by token, greedy or sampled, until the stop token."""

from collections.abc import Callable, Sequence

import torch

from tuneworthy.engine.constraint import Guide
from tuneworthy.engine.prefix import Continuation, Prefix, causal, left_padded
from tuneworthy.engine.scoring import Progress
from tuneworthy.models.decoder import Decoder

ROWS_PER_BATCH = 32


@torch.inference_mode()
def generate(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    stop: Sequence[int],
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
    guides: Sequence[Guide] | None = None,
) -> list[list[int]]:
    """The tokens of each answer without its stop token, in the order of the prompts.

    Prompts of similar length share a batch; a row that has stopped costs nothing more. An architecture whose
    layers do not all attend to everything writes one prompt at a time, greedily, through its own `generate`.

    Args:
        decoder: the model, with or without an adapter.
        prompts: token ids, one list per row.
        stop: tokens that end an answer.
        max_new_tokens: answers end there at the latest.
        temperature: 0 takes the most probable token; else tokens are drawn from p^(1/temperature).
        seed: of the draws; an answer does not depend on which rows are in its batch.
        progress: told rows done and rows in all.
        guides: one for each prompt, new; its answer is held to the guide's grammar.

    Raises:
        ValueError: the temperature is negative, or not 0 without plain full attention in every layer.
    """
    if temperature < 0:
        raise ValueError(f"temperature must not be negative, got {temperature}")
    if not decoder.full_attention_only:
        if temperature:
            raise ValueError(f"{decoder.folder.name} has no plain full attention: it writes greedily only")
        return _one_by_one(decoder, prompts, stop, max_new_tokens, progress, guides)
    answers: list[list[int]] = [[] for _ in prompts]
    prefix = Prefix(decoder, prompts)
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    for start in range(0, len(order), ROWS_PER_BATCH):
        batch = order[start : start + ROWS_PER_BATCH]
        rows = [prompts[row][prefix.length :] for row in batch]
        draws = [torch.Generator().manual_seed(seed * 1_000_003 + row) for row in batch]
        guided = [guides[row] for row in batch] if guides else None
        written = _write(decoder, rows, prefix, set(stop), max_new_tokens, temperature, draws, guided)
        for row, answer in zip(batch, written, strict=True):
            answers[row] = answer
        progress(min(start + ROWS_PER_BATCH, len(order)), len(order))
    return answers


def _one_by_one(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    stop: Sequence[int],
    max_new_tokens: int,
    progress: Progress,
    guides: Sequence[Guide] | None,
) -> list[list[int]]:
    """Greedy answers by the model's own `generate`, which knows its caches."""
    answers = []
    for number, prompt in enumerate(prompts):
        tokens = torch.tensor([list(prompt)], device=decoder.device)
        whole = decoder.model.generate(
            input_ids=tokens,
            attention_mask=torch.ones_like(tokens),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=1,
            eos_token_id=list(stop) or None,
            pad_token_id=decoder.tokenizer.eos_token_id,
            logits_processor=[_processor(guides[number], len(prompt))] if guides else [],
        )[0, len(prompt) :].tolist()
        end = next((i for i, token in enumerate(whole) if token in set(stop)), len(whole))
        answers.append(whole[:end])
        progress(number + 1, len(prompts))
    return answers


def _processor(guide: Guide, prompt: int) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The guide as the model's own `generate` calls it: tokens [1, prompt + written], logits [1, V]."""

    def process(tokens: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        if tokens.shape[1] > prompt:
            guide.take(int(tokens[0, -1]))
        return guide.masked(logits[0]).unsqueeze(0)

    return process


def _write(
    decoder: Decoder,
    rows: Sequence[Sequence[int]],
    prefix: Prefix,
    stop: set[int],
    max_new_tokens: int,
    temperature: float,
    draws: Sequence[torch.Generator],
    guides: Sequence[Guide] | None,
) -> list[list[int]]:
    """The answers of one batch."""
    answers: list[list[int]] = [[] for _ in rows]
    tokens, depths, visible = left_padded(rows)
    going_on = Continuation(decoder, prefix, len(rows))
    logits = going_on.run(tokens, depths, causal(visible), torch.tensor([tokens.shape[1] - 1]))
    active = list(range(len(rows)))
    for _ in range(max_new_tokens):
        scores = [
            guides[row].masked(logits[i, 0]) if guides else logits[i, 0] for i, row in enumerate(active)
        ]
        chosen = [_choose(each, temperature, draws[row]) for each, row in zip(scores, active, strict=True)]
        left = [i for i, token in enumerate(chosen) if token not in stop]
        for i in left:
            answers[active[i]].append(chosen[i])
        if guides:
            left = [i for i in left if guides[active[i]].take(chosen[i])]
        if not left:
            break
        if len(left) < len(active):
            going_on.select(left)
            active, visible = [active[i] for i in left], visible[left]
        visible = torch.cat([visible, torch.ones((len(active), 1), dtype=torch.bool)], 1)
        depth = [[len(rows[row]) + len(answers[row]) - 1] for row in active]
        fed = torch.tensor([[answers[row][-1]] for row in active])
        logits = going_on.run(fed, torch.tensor(depth), visible.unsqueeze(1), torch.tensor([0]))
    return answers


def _choose(logits: torch.Tensor, temperature: float, draw: torch.Generator) -> int:
    """One token from the logits [V] of one row."""
    if temperature == 0:
        return int(logits.argmax())
    chances = (logits / temperature).softmax(-1).cpu()
    return int(torch.multinomial(chances, 1, generator=draw))
