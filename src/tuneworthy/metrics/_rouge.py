"""The scorer of the ROUGE metrics: Google's rouge-score package, an extra."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tuneworthy.core.errors import JobError


def rouge(kind: str) -> Callable[[str, str], float]:
    """F1 of "rouge1", "rouge2" or "rougeL" for an answer and one reference; imported when first asked."""

    def score(answer: str, reference: str) -> float:
        return float(_scorer(kind).score(reference, answer)[kind].fmeasure)

    return score


@lru_cache
def _scorer(kind: str) -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise JobError("ROUGE needs rouge-score: pip install 'tuneworthy[text]'.") from error
    return RougeScorer([kind], use_stemmer=False)
