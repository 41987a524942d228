"""Which validated step of a fine-tune to keep when validation rows are few: the rule, beside three others.

    python bench/stopping.py --data FOLDER [--only SET ...] [--draws 3] [--again]

`encoder` is fitted on 300 and on 100 rows of each set, 15% of them held back as the main job does. At every
validation it answers the held-back rows, from which a rule chooses, and 400 test rows, from which none does.

| rule | keeps |
|---|---|
| last | the last step |
| best | the step with the best validation score |
| one, two | the last step, unless the best validation is above it by so many standard errors |

`two` is the one in use. A bench that was stopped goes on; a fit leaves bench/results/stopping/, and no text.
"""

import argparse
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cheap_draws import parts
from common import closing_line, figure, kept, parser_of, setting_of
from tuneworthy.core.example import Example
from tuneworthy.core.hashing import address
from tuneworthy.core.prediction import Prediction
from tuneworthy.methods import METHODS
from tuneworthy.methods._tuning import NOISY_BELOW, choose_checkpoint, validated
from tuneworthy.metrics import METRICS
from tuneworthy.models.resolve import resolve
from tuneworthy.tasks import TASKS

RESULTS = Path(__file__).parent / "results" / "stopping"
USED = ("trec", "tweet_sentiment", "tos_clause_type")
ROWS = (300, 100)
HELD_BACK, ASKED = 0.15, 400
RULES = {"last": math.inf, "best": 0.0, "one": 1.0, "two": 2.0}
Row = dict[str, Any]


class Recorder:
    """A metric that keeps the predictions it is asked to score."""

    def __init__(self, of: Any) -> None:
        self.of = of
        self.seen: list[Sequence[Prediction]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.of, name)

    def parts(self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]) -> Any:
        """The metric's own parts."""
        self.seen.append(predictions)
        return self.of.parts(predictions, targets, labels)


def chosen(curve: Sequence[Row], clearly: float) -> Row:
    """The last point, unless the best one is above it by more than so many standard errors."""
    last = curve[-1]
    best: Row = max(curve, key=lambda point: (point["score"], -point["log_loss"], point["step"]))
    return best if best["score"] - last["score"] > clearly * last["error"] or clearly == 0 else last


def log_loss(predictions: Sequence[Prediction], rows: Sequence[Example]) -> float:
    """Mean of the right labels', in nats."""
    shares = [
        (given.scores or {}).get(str(row.target), 0.0) for given, row in zip(predictions, rows, strict=True)
    ]
    return float(-np.log(np.maximum(shares, 1e-12)).mean())


def measure(name: str, count: int, draw: int, data: Path) -> Row:
    """One fit: every validation with the score on the test rows."""
    files = parts(name, data)
    rng = np.random.default_rng([draw, count])
    drawn = [files["train"][int(i)] for i in rng.permutation(len(files["train"]))[:count]]
    held = round(HELD_BACK * count)
    validation, train = drawn[:held], drawn[held:]
    asked = [files["test"][int(i)] for i in rng.permutation(len(files["test"]))[:ASKED]]
    labels = TASKS.get("text-classification").labels(drawn)
    metric, method = METRICS.get("accuracy"), METHODS.get("encoder")
    recorder = Recorder(metric)
    setting = setting_of(
        "text-classification", labels, "accuracy", draw, {"embedder": resolve("minilm", print)}
    )
    object.__setattr__(setting, "metric", recorder)
    parameters = method.Parameters(patience=10_000)  # the whole way; a rule stops nothing here
    fitted = method.fit(setting, parameters, train, [*validation, *asked])
    curve = []
    for point, given in zip(fitted.facts["validation"], recorder.seen, strict=True):
        own = given[:held]
        loss = log_loss(own, validation)
        score = validated(metric, own, [str(row.target) for row in validation], labels, loss)
        test = metric.parts(given[held:], [str(row.target) for row in asked], labels).sum(0)
        curve.append(
            {"step": point["step"], "score": score.score, "log_loss": loss, "error": score.error}
            | {"test": float(metric.value(test))}
        )
    kept_steps = {rule: chosen(curve, clearly) for rule, clearly in RULES.items()}
    if held < NOISY_BELOW:
        assert choose_checkpoint(curve, held).step == kept_steps["two"]["step"], "not the rule in use"
    return {
        "set": name,
        "rows": count,
        "draw": draw,
        "hash": address([row.id for row in drawn]),
        "validation": held,
        "tested": len(asked),
        "rules": {rule: {key: point[key] for key in ("step", "test")} for rule, point in kept_steps.items()},
        "curve": curve,
    }


def main() -> None:
    """Fits what is not yet measured and prints the rules side by side."""
    parser: argparse.ArgumentParser = parser_of(__doc__, USED)
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    found = [
        kept(
            RESULTS / f"{name}-{count}-{draw}.json",
            options.again,
            partial(measure, name, count, draw, options.data),
        )
        for draw in range(options.draws)
        for name in options.only
        for count in ROWS
    ]
    figures: Row = {}
    for count in ROWS:
        fits = [one for one in found if one["rows"] == count]
        scores = {rule: np.array([100 * one["rules"][rule]["test"] for one in fits]) for rule in RULES}
        for rule, values in scores.items():
            gain = values - scores["two"]
            print(
                f"{count} rows, {rule}: {values.mean():.1f}% of test rows, "
                f"{gain.mean():+.1f} ({gain.min():+.1f} to {gain.max():+.1f}) against two, {len(fits)} fits"
            )
            figures[f"{count} rows, {rule}"] = figure(values.mean(), "%", n=len(fits))
    print(closing_line(figures))


if __name__ == "__main__":
    main()
