"""Linear classifiers: what a fit says to the user."""

import warnings

import numpy as np

from tuneworthy.methods._linear import fit_quietly, new_regression


def test_more_labels_than_half_the_rows_are_no_news_to_the_user() -> None:
    labels = [f"label {i // 2}" for i in range(44)] + [f"alone {i}" for i in range(20)]
    vectors = np.random.default_rng(0).normal(size=(len(labels), 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_quietly(new_regression(1.0, None), vectors, labels)
