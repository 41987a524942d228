"""The one training loop.

Flat on purpose: draw a batch, forward, loss over supervised tokens, backward, clip, step, log; every so often
validate and keep the state; go back when it diverges. Methods differ by what they hand in. Deterministic
given the recipe, the rows and the number of threads; a run that is killed goes on from its checkpoint and
ends in the same bits.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from tuneworthy.core.ending import Ended, asked, noticing
from tuneworthy.core.errors import ModelError
from tuneworthy.engine.batches import R, batch_rows
from tuneworthy.engine.checkpoint import (
    Progress,
    State,
    load_checkpoint,
    restore_trainable,
    save_checkpoint,
    trainable_state,
)
from tuneworthy.engine.guards import KEEP_EVERY, GoodState, divergence, roll_back
from tuneworthy.engine.memory_probe import fitting_tokens, out_of_memory
from tuneworthy.engine.optimizer import make_optimizer
from tuneworthy.engine.recipe import Recipe, rate_at
from tuneworthy.engine.trainee import Trainee
from tuneworthy.models.process_group import add_up, anyone, joined, least

CLEARLY = 2.0  # standard errors: the luckiest of a dozen validations is one above the others by chance


@dataclass(frozen=True, slots=True)
class ValidationScore:
    """One validation.

    Attributes:
        score: the task's metric, negative for an error: the higher the better.
        log_loss: mean of the answers, in nats.
        error: standard error of the score over the validation rows.
    """

    score: float
    log_loss: float
    error: float = 0.0


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
    """What came out: curves, the kept step and why, every rollback, and the seconds of runs before a kill.

    `tokens_per_batch` is the bound of a forward pass that memory allowed.
    """

    train: list[dict[str, float]]
    validation: list[dict[str, float]]
    kept_step: int
    kept_because: str
    stopped_early: bool
    rollbacks: list[dict[str, Any]]
    seconds_before: float
    tokens_per_batch: int


@noticing()
def train(
    trainee: Trainee[R],
    rows: Sequence[R],
    recipe: Recipe,
    evaluate: Evaluate | None = None,
    choose: Choose | None = None,
    checkpoint: Path | None = None,
    report: Report = lambda step, steps, facts: None,
    until: float = 1.0,
) -> Training:
    """Trains the trainable parameters in place and leaves the chosen state in them.

    Args:
        trainee: the model, and how a batch becomes a loss.
        rows: encoded rows, audited.
        recipe: steps, rates, sizes and the seed of the row order.
        evaluate: scores the current state on the validation rows.
        choose: picks the step to keep from the validation curve: the last one or the best one.
        checkpoint: folder to resume from and to write to at every validation.
        report: told step, steps in all, and the step's facts.
        until: the share of the steps after which it pauses, with a validation and a checkpoint to go on from.

    Raises:
        DivergedError: it diverged three times.
        ModelError: memory does not hold a single row.
        Ended: somebody has asked for the end; the checkpoint is of the last step.
    """
    accelerator = Accelerator(cpu=trainee.device.type == "cpu")
    model = trainee.model
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = make_optimizer(parameters, recipe)
    progress, kept, last_good = Progress(), dict[int, State](), None
    if checkpoint is not None and (resumed := load_checkpoint(checkpoint, model, optimizer)):
        progress, kept, last_good = resumed
    if progress.tokens_per_batch is None:
        model.train()
        progress.tokens_per_batch = least(fitting_tokens(trainee, rows, recipe.tokens_per_batch))
    before, started = progress.seconds, time.perf_counter()
    good = GoodState(*last_good) if last_good else GoodState.of(progress.step, model, optimizer)
    stopped = _out_of_patience(progress.validation, recipe)
    model.train()
    pause = max(1, round(until * recipe.steps))
    while progress.step < pause and not stopped:
        if anyone(asked() is not None):
            if checkpoint is not None:
                progress.seconds = before + time.perf_counter() - started
                last_good = None if good.step == progress.step else (good.step, good.model, good.optimizer)
                save_checkpoint(checkpoint, model, optimizer, kept, progress, last_good)
            raise Ended(asked() or "another process of the fit was stopped")
        progress.step += 1
        batch = [rows[i] for i in batch_rows(len(rows), recipe, progress.step)]
        facts = update(trainee, accelerator, optimizer, parameters, batch, recipe, progress)
        why = divergence(progress.train, facts["loss"], facts["gradient_norm"])
        if why is not None:
            rate = recipe.learning_rate * progress.rate_factor
            roll_back(good, progress, why, rate, model, optimizer, trainee.method)
            continue
        progress.train.append(facts)
        report(progress.step, recipe.steps, facts)
        due = recipe.evaluate_every and progress.step % recipe.evaluate_every == 0
        if evaluate is not None and (due or progress.step in (pause, recipe.steps)):
            model.eval()
            result = evaluate()
            model.train()
            progress.validation.append({"step": progress.step, **asdict(result)})
            report(progress.step, recipe.steps, {"validation": result.score, "log_loss": result.log_loss})
            kept[progress.step] = trainable_state(model)
            _forget_all_but(kept, _best(progress.validation), progress.step)
            stopped = _out_of_patience(progress.validation, recipe)
        if checkpoint is not None and (due or progress.step == pause < recipe.steps):
            progress.seconds = before + time.perf_counter() - started
            save_checkpoint(checkpoint, model, optimizer, kept, progress)
        if due or progress.step % KEEP_EVERY == 0:
            good = GoodState.of(progress.step, model, optimizer)
    model.eval()
    choice = Choice(progress.step, "the last step; there was no validation")
    if choose is not None and progress.validation:
        choice = choose(progress.validation)
        restore_trainable(model, kept[choice.step])
    return Training(
        progress.train,
        progress.validation,
        choice.step,
        choice.because,
        stopped,
        progress.rollbacks,
        before,
        progress.tokens_per_batch,
    )


def update(
    trainee: Trainee[R],
    accelerator: Accelerator,
    optimizer: torch.optim.Optimizer,
    parameters: list[torch.nn.Parameter],
    batch: Sequence[R],
    recipe: Recipe,
    progress: Progress,
) -> dict[str, float]:
    """One update, unless loss or gradient are no numbers; the facts of the step either way."""
    started = time.perf_counter()
    torch.manual_seed(recipe.seed * 1_000_003 + progress.step)  # dropout draws the same after a resume
    rate = rate_at(recipe, progress.step) * progress.rate_factor
    for group in optimizer.param_groups:
        group["lr"] = rate
    total = _gradients(trainee, accelerator, optimizer, batch, recipe, progress)
    norm = float(torch.nn.utils.clip_grad_norm_(parameters, recipe.clip_norm))
    if math.isfinite(total) and math.isfinite(norm):
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    seconds = time.perf_counter() - started
    tokens = sum(row.length for row in batch)
    return {
        "step": progress.step,
        "loss": total,
        "learning_rate": rate,
        "gradient_norm": norm,
        "tokens_per_s": tokens / seconds,
    }


def _gradients(
    trainee: Trainee[R],
    accelerator: Accelerator,
    optimizer: torch.optim.Optimizer,
    batch: Sequence[R],
    recipe: Recipe,
    progress: Progress,
) -> float:
    """Backward through the batch in pieces; the mean loss over its supervised tokens however it is cut.

    When memory runs out the pieces are halved and the batch starts over: the update stays what it was. Where
    processes hold the model together that is the end: the others wait in the middle of a layer.

    Raises:
        ModelError: a single row does not fit.
    """
    supervised = trainee.supervised(batch)
    while True:
        limit = progress.tokens_per_batch or recipe.tokens_per_batch
        pieces = trainee.pieces(batch, limit)
        total = 0.0
        try:
            for piece in pieces:
                loss = trainee.loss(piece) / supervised
                accelerator.backward(loss)
                total += float(loss.detach())
                del loss  # or its graph is alive while the next one is built
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            optimizer.zero_grad(set_to_none=True)
            if joined() is not None:
                raise ModelError(
                    f"memory ran out in one of the processes that hold the model: lower {trainee.method}."
                    f"tokens_per_batch (now {limit}), or raise {trainee.method}.processes."
                ) from error
            if len(pieces) == len(batch):
                longest = max(row.length for row in batch)
                raise ModelError(
                    f"memory ran out on a single row of up to {longest} tokens: lower "
                    f"{trainee.method}.max_input_tokens, or choose a smaller base model."
                ) from error
            progress.tokens_per_batch = limit // 2
            continue
        add_up([p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None])
        return total


def _best(curve: Sequence[dict[str, float]]) -> int:
    """The step with the best metric; ties by log-loss, then the later one."""
    return int(max(curve, key=lambda point: (point["score"], -point["log_loss"], point["step"]))["step"])


def _forget_all_but(kept: dict[int, State], *steps: int) -> None:
    """States of a whole model are large: only those that may still be chosen are kept."""
    for step in kept.keys() - set(steps):
        del kept[step]


def _out_of_patience(curve: Sequence[dict[str, float]], recipe: Recipe) -> bool:
    """True when neither the metric nor the log-loss improved in the last `patience` validations.

    On few validation rows that happens to fits that are still learning, so there the scores have to be worse
    than the best by more than two of its standard errors as well.
    """
    if len(curve) <= recipe.patience:
        return False
    earlier, recent = curve[: -recipe.patience], curve[-recipe.patience :]
    score_rose = max(p["score"] for p in recent) > max(p["score"] for p in earlier)
    loss_fell = min(p["log_loss"] for p in recent) < min(p["log_loss"] for p in earlier)
    if score_rose or loss_fell or not recipe.noisy_validation:
        return not (score_rose or loss_fell)
    best = max(earlier, key=lambda p: p["score"])
    return all(p["score"] < best["score"] - CLEARLY * best["error"] for p in recent)
