"""What several metrics say in the same words; a metric takes the trait that is true of it."""

from collections.abc import Sequence

import numpy as np

from tuneworthy.metrics import Parts


class OfWholeRows:
    """A metric that has nothing to say about single labels."""

    __slots__ = ()

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Empty: it is read as a whole."""
        return {}


class MeanOverRows(OfWholeRows):
    """A metric whose parts are a row's score and 1: a resample of groups need not have as many rows."""

    __slots__ = ()

    def value(self, sums: Parts) -> Parts:
        """Mean over rows, shape [..., 2] -> [...]."""
        return np.asarray(sums[..., 0] / sums[..., 1], dtype=np.float64)
