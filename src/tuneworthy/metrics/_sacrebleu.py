"""Corpus statistics of sacrebleu, row by row, so that resampling rows is a matrix product (an extra)."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from tuneworthy.core.errors import JobError
from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Parts, check_lengths
from tuneworthy.metrics._answers import alternatives

Kind = Literal["CHRF", "BLEU"]


def corpus_parts(kind: Kind, predictions: Sequence[Prediction], targets: Sequence[str]) -> Parts:
    """Each row's sufficient statistics, shape [rows, statistics]; no answer is an empty one."""
    check_lengths(predictions, targets)
    written = [p.value if p.status == "parsed" and p.value is not None else "" for p in predictions]
    golds = [alternatives(target) for target in targets]
    most = max(map(len, golds))
    references = [[row[i] if i < len(row) else row[0] for row in golds] for i in range(most)]
    found = _metric(kind)._extract_corpus_statistics(written, references)
    return np.array(found, dtype=np.float64)


@lru_cache
def _metric(kind: Kind) -> Any:
    try:
        import sacrebleu.metrics
    except ImportError as error:
        raise JobError("chrF and BLEU need sacrebleu: pip install 'tuneworthy[text]'.") from error
    return getattr(sacrebleu.metrics, kind)()
