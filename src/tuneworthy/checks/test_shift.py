"""TW021: a test file that is unlike the training table."""

import numpy as np

from tuneworthy.checks import Examined, say
from tuneworthy.core.example import label_counts
from tuneworthy.core.finding import Finding

FEWEST = 30
TELLS = 0.75  # AUC of a classifier that tells test from training rows: chance is 0.5
MIX = 0.2  # total variation between the label mixes


class TestShift:
    """A domain classifier on embeddings, out of fold, and the label mix."""

    code = "TW021"
    title = "shift between training and test rows"
    slow = True
    needs = "embedder"
    of_labels = True

    def examine(self, data: Examined) -> Finding:
        """A tip when the two can be told apart, or their labels are mixed otherwise."""
        if len(data.test) < FEWEST or len(data.examples) < FEWEST:
            why = f"It takes {FEWEST} rows on both sides." if data.test else "There is no test file."
            return say(self, "not_applicable", why)
        auc, error = _told_apart(data)
        low, high = max(0.0, auc - 1.96 * error), min(1.0, auc + 1.96 * error)
        a, b = label_counts(data.examples), label_counts(data.test)
        mix = sum(abs(a.get(k, 0) / len(data.examples) - b.get(k, 0) / len(data.test)) for k in {*a, *b}) / 2
        said = (
            f"A classifier tells test from training rows with AUC {auc:.2f} ({low:.2f} to {high:.2f}; 0.5 is "
            f"chance), and {mix:.0%} of the label mix differs."
        )
        if low < TELLS and mix < MIX:
            return say(self, "passed", said)
        return say(
            self,
            "tip",
            said,
            "Train on rows like those to come; a score on one kind of text says little about another.",
            rows=[row.row for row in data.test],
        )


def _told_apart(data: Examined) -> tuple[float, float]:
    """Out-of-fold AUC of a logistic regression, and its standard error (Hanley and McNeil 1982)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    origin = np.array([0] * len(data.examples) + [1] * len(data.test))
    model = LogisticRegression(C=1.0, max_iter=500, class_weight="balanced")
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(model, data.measured.vectors, origin, cv=folds, method="decision_function")
    auc = float(roc_auc_score(origin, scores))
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    m, n = len(data.test), len(data.examples)
    variance = (auc * (1 - auc) + (m - 1) * (q1 - auc**2) + (n - 1) * (q2 - auc**2)) / (m * n)
    return auc, float(np.sqrt(max(variance, 0.0)))


PLUGIN = TestShift()
