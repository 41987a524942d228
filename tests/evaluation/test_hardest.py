"""The label to collect rows of is the one that is missed beyond chance."""

import numpy as np

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.hardest import hardest_label

LABELS = ("late", "refund", "account", "other")


def rows(wrong: dict[str, int], each: int = 30) -> tuple[list[list[Prediction]], list[Example]]:
    """`each` rows a label, the first so many of which are answered with a neighbour."""
    examples, given = [], []
    for place, label in enumerate(LABELS):
        for i in range(each):
            examples.append(Example(id=f"{label}-{i}", input="x", target=label))
            answer = LABELS[(place + 1) % 4] if i < wrong.get(label, 0) else label
            given.append(Prediction(example_id=f"{label}-{i}", value=answer))
    return [given], examples


def test_the_label_with_most_misses_beyond_its_share_is_named() -> None:
    found = hardest_label("probe", *rows({"refund": 15, "late": 3, "other": 4}), alpha=0.05)
    assert found is not None
    assert (found.method, found.label, found.missed, found.rows) == ("probe", "refund", 15, 30)


def test_misses_that_fall_alike_on_all_labels_name_none() -> None:
    assert hardest_label("probe", *rows(dict.fromkeys(LABELS, 8)), alpha=0.05) is None
    assert hardest_label("probe", *rows({}), alpha=0.05) is None


def test_a_label_is_named_by_chance_in_at_most_alpha_of_the_tables() -> None:
    _, examples = rows({})
    rng, named = np.random.default_rng(0), 0
    for _ in range(400):
        given = [
            Prediction(example_id=row.id, value=row.target if rng.random() < 0.7 else "?") for row in examples
        ]
        named += hardest_label("probe", [given], examples, alpha=0.05) is not None
    assert named / 400 <= 0.05


def test_an_answer_that_cannot_be_read_is_a_miss() -> None:
    (given,), examples = rows({})
    unread = [
        Prediction(example_id=one.example_id, value=None, status="unparseable")
        if row.target == "late"
        else one
        for one, row in zip(given, examples, strict=True)
    ]
    found = hardest_label("probe", [unread], examples, alpha=0.05)
    assert found is not None and (found.label, found.missed) == ("late", 30)


def test_a_label_that_one_seed_of_three_misses_is_not_named_for_it() -> None:
    (weak,), examples = rows({"refund": 15, "late": 3, "other": 4})
    (good,), _ = rows({"refund": 3, "late": 3, "other": 4})
    assert hardest_label("lora", [weak, good, good], examples, alpha=0.05) is None
    found = hardest_label("lora", [weak, weak, weak], examples, alpha=0.05)
    assert found is not None and (found.label, found.missed) == ("refund", 15)
