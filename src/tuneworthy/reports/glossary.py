"""The page's small glossary: only the words that the page uses."""

from tuneworthy.reports import formats
from tuneworthy.reports.contents import Contents

_METHODS = {
    "majority": "always answers the most frequent label; what an arm must beat to have learnt anything",
    "tfidf": "a linear classifier on weighted word and character counts; no language model",
    "probe": "a linear classifier on the vectors of a frozen embedding model",
    "probe_decoder": "a linear classifier on the frozen hidden states of the base model",
    "zero_shot": "the prompted model with an instruction and no example",
    "few_shot": "the prompted model with an instruction and a fixed handful of worked examples",
    "knn_shot": "the prompted model with the labelled rows most like the one it is asked about",
    "setfit": "an embedding model trained on pairs of rows, then a linear classifier",
    "encoder": "an encoder model with a classification head, trained whole or in its last layers",
    "lora": "the base model with a small trained adapter; its own weights stay as they are",
    "qlora": "a LoRA adapter on a base model held in 4 bits, to save memory",
    "full": "the base model with its own weights trained, all of them or those of its last layers",
}
_METRICS = {
    "accuracy": "the share of rows answered rightly",
    "mae": "how far answers are from the truth on average, in the targets' unit; the lower, the better",
    "macro_f1": "F1 of each label, averaged so that a rare label counts as much as a frequent one",
}
_UNPARSEABLE = {
    "labels": "an answer that is no label; it counts as wrong and is counted apart",
    "texts": "an answer that could not be read; it counts as wrong and is counted apart",
    "numbers": "an answer without a number; it counts as the end of the targets' range that is farther off, "
    "and is counted apart",
}
_TERMS = (
    ("Arm", "one method with its settings, measured on the same rows as the others"),
    (
        "Interval",
        "where the true score plausibly lies, given this many rows; at 95% confidence, intervals made "
        "this way hold the true score 19 times in 20",
    ),
    (
        "Paired comparison",
        "two arms compared row by row on the same rows, so that hard rows are hard for both",
    ),
    (
        "p",
        "how often chance alone would show a difference this large; adjusted for the number of comparisons, "
        "and one-sided where only a gain counts",
    ),
    ("Only it right", "rows that the first arm has right and the other wrong, and the reverse"),
    (
        "F1",
        "one number for precision (how often the label, when given, is right) and recall (how often it is "
        "found)",
    ),
    ("Validation rows", "training rows kept aside to choose a checkpoint; never test rows"),
    ("Lockbox", "the test rows, handed out once per frozen plan; every opening is recorded"),
    ("Fingerprint", "a short hash of the rows: the same rows have the same fingerprint"),
)

_SIMILARITY = (
    "Embedding similarity",
    "the cosine between the vectors of an answer and of its reference; references of different rows are not "
    "at 0 either, so compare with the most frequent answer. It decides nothing",
)


def glossary(contents: Contents) -> list[tuple[str, str]]:
    """Terms and what they mean: the general ones, then the metric and the arms of this run."""
    metric = contents.evidence.metric
    terms = [*_TERMS, ("Unparseable", _UNPARSEABLE[_answers(contents)])]
    if contents.evidence.share:
        terms.append(("Point", "one percentage point: from 80% to 83% is +3 points"))
    if metric in _METRICS:
        title = formats.metric_title(metric)
        terms.append((title[:1].upper() + title[1:], _METRICS[metric]))
    if any(estimate.metric == "embedding_similarity" for estimate in contents.estimates):
        terms.append(_SIMILARITY)
    if contents.evidence.protocol == "crossfit":
        terms.append(("Crossfit", "every row is predicted once, by a model that never saw it"))
    else:
        terms.append(("Holdout", "some rows are kept from all training and choosing, and scored at the end"))
    terms.extend((arm.method, _METHODS[arm.method]) for arm in contents.arms if arm.method in _METHODS)
    return terms


def _answers(contents: Contents) -> str:
    """What the task answers with."""
    if contents.dataset.task == "regression":
        return "numbers"
    return "labels" if contents.dataset.labels else "texts"
