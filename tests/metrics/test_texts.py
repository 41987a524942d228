"""Metrics of texts against the rules and the programs that define them."""

import json

import numpy as np
import pytest

from tuneworthy.core.prediction import Prediction
from tuneworthy.data.forms import Cells
from tuneworthy.metrics import METRICS, Metric
from tuneworthy.tasks import TASKS, form_of

ANSWERS = [
    "the cat sat on the mat in the hall",
    "a dog ran away from home last night",
    "nothing",
    "it was bought, by Acme Corp., for $ 3.5 million in 2019!",
    "Zürich and Genève are in Switzerland",
]
REFERENCES = [
    "the cat was sitting on the mat",
    "last night a dog ran away",
    "something else entirely was said here",
    "Acme Corp. bought it for $3.5 million",
    "Zürich, Genève and Bern are Swiss cities",
]


def parts_of(metric: Metric, answers: list[str | None], targets: list[str]) -> np.ndarray:
    given = [
        Prediction(example_id=str(i), value=a, status="parsed" if a is not None else "unparseable")
        for i, a in enumerate(answers)
    ]
    return metric.parts(given, targets, ())


def value(name: str, answers: list[str | None], targets: list[str]) -> float:
    metric = METRICS.get(name)
    return float(metric.value(parts_of(metric, answers, targets).sum(0)))


# Written by hand from SQuAD's published rules: lower case, no punctuation, no articles, single spaces.
@pytest.mark.parametrize(
    ("answer", "target", "em", "f1"),
    [
        ("The Nile", "nile", 1, 1),
        ("Nile.", "the Nile", 1, 1),
        ("an  apple", "apple", 1, 1),
        ("theatre", "atre", 0, 0),  # an article is a whole word
        ("10,000", "10000", 1, 1),  # punctuation goes without a space
        ("twenty-one", "twenty one", 0, 0),
        ("in 1990", "1990", 0, 2 / 3),
        ("New York City", "New York", 0, 4 / 5),
        ("to be or not to be", "to be", 0, 2 * 1 * (2 / 6) / (1 + 2 / 6)),  # tokens are counted, not listed
        ("to to", "to", 0, 2 / 3),
        ("Denver Broncos", '["Broncos", "The Denver Broncos"]', 1, 1),  # the best of several
        ("Broncos of Denver", '["Broncos", "Denver Broncos"]', 0, 4 / 5),
        ("no answer", "[]", 1, 1),
        ("Paris", "[]", 0, 0),
        ("no answer", "Paris", 0, 0),
        ("the", "a", 1, 1),  # nothing is left of either
        ("", "Paris", 0, 0),
        ("[sic]", "[sic]", 1, 1),  # brackets alone make no list
    ],
)
def test_squad_by_its_published_rules(answer: str, target: str, em: float, f1: float) -> None:
    assert value("exact_match", [answer], [target]) == pytest.approx(em, abs=1e-9)
    assert value("answer_f1", [answer], [target]) == pytest.approx(f1, abs=1e-9)


@pytest.mark.parametrize(("name", "theirs"), [("chrf", "CHRF"), ("bleu", "BLEU")])
@pytest.mark.parametrize("rows", [slice(0, 5), slice(2, 3), slice(0, 1), slice(3, 5)])
def test_corpus_scores_are_sacrebleus(name: str, theirs: str, rows: slice) -> None:
    sacrebleu = pytest.importorskip("sacrebleu.metrics")
    expected = getattr(sacrebleu, theirs)().corpus_score(ANSWERS[rows], [REFERENCES[rows]]).score / 100
    assert value(name, list(ANSWERS[rows]), REFERENCES[rows]) == pytest.approx(expected, abs=1e-9)


def test_corpus_scores_of_resampled_rows_are_sacrebleus() -> None:
    sacrebleu = pytest.importorskip("sacrebleu.metrics")
    drawn = [0, 0, 3, 4, 4]
    for name, theirs in (("chrf", "CHRF"), ("bleu", "BLEU")):
        metric = METRICS.get(name)
        sums = parts_of(metric, list(ANSWERS), REFERENCES)[drawn].sum(0)
        expected = getattr(sacrebleu, theirs)().corpus_score(
            [ANSWERS[i] for i in drawn], [[REFERENCES[i] for i in drawn]]
        )
        assert float(metric.value(sums)) == pytest.approx(expected.score / 100, abs=1e-9)


def test_several_references_are_sacrebleus() -> None:
    sacrebleu = pytest.importorskip("sacrebleu.metrics")
    targets = ['["the cat sat on a mat", "there sat a cat on the mat"]', "a dog ran off last night"]
    streams = [
        ["the cat sat on a mat", "a dog ran off last night"],
        ["there sat a cat on the mat", "a dog ran off last night"],
    ]
    for name, theirs in (("chrf", "CHRF"), ("bleu", "BLEU")):
        expected = getattr(sacrebleu, theirs)().corpus_score(ANSWERS[:2], streams).score / 100
        assert value(name, list(ANSWERS[:2]), targets) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "kind"), [("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")]
)
def test_rouge_is_the_packages_mean(name: str, kind: str) -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer([kind])
    expected = np.mean(
        [scorer.score(ref, ours)[kind].fmeasure for ours, ref in zip(ANSWERS, REFERENCES, strict=True)]
    )
    assert value(name, list(ANSWERS), REFERENCES) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["exact_match", "answer_f1", "rouge_l", "chrf", "bleu"])
def test_an_unparseable_answer_counts_as_nothing(name: str) -> None:
    good = "the cat sat on the mat"
    whole, half = value(name, [good, good], [good, good]), value(name, [good, None], [good, good])
    assert whole == pytest.approx(1)
    assert half < 0.75


def bio(words: list[str], kind: str) -> list[str]:
    return [f"B-{kind}", *[f"I-{kind}"] * (len(words) - 1)]


def test_entities_whose_words_occur_once_have_seqevals_f1() -> None:
    theirs = pytest.importorskip("seqeval.metrics")
    rng = np.random.default_rng(0)
    truth, given, targets, answers = [], [], [], []
    for row in range(40):
        true_tags, our_tags, wanted, found = [], [], [], []
        for i in range(6):
            words = [f"w{row}x{i}y{j}" for j in range(int(rng.integers(1, 4)))]
            true_kind, our_kind = (str(rng.choice(["O", "city", "person"])) for _ in range(2))
            true_tags += bio(words, true_kind) if true_kind != "O" else ["O"] * len(words)
            our_tags += bio(words, our_kind) if our_kind != "O" else ["O"] * len(words)
            wanted += [f"{true_kind}: {' '.join(words)}"] if true_kind != "O" else []
            found += [f"{our_kind}: {' '.join(words)}"] if our_kind != "O" else []
        truth.append(true_tags)
        given.append(our_tags)
        targets.append("; ".join(wanted) or "none")
        answers.append("; ".join(found) or "none")
    expected = theirs.f1_score(truth, given)
    assert 0.2 < expected < 0.6
    assert value("entity_f1", list(answers), targets) == pytest.approx(expected, abs=1e-9)
    metric = METRICS.get("entity_f1")
    kinds = ["city", "person"]
    predictions = [Prediction(example_id=str(i), value=a) for i, a in enumerate(answers)]
    by_type = metric.per_label(metric.parts(predictions, targets, kinds).sum(0), kinds)
    report = theirs.classification_report(truth, given, output_dict=True)
    for kind in kinds:
        assert float(by_type[kind]) == pytest.approx(report[kind]["f1-score"], abs=1e-9)


def test_entities_read_from_tags_have_seqevals_f1() -> None:
    theirs = pytest.importorskip("seqeval.metrics")
    read = form_of(TASKS.get("token-classification")).read
    rng = np.random.default_rng(3)
    tags = ["O", "O", "B-a", "I-a", "B-b", "I-b"]  # at random, so that many an I- comes without its B-
    truth, given, targets, answers = [], [], [], []
    for row in range(60):
        words = [f"w{row}x{i}" for i in range(int(rng.integers(1, 9)))]
        true_tags = [str(tag) for tag in rng.choice(tags, len(words))]
        our_tags = [tag if rng.random() < 0.7 else str(rng.choice(tags)) for tag in true_tags]
        truth.append(true_tags)
        given.append(our_tags)
        targets.append(str(read(Cells(json.dumps(words), json.dumps(true_tags))).target))
        answers.append(str(read(Cells(" ".join(words), " ".join(our_tags))).target))
    expected = theirs.f1_score(truth, given)
    assert 0.3 < expected < 0.8
    assert value("entity_f1", list(answers), targets) == pytest.approx(expected, abs=1e-9)


def test_label_sets_are_scored_as_scikit_learn_scores_them() -> None:
    from sklearn.metrics import accuracy_score, f1_score

    rng = np.random.default_rng(1)
    names = ["late", "rude", "damaged"]
    truth, ours = rng.random((50, 3)) < 0.4, rng.random((50, 3)) < 0.4
    rows = [
        ["; ".join(n for n, has in zip(names, row, strict=True) if has) or "none" for row in table]
        for table in (truth, ours)
    ]
    for name, expected in (
        ("set_micro_f1", f1_score(truth, ours, average="micro")),
        ("set_macro_f1", f1_score(truth, ours, average="macro")),
        ("exact_set", accuracy_score(truth, ours)),
    ):
        assert value(name, list(rows[1]), rows[0]) == pytest.approx(expected, abs=1e-9), name
