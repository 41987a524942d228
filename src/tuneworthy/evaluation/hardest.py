"""The label of which an arm misses more rows than chance would deal it: the one to label more of."""

from collections import Counter
from collections.abc import Sequence

from scipy.stats import hypergeom

from tuneworthy.core.evidence import HardLabel
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.assemble import ArmOutput, Scores
from tuneworthy.evaluation.rows import rows_of
from tuneworthy.metrics import Metric, is_error


def hardest_of_best(
    metric: Metric, scores: Scores, outputs: Sequence[ArmOutput], truth: dict[str, Example], alpha: float
) -> HardLabel | None:
    """The hardest label of the arm with the best score; None where answers are no labels."""
    best = scores.best("classifier", "prompt", "tuned")
    if best is None or metric.open or is_error(metric):
        return None
    output = next(output for output in outputs if output.method == best.method)
    examples = [truth[one.example_id] for one in output.predictions]
    return hardest_label(best.method, (output.predictions, *output.repeats), examples, alpha)


def hardest_label(
    method: str, seeds: Sequence[Sequence[Prediction]], examples: Sequence[Example], alpha: float
) -> HardLabel | None:
    """The label with the most rows missed beyond its share of all misses; None where none stands out.

    If misses fell on rows without regard to their label, a label's count of them would be hypergeometric
    (Fisher 1935). A label stands out when its upper-tail p value, times the number of labels (Bonferroni), is
    at most `alpha`. Of those the one with the most misses above expectation is named, since that is where
    rows would gain most.

    Args:
        method: the arm's name.
        seeds: its answers, those of each seed; misses are their mean, rounded.
        examples: the same rows with their targets.
        alpha: error rate of the claim.

    Raises:
        ValueError: predictions for other rows than `examples`.
    """
    rows = rows_of(examples)
    sizes, misses = Counter(rows.targets), Counter[str]()
    for predictions in seeds:
        given = zip(rows.order(predictions), rows.targets, strict=True)
        misses.update(target for one, target in given if one.value != target)
    missed = {label: round(misses[label] / len(seeds)) for label in sizes}
    total, errors = len(rows.targets), sum(missed.values())
    found = [
        (missed[label] - errors * size / total, label)
        for label, size in sizes.items()
        if len(sizes) * hypergeom.sf(missed[label] - 1, total, size, errors) <= alpha
    ]
    if not found:
        return None
    _, label = max(found)
    return HardLabel(method=method, label=label, missed=missed[label], rows=sizes[label])
