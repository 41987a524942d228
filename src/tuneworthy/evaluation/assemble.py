"""From the predictions of all arms to estimates, comparisons, details and costs."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneworthy.core.evidence import Arm, Comparison, Cost, Estimate
from tuneworthy.core.example import Example
from tuneworthy.core.job import Job
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind
from tuneworthy.evaluation.details import ahead, confusion, row_scores, won
from tuneworthy.evaluation.groups import group_errors
from tuneworthy.evaluation.intervals import estimate, field_estimates, label_estimates
from tuneworthy.evaluation.looks import Looks, compare_looks
from tuneworthy.evaluation.paired import adjust, compare
from tuneworthy.evaluation.seeds import values_by_seed
from tuneworthy.evaluation.slices import worse_slices
from tuneworthy.evaluation.wording import TASKS_OF_PROSE, wordings
from tuneworthy.metrics import METRICS, Metric, can_score, is_error, oriented
from tuneworthy.metrics._traits import MeanOverRows

SAMPLES = 3


@dataclass(frozen=True, slots=True)
class ArmOutput:
    """What one arm's units left behind: its predictions over its test rows, and each unit's measured cost.

    `repeats` are its predictions when it was fitted on other seeds; `beside` is the arm from which it differs
    in one thing, with which it is compared whatever their kinds; `untrained` is why it was hardly trained.
    """

    method: str
    kind: ArmKind
    predictions: Sequence[Prediction]
    costs: Sequence[dict[str, Any]]
    repeats: tuple[Sequence[Prediction], ...] = ()
    beside: str | None = None
    untrained: str | None = None

    @property
    def all_answers(self) -> list[Prediction]:
        """Those of every seed, one after another."""
        return [*self.predictions, *chain(*self.repeats)]


Pair = tuple[ArmOutput, ArmOutput]


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything measured on the test rows."""

    arms: tuple[Arm, ...]
    estimates: tuple[Estimate, ...]
    comparisons: tuple[Comparison, ...]
    details: dict[str, Any]

    def best(self, *kinds: ArmKind) -> Arm | None:
        """The arm of these kinds with the highest primary estimate; ties go to the cheaper one.

        A fine-tuned arm that answered some of the rows alone is as far above the best other as it was there.
        """
        arms = [arm for arm in self.arms if arm.kind in kinds]
        return max(arms, key=lambda arm: (self._level(arm), -arm.cost.seconds_per_1000), default=None)

    def _level(self, arm: Arm) -> float:
        if arm.kind == "tuned" and arm.estimate.n < max(one.estimate.n for one in self.arms):
            plain = self.best("baseline", "classifier", "prompt")
            for found in self.comparisons if plain else ():
                if (found.method, found.metric) != (arm.method, arm.estimate.metric):
                    continue
                if plain and found.against == plain.method:
                    metric = METRICS.get(found.metric)
                    return goodness(plain) + float(oriented(metric, np.array(found.difference)))
        return goodness(arm)


def score_arms(
    outputs: Sequence[ArmOutput],
    rows: dict[str, Example],
    labels: Sequence[str],
    primary: str,
    metrics: Sequence[str],
    job: Job,
    cores: int,
    looks: Mapping[str, Looks] = MappingProxyType({}),
) -> Scores:
    """Scores every arm, and compares any two on the rows that both have answered.

    Args:
        outputs: the arms; all predict the same rows, or a tuned one the rows of some folds alone.
        rows: the test rows with their targets, by id.
        labels: the closed set of answers.
        primary: the metric that decides.
        metrics: all metrics to estimate, the primary among them.
        job: confidence, resamples, seed and price.
        cores: of this machine, which the price is for.
        looks: of arms that were looked at while they were measured: their comparisons hold over all looks.
    """
    options: dict[str, Any] = {"confidence": job.confidence, "resamples": job.resamples, "seed": job.seed}
    deciding = METRICS.get(primary)
    estimates: list[Estimate] = []
    arms: list[Arm] = []
    for output in outputs:
        examples = rows_answered(output, rows)
        own = [
            estimate(
                METRICS.get(name),
                output.predictions,
                examples,
                labels,
                method=output.method,
                repeats=output.repeats,
                constant=output.kind == "baseline",
                **options,
            )
            for name in metrics
            if can_score(METRICS.get(name), output.predictions)
        ]
        estimates += own
        if deciding.open:
            estimates += field_estimates(
                deciding, output.predictions, examples, labels, method=output.method, **options
            )
        else:
            estimates += label_estimates(
                output.predictions, examples, labels, method=output.method, **options
            )
        arms.append(
            Arm(
                method=output.method,
                kind=output.kind,
                estimate=next(item for item in own if item.metric == primary),
                by_seed=values_by_seed(deciding, output.predictions, output.repeats, examples, labels),
                cost=total_cost(output, job, cores),
                unparseable=sum(p.status == "unparseable" for p in output.all_answers),
                failed=sum(p.status == "failed" for p in output.all_answers),
                untrained=output.untrained,
                valid_without_constraint=_valid_freely(output.all_answers),
            )
        )
    comparisons = [
        (partial(compare_looks, looks[a.method].on(_ids(a))) if a.method in looks else compare)(
            METRICS.get(name),
            a.predictions,
            b.predictions,
            rows_answered(a, rows),
            labels,
            method=a.method,
            against=b.method,
            repeats=(a.repeats, b.repeats),
            **options,
        )
        for a, b in (on_shared_rows(*pair) for pair in _pairs(outputs, best_untuned(outputs, arms)))
        for name in metrics
        if name in {primary, "accuracy", "macro_f1"}
    ]
    scores = Scores(tuple(arms), tuple(estimates), adjust(comparisons), {})
    details = _details(scores, outputs, rows, labels, deciding, options)
    by_group = {
        output.method: found
        for output in (() if deciding.open else outputs)
        if (found := group_errors(output.predictions, rows_answered(output, rows), job.confidence, job.seed))
        is not None
    }
    details["groups"] = by_group
    if job.task in TASKS_OF_PROSE:
        details["wording"] = {
            name: found
            for output in sorted(outputs, key=lambda output: len(output.predictions))
            for name, found in wordings(
                {output.method: output.predictions}, rows_answered(output, rows)
            ).items()
        }
    return Scores(scores.arms, scores.estimates, scores.comparisons, details)


def rows_answered(output: ArmOutput, rows: dict[str, Example]) -> list[Example]:
    """The rows that an arm has answered, with their targets, in the order of its answers."""
    return [rows[prediction.example_id] for prediction in output.predictions]


def on_shared_rows(a: ArmOutput, b: ArmOutput) -> tuple[ArmOutput, ArmOutput]:
    """Two arms on the rows that both have answered: a difference is paired or it is none.

    Raises:
        ValueError: they share no row.
    """
    known = [_ids(output) for output in (a, b)]
    if known[0] == known[1]:
        return a, b
    shared = known[0] & known[1]
    if not shared:
        raise ValueError(f"{a.method} and {b.method} have answered no row in common")

    def on(output: ArmOutput) -> ArmOutput:
        answers = [
            [prediction for prediction in given if prediction.example_id in shared]
            for given in (output.predictions, *output.repeats)
        ]
        return replace(output, predictions=answers[0], repeats=tuple(answers[1:]))

    return on(a), on(b)


def _ids(output: ArmOutput) -> frozenset[str]:
    """The rows that an arm has answered."""
    return frozenset(prediction.example_id for prediction in output.predictions)


def goodness(arm: Arm) -> float:
    """The arm's primary estimate, negative for an error: the higher the better."""
    return float(oriented(METRICS.get(arm.estimate.metric), np.array(arm.estimate.value)))


def _valid_freely(predictions: Sequence[Prediction]) -> int | None:
    """How many answers followed their JSON Schema as first written; None where they are held to none."""
    free = [p.valid_without_constraint for p in predictions if p.valid_without_constraint is not None]
    return sum(free) if free else None


def _pairs(outputs: Sequence[ArmOutput], front: Pair | None) -> list[Pair]:
    """Every tuned arm against every other arm, every arm against the baseline, and against its neighbour.

    And the `front`, the best untuned arm against the next. Chosen by their scores, they are read by no rule.
    """
    pairs: list[Pair] = []
    for a in outputs:
        for b in outputs:
            above = a.kind == "tuned" and b.kind != "tuned"
            over_baseline = a.kind not in ("tuned", "baseline") and b.kind == "baseline"
            best = front is not None and (a.method, b.method) == (front[0].method, front[1].method)
            if above or over_baseline or best or a.beside == b.method:
                pairs.append((a, b))
    return pairs


def _details(
    scores: Scores,
    outputs: Sequence[ArmOutput],
    rows: dict[str, Example],
    labels: Sequence[str],
    metric: Metric,
    options: dict[str, Any],
) -> dict[str, Any]:
    """Confusions, who wins which rows, where the winner is worse, raw answers of the weakest arms."""
    by_method = {output.method: output for output in outputs}
    details: dict[str, Any] = {
        "confusion": {
            name: confusion(output.predictions, rows_answered(output, rows), labels)
            for name, output in by_method.items()
            if not metric.open
        }
    }
    pair = leading_pair(scores)
    if pair:
        winner, against = pair
        pair_outputs = on_shared_rows(by_method[winner], by_method[against])
        ours, theirs = (output.predictions for output in pair_outputs)
        examples = rows_answered(pair_outputs[0], rows)
        details["won"] = (
            won(ours, theirs, examples, winner=winner, against=against)
            if not metric.open
            else ahead(metric, labels, ours, theirs, examples, winner=winner, against=against)
        )
        slices = worse_slices(
            metric, ours, theirs, examples, labels, method=winner, against=against, **options
        )
        if slices is not None:
            details["slices"] = slices
    nothing = -np.inf if is_error(metric) else 0.0
    floor = max((goodness(arm) for arm in scores.arms if arm.kind == "baseline"), default=nothing)
    weak = [arm.method for arm in scores.arms if arm.kind != "baseline" and goodness(arm) <= floor]
    details["samples"] = {
        name: [
            {"id": p.example_id, "value": p.value, "raw": p.raw, "status": p.status}
            for p in list(by_method[name].predictions)[:SAMPLES]
        ]
        for name in weak
    }
    return details


def leading_pair(scores: Scores) -> tuple[str, str] | None:
    """The best tuned and the best untuned arm, or the two best where one kind is missing; None below two."""
    tuned, untuned = scores.best("tuned"), scores.best("baseline", "classifier", "prompt")
    if tuned and untuned:
        return tuned.method, untuned.method
    ranked = sorted(scores.arms, key=lambda arm: -goodness(arm))
    return (ranked[0].method, ranked[1].method) if len(ranked) > 1 else None


def total_cost(output: ArmOutput, job: Job, cores: int) -> Cost:
    """The arm's cost over its units, in core-seconds where several threads worked.

    `seconds_per_1000` counts wall seconds times threads, so that arms that ran on one core and arms that ran
    on all compare; `money_per_1000` is the machine's price for that share of its cores. An arm that asks an
    endpoint only waits here: its seconds are wall seconds, its money is the price of its tokens.
    """
    rows = sum(int(cost["rows_predicted"]) for cost in output.costs)
    asked = any("requests" in cost for cost in output.costs)
    core_seconds = sum(
        float(cost["predict_s"]) * (1 if asked else int(cost["threads"])) for cost in output.costs
    )
    per_1000 = 1000 * core_seconds / rows if rows else 0.0
    if asked:
        tokens = (
            _total(cost["prompt_tokens"] for cost in output.costs),
            _total(cost["completion_tokens"] for cost in output.costs),
        )
        prices = (job.price_per_million_input_tokens, job.price_per_million_output_tokens)
        money = token_price(tokens, prices)
        money_per_1000 = 1000 * money / rows if money is not None and rows else None
    else:
        price = job.price_per_hour
        money_per_1000 = None if price is None else per_1000 / 3600 * price / cores
    return Cost(
        method=output.method,
        fit_s=sum(float(cost["fit_s"]) for cost in output.costs),
        predict_s=sum(float(cost["predict_s"]) for cost in output.costs),
        rows_predicted=rows,
        latency_s=statistics.median(float(cost["latency_s"]) for cost in output.costs),
        seconds_per_1000=per_1000,
        money_per_1000=money_per_1000,
        peak_memory_gib=max(float(cost["peak_memory_gib"]) for cost in output.costs),
        threads=max(int(cost["threads"]) for cost in output.costs),
        endpoint=asked,
    )


def token_price(
    tokens: tuple[int | None, int | None], prices: tuple[float | None, float | None]
) -> float | None:
    """What tokens read and written cost; None where they were not counted, or without a price per million."""
    if prices == (None, None) or tokens[0] is None or tokens[1] is None:
        return None
    return (tokens[0] * (prices[0] or 0.0) + tokens[1] * (prices[1] or 0.0)) / 1e6


def _total(counts: Iterable[int | None]) -> int | None:
    """The sum; None where one is not known."""
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)


def differences(
    metric: Metric, a: Sequence[Prediction], b: Sequence[Prediction], rows: dict[str, Example]
) -> NDArray[np.float64]:
    """What one arm's row has more than the other's, in the order of the answers: 1, 0 or -1 of labels."""
    examples = [rows[prediction.example_id] for prediction in a]
    if not metric.open and not isinstance(metric, MeanOverRows):
        found = [
            (x.value == row.target) - float(y.value == row.target)
            for x, y, row in zip(a, b, examples, strict=True)
        ]
        return np.array(found, dtype=np.float64)
    labels = () if metric.open else sorted({str(row.target) for row in rows.values()})
    ours, theirs = (row_scores(metric, given, examples, labels) for given in (a, b))
    return np.asarray(ours - theirs, dtype=np.float64)


def spread(
    metric: Metric, a: Sequence[Prediction], b: Sequence[Prediction], rows: dict[str, Example]
) -> float:
    """Standard deviation over rows of the difference of two arms' scores on the same rows."""
    return float(np.std(differences(metric, a, b, rows), ddof=1))


def disagreement(a: Sequence[Prediction], b: Sequence[Prediction], rows: dict[str, Example]) -> float:
    """Share of rows that exactly one of two arms has right; both predict the same rows in the same order."""
    pairs = list(zip(a, b, strict=True))
    differ = sum(
        (x.value == rows[x.example_id].target) != (y.value == rows[y.example_id].target) for x, y in pairs
    )
    return differ / len(pairs)


def best_untuned(outputs: Sequence[ArmOutput], arms: Sequence[Arm]) -> Pair | None:
    """The two best untuned arms above the baseline; None when there are fewer than two."""
    by_method = {output.method: output for output in outputs}
    untuned = [arm for arm in arms if arm.kind in ("classifier", "prompt")]
    best = sorted(untuned, key=lambda arm: -goodness(arm))[:2]
    return (by_method[best[0].method], by_method[best[1].method]) if len(best) == 2 else None
