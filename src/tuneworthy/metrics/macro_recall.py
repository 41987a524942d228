"""Macro-recall (balanced accuracy when every label occurs): every label counts the same."""

from collections.abc import Sequence

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._confusion import confusion_parts, macro, recall_of


class MacroRecall:
    """Mean over labels of tp / (tp + fn).

    Averaged as scikit-learn does with `zero_division=0`: over the labels that occur in targets or answers.
    An answer that is unparseable or failed is a false negative of its true label and nobody's false positive.

    Worked example: targets `a a a b`, answers `a a b b`. Label a: 2 of 3; label b: 1 of 1; mean 0.8333.

    >>> from tuneworthy.metrics import worked
    >>> worked(PLUGIN, targets="a a a b", answers="a a b b")
    0.8333
    """

    name = "macro_recall"
    title = "macro-recall"
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
        return macro(recall_of(sums), sums)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Each label's own value, 0 where it is 0/0; shape [..., 3K] -> [...] per label."""
        values = recall_of(sums)
        return {label: values[..., index] for index, label in enumerate(labels)}


PLUGIN: Metric = MacroRecall()
