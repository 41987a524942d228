"""Macro-F1: every label's F1 counts the same, however rare the label."""

from collections.abc import Sequence

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._confusion import confusion_parts, f1_of, macro


class MacroF1:
    """Mean over labels of 2tp / (2tp + fp + fn).

    Averaged as scikit-learn does with `zero_division=0`: over the labels that occur in targets or answers.
    An answer that is unparseable or failed is a false negative of its true label and nobody's false positive.

    Worked example: targets `a a a b`, answers `a a b b`. Label a: tp 2, fp 0, fn 1, F1 4/5; label b: tp 1,
    fp 1, fn 0, F1 2/3; macro-F1 (4/5 + 2/3) / 2 = 0.7333.

    >>> from tuneworthy.metrics import worked
    >>> worked(PLUGIN, targets="a a a b", answers="a a b b")
    0.7333
    """

    name = "macro_f1"
    title = "macro-F1"
    best = 1.0
    worst = 0.0
    binary = False
    open = False

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """True positives, false positives, false negatives per label, shape [rows, 3K].

        Raises ValueError on empty or unpaired input, and on a target that is not among `labels`.
        """
        return confusion_parts(predictions, targets, labels)

    def value(self, sums: Parts) -> Parts:
        """The macro average from summed parts, shape [..., 3K] -> [...]."""
        return macro(f1_of(sums), sums)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Each label's own value, 0 where it is 0/0; shape [..., 3K] -> [...] per label."""
        values = f1_of(sums)
        return {label: values[..., index] for index, label in enumerate(labels)}


PLUGIN: Metric = MacroF1()
