"""What every fine-tune shares: which checkpoint to keep, what the final refit runs with, what is recorded."""

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.engine.recipe import Recipe
from tuneworthy.engine.training import CLEARLY, Choice, Training, ValidationScore
from tuneworthy.methods import Range, Setting, Space
from tuneworthy.metrics import Metric, is_share, oriented
from tuneworthy.models.trainable import count_parameters

NOISY_BELOW = 100  # validation rows below which one checkpoint's lead is mostly luck


def validated(
    metric: Metric,
    predictions: Sequence[Prediction],
    targets: Sequence[str],
    labels: Sequence[str],
    log_loss: float,
) -> ValidationScore:
    """The metric on validation rows with its jackknife standard error (Efron & Tibshirani 1993, chapter 11).

    The error is never below half a row's worth: a score without any mistake is not certain.
    """
    parts = metric.parts(predictions, targets, labels)
    sums, rows = parts.sum(0), len(targets)
    error = 0.0
    if rows > 1:
        without = metric.value(sums - parts)
        error = float(np.sqrt((rows - 1) / rows * ((without - without.mean()) ** 2).sum()))
    if is_share(metric):
        error = max(error, 0.5 / rows)
    return ValidationScore(float(oriented(metric, metric.value(sums))), log_loss, error)


def choose_checkpoint(curve: Sequence[dict[str, float]], rows: int) -> Choice:
    """Which validated step to keep, honest about noise.

    From 100 validation rows on: the best metric, ties by the answers' log-loss. Below that the last step
    stays unless another beats it by more than two standard errors of the metric (with 40 rows that is about
    12 points); among those that do, the best, ties by log-loss. The rate falls to zero at the end, so the
    last step is a good one by itself; the best of a dozen validations on few rows is above it by luck.
    """
    last = curve[-1]
    best = max(curve, key=lambda point: (point["score"], -point["log_loss"], point["step"]))
    if rows >= NOISY_BELOW:
        return Choice(int(best["step"]), f"best validation score on {rows} rows, ties by log-loss")
    error = last["error"]
    if best["score"] - last["score"] > CLEARLY * error:
        return Choice(
            int(best["step"]),
            f"better than the last step by more than two standard errors (one is {error:.3f} on {rows} rows)",
        )
    return Choice(
        int(last["step"]),
        "the last step: no other was better by more than two standard errors "
        f"(one is {error:.3f} on {rows} rows)",
    )


def frozen_training(facts: Sequence[dict[str, Any]], rows: Sequence[int], all_rows: int) -> dict[str, Any]:
    """Settings of the refit: the folds' median kept step, scaled by rows, and the rate they ran with."""
    kept = statistics.median(fact["kept_step"] for fact in facts)
    steps = max(1, round(kept * all_rows / statistics.mean(rows)))
    rate = statistics.median(fact["learning_rate"] for fact in facts)
    return {"steps": steps, "learning_rate": rate, "max_steps": None}


def around(rate: float, epochs: float, more: Space) -> tuple[dict[str, Any], Space]:
    """The rate from 0.3 to 3 times its default, half to one and a half times the epochs, and what else.

    The learning rate matters most and is often off by three (Tinker; Schulman 2025, "LoRA Without Regret").
    """
    passes = tuple(sorted({max(1.0, epochs / 2), epochs, 1.5 * epochs}))
    space: Space = {"learning_rate": Range(0.3 * rate, 3 * rate), "epochs": passes, **more}
    return {"learning_rate": rate, "epochs": epochs}, space


def training_facts(
    outcome: Training,
    recipe: Recipe,
    lengths: Sequence[int],
    setting: Setting,
    model: Any,
    dtype: str,
) -> dict[str, Any]:
    """Curves and arithmetic of a fine-tune, for the run folder; `lengths` are tokens per training row."""
    mean_tokens = recipe.batch * sum(lengths) / len(lengths)
    steps = len(outcome.train)
    learning, total = count_parameters(model)
    return {
        "parameters_trained": learning,
        "parameters": total,
        "steps": steps,
        "planned_steps": recipe.steps,
        "batch": recipe.batch,
        "epochs": round(steps * recipe.batch / len(lengths), 2),
        "learning_rate": recipe.learning_rate,
        "tokens_per_step": round(mean_tokens),
        "tokens_per_forward_pass": outcome.tokens_per_batch,
        "trained_tokens": round(steps * mean_tokens),
        "train": outcome.train,
        "validation": outcome.validation,
        "kept_step": outcome.kept_step,
        "kept_because": outcome.kept_because,
        "stopped_early": outcome.stopped_early,
        "rollbacks": outcome.rollbacks,
        "seconds_before_resume": round(outcome.seconds_before, 2),
        "metric": setting.metric.name,
        "dtype": dtype,
    }
