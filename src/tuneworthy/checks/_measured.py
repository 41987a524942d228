"""What several checks measure with a sentence encoder: embeddings, and what a probe says of unseen rows."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneworthy.core.example import Example
from tuneworthy.data.repeats import group_keys
from tuneworthy.tasks._chats import gist

FOLDS = 5
REPEATS = 2  # of the cross-validation: the partition alone moves the rank of a doubtful row
SEED = 0
PENALTY = 3.0  # inverse; a stronger one than an arm would take, since the labels are what is in doubt
Floats = NDArray[np.float64]


class Measured:
    """Embeddings and probabilities of one table; each is computed once, when first asked for."""

    def __init__(self, examples: Sequence[Example], test: Sequence[Example], embedder: Path | None) -> None:
        self._examples, self._test, self._folder = examples, test, embedder

    @cached_property
    def vectors(self) -> Floats:
        """Unit embeddings of the table and, below them, of the test rows, shape [rows, D]."""
        from tuneworthy.models.embedder import load_embedder

        if self._folder is None:
            raise ValueError("no embedder is at hand; the check should say that it needs one")
        texts = [gist(row.input) for row in (*self._examples, *self._test)]
        return load_embedder(self._folder).embed(texts).astype(np.float64)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The table's labels in sorted order."""
        return tuple(sorted({str(row.target) for row in self._examples}))

    @cached_property
    def probabilities(self) -> Floats:
        """Out-of-fold probabilities [rows, labels]: the mean of a probe on embeddings and one on words.

        The two err in different places; their mean ranked planted label errors better than the first alone,
        on sets kept apart for the choice. Duplicates stay in one fold: wrong labels would vouch for copies.
        """
        targets = np.array([str(row.target) for row in self._examples])
        table = np.zeros((len(targets), len(self.labels)))
        groups = np.array(group_keys(self._examples))
        views = (self.vectors[: len(targets)], _words([row.input for row in self._examples]))
        for repeat in range(REPEATS):
            for view in views:
                found = out_of_fold(view, targets, groups, self.labels, SEED + repeat)
                table += found / (REPEATS * len(views))
        return table


def _words(texts: Sequence[str]) -> Any:
    """TF-IDF of words and of characters within words; it sees no label, so one fit serves all folds."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    from tuneworthy.methods.tfidf import has_words

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    views = (words, characters) if has_words(words, texts) else (characters,)
    return hstack([view.fit_transform(texts) for view in views]).tocsr()


def out_of_fold(
    vectors: Any, targets: NDArray[np.str_], groups: NDArray[np.intp], labels: Sequence[str], seed: int
) -> Floats:
    """Probabilities [rows, labels] from a logistic regression that has not seen the row or its group."""
    import warnings

    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    from tuneworthy.methods._linear import row_space

    table = np.zeros((len(targets), len(labels)))
    folds = max(2, min(FOLDS, max(Counter(targets).values()), len(set(groups))))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # labels with fewer rows than folds
        splits = list(splitter.split(vectors, targets, groups))
    for fit, held in splits:
        if len(set(targets[fit])) < 2:
            table[np.ix_(held, [labels.index(targets[fit][0])])] = 1.0
            continue
        x_fit, x_held = row_space(vectors[fit], vectors[held])  # the same fit, as wide as there are rows
        model = LogisticRegression(C=PENALTY, max_iter=500).fit(x_fit, targets[fit])
        columns = [labels.index(label) for label in model.classes_]
        table[np.ix_(held, columns)] = model.predict_proba(x_held)
    return table
