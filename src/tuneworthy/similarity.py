"""How close answers are to their references in meaning: the cosine of their embeddings, beside the metrics.

A metric sees texts and no models, so the numbers are made here and handed to the evaluation (decision 0024).
They decide nothing. They are kept in the run folder, so that a second run embeds only what is new.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tuneworthy.core.example import Example
from tuneworthy.core.hashing import address
from tuneworthy.core.job import Job
from tuneworthy.evaluation.assemble import ArmOutput, Scores
from tuneworthy.evaluation.intervals import mean_estimate
from tuneworthy.evaluation.wording import TASKS_OF_PROSE
from tuneworthy.metrics._answers import alternatives
from tuneworthy.runfolder.folder import RunFolder

FILE = "similarity.json"
METRIC = "embedding_similarity"
Cosines = dict[str, float]  # by row


def with_similarity(
    job: Job,
    scores: Scores,
    outputs: Sequence[ArmOutput],
    truth: Mapping[str, Example],
    folder: RunFolder,
    used: Path | None,
) -> Scores:
    """The scores with an estimate of each arm's similarity, where answers are prose.

    The model is the one the arms `used`, or the job's where this machine has it. Nothing is fetched for it:
    without it the scores are as they were, and a note says so.
    """
    from tuneworthy.models.resolve import at_hand, model_ref

    if job.task not in TASKS_OF_PROSE:
        return scores
    model = used or at_hand(job.embedding_model)
    if model is None:
        folder.emit(
            "note",
            text=f"Embedding similarity is not reported: {job.embedding_model} is not on this machine "
            f"(`tuneworthy models get {job.embedding_model}`).",
        )
        return scores
    digest = model_ref(job.embedding_model, model).digest
    known = folder.read(FILE) if folder.exists(FILE) else {}
    found: dict[str, Cosines] = {}
    keys: dict[str, str] = {}
    for output in outputs:
        pairs = {p.example_id: (p.value, str(truth[p.example_id].target)) for p in output.predictions}
        keys[output.method] = address([digest, sorted(pairs.items())])
        kept = known.get(output.method, {})
        same = kept.get("address") == keys[output.method]
        found[output.method] = kept["cosines"] if same else embedded_cosines(pairs, model)
    folder.write(FILE, {name: {"address": keys[name], "cosines": found[name]} for name in found})
    estimates = tuple(
        mean_estimate(
            cosines,
            truth,
            method=method,
            metric=METRIC,
            confidence=job.confidence,
            resamples=job.resamples,
            seed=job.seed,
        )
        for method, cosines in found.items()
    )
    return replace(scores, estimates=scores.estimates + estimates)


def embedded_cosines(pairs: Mapping[str, tuple[str | None, str]], model: Path) -> Cosines:
    """The cosine of each row's answer and the nearest of its references; 0 for a row without an answer.

    Args:
        pairs: answer and target by row.
        model: folder of the sentence encoder, which reads no further than its window.
    """
    from tuneworthy.models.embedder import load_embedder

    written = {row: (answer, alternatives(target)) for row, (answer, target) in pairs.items() if answer}
    texts = sorted({text for answer, golds in written.values() for text in (answer, *golds)})
    vectors = dict(zip(texts, load_embedder(model).embed(texts), strict=True)) if texts else {}
    cosines = dict.fromkeys(pairs, 0.0)
    for row, (answer, golds) in written.items():
        cosines[row] = round(max(float(vectors[answer] @ vectors[gold]) for gold in golds), 6)
    return cosines
