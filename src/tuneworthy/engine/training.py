"""The one training loop.

Flat on purpose: draw a batch, forward, loss over supervised tokens, backward, clip, step, log; every so often
validate and keep the state. Methods differ by what they hand in. Deterministic given the recipe, the rows and
the number of threads; a run that is killed goes on from its checkpoint and ends in the same bits.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tuneworthy.core.errors import ModelError
from tuneworthy.engine.checkpoint import (
    Progress,
    State,
    load_checkpoint,
    restore_trainable,
    save_checkpoint,
    trainable_state,
)
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.loss import supervised_loss
from tuneworthy.engine.recipe import Recipe, rate_at
from tuneworthy.models.decoder import Decoder


@dataclass(frozen=True, slots=True)
class ValidationScore:
    """One validation: the task's metric and the mean log-loss of the answers, in nats."""

    score: float
    log_loss: float


@dataclass(frozen=True, slots=True)
class Choice:
    """Which validated step to keep, and the sentence that says why."""

    step: int
    because: str


Evaluate = Callable[[], ValidationScore]
Choose = Callable[[Sequence[dict[str, float]]], Choice]
Report = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class Training:
    """What came out: curves, the kept step, and why it was kept."""

    train: list[dict[str, float]]
    validation: list[dict[str, float]]
    kept_step: int
    kept_because: str
    stopped_early: bool


def train(
    decoder: Decoder,
    rows: Sequence[EncodedRow],
    recipe: Recipe,
    evaluate: Evaluate | None = None,
    choose: Choose | None = None,
    checkpoint: Path | None = None,
    report: Report = lambda step, steps, facts: None,
) -> Training:
    """Trains the decoder's trainable parameters in place and leaves the chosen state in them.

    Args:
        decoder: a model whose adapter is trainable; everything else is frozen.
        rows: encoded rows, audited.
        recipe: steps, rates, sizes and the seed of the row order.
        evaluate: scores the current state on the validation rows.
        choose: picks the step to keep from the validation curve.
        checkpoint: folder to resume from and to write to at every validation.
        report: told step, steps in all, and the step's facts.

    Raises:
        ModelError: the loss became NaN or infinite.
    """
    model = decoder.model
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.0)
    progress, kept = Progress(), dict[int, State]()
    if checkpoint is not None:
        resumed = load_checkpoint(checkpoint, model, optimizer)
        progress, kept = resumed or (progress, kept)
    stopped = _out_of_patience(progress.validation, recipe.patience)
    model.train()
    while progress.step < recipe.steps and not stopped:
        progress.step += 1
        batch = [rows[i] for i in batch_rows(len(rows), recipe, progress.step)]
        facts = _step(decoder, optimizer, parameters, batch, recipe, progress.step)
        progress.train.append(facts)
        report(progress.step, recipe.steps, facts)
        due = recipe.evaluate_every and progress.step % recipe.evaluate_every == 0
        if evaluate is not None and (due or progress.step == recipe.steps):
            model.eval()
            result = evaluate()
            model.train()
            progress.validation.append(
                {"step": progress.step, "score": result.score, "log_loss": result.log_loss}
            )
            kept[progress.step] = trainable_state(model)
            stopped = _out_of_patience(progress.validation, recipe.patience)
        if checkpoint is not None and due:
            save_checkpoint(checkpoint, model, optimizer, kept, progress)
    model.eval()
    choice = Choice(progress.step, "the last step; there was no validation")
    if choose is not None and progress.validation:
        choice = choose(progress.validation)
        restore_trainable(model, kept[choice.step])
    return Training(progress.train, progress.validation, choice.step, choice.because, stopped)


def batch_rows(rows: int, recipe: Recipe, step: int) -> list[int]:
    """Row numbers of step 1..steps: passes over seeded permutations, batches run on across passes."""
    wanted = range((step - 1) * recipe.batch, step * recipe.batch)
    orders: dict[int, np.ndarray] = {}
    chosen = []
    for position in wanted:
        epoch = position // rows
        if epoch not in orders:
            orders[epoch] = np.random.default_rng([recipe.seed, epoch]).permutation(rows)
        chosen.append(int(orders[epoch][position % rows]))
    return chosen


def _step(
    decoder: Decoder,
    optimizer: torch.optim.Optimizer,
    parameters: list[torch.nn.Parameter],
    batch: Sequence[EncodedRow],
    recipe: Recipe,
    step: int,
) -> dict[str, float]:
    """One update: micro-batches by tokens, so that the batch's mean loss is exact however it is cut."""
    started = time.perf_counter()
    rate = rate_at(recipe, step)
    for group in optimizer.param_groups:
        group["lr"] = rate
    supervised = sum(len(row.answer) for row in batch)
    total = 0.0
    for piece in micro_batches(batch, recipe.tokens_per_batch):
        loss = supervised_loss(decoder, piece) / supervised
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    if not math.isfinite(total):
        raise ModelError(
            f"the loss became {total} at step {step} with learning rate {rate:.1e}: "
            "lower it, for example --set lora.learning_rate=1e-4."
        )
    norm = float(torch.nn.utils.clip_grad_norm_(parameters, recipe.clip_norm))
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    seconds = time.perf_counter() - started
    tokens = sum(row.length for row in batch)
    return {
        "step": step,
        "loss": total,
        "learning_rate": rate,
        "gradient_norm": norm,
        "tokens_per_s": tokens / seconds,
    }


def micro_batches(batch: Sequence[EncodedRow], tokens: int) -> list[list[EncodedRow]]:
    """The batch cut into pieces of at most `tokens` padded tokens (a longer row stands alone)."""
    pieces: list[list[EncodedRow]] = []
    for row in sorted(batch, key=lambda row: (row.length, row.example_id)):
        if pieces and (len(pieces[-1]) + 1) * row.length <= tokens:
            pieces[-1].append(row)
        else:
            pieces.append([row])
    return pieces


def _out_of_patience(curve: Sequence[dict[str, float]], patience: int) -> bool:
    """True when neither the metric nor the log-loss improved in the last `patience` validations."""
    if len(curve) <= patience:
        return False
    earlier, recent = curve[:-patience], curve[-patience:]
    score_rose = max(p["score"] for p in recent) > max(p["score"] for p in earlier)
    loss_fell = min(p["log_loss"] for p in recent) < min(p["log_loss"] for p in earlier)
    return not (score_rose or loss_fell)
