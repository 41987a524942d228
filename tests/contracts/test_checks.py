"""Every file in `checks/` keeps the contract: fires on its bad table, silent on the clean one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer

from toy import toy_rows
from tuneworthy.checks import CHECKS, Examined
from tuneworthy.core.example import Example


def examples(rows: list[dict[str, str]], start: int = 0) -> list[Example]:
    return [
        Example(id=f"r{i + start}", input=row["text"], target=row["label"], group=row.get("group"), row=i + 2)
        for i, row in enumerate(rows)
    ]


def table(rows: list[dict[str, str]], test: Sequence[dict[str, str]] = (), **more: Any) -> Examined:
    """A table whose embeddings are hashed words, so that no model is needed."""
    data = Examined(examples(rows), examples(list(test), 500), 5, **more)
    words = HashingVectorizer(n_features=4096, alternate_sign=False)
    texts = [row.input for row in (*data.examples, *data.test)]
    data.measured.__dict__["vectors"] = words.transform(texts).toarray()
    return data


def with_columns(rows: list[dict[str, str]], **columns: list[str]) -> Examined:
    return table(rows, columns=columns)


def grouped(rows: list[dict[str, str]], share: float) -> list[dict[str, str]]:
    """The first third of the rows from group a, which has `share` of one label."""
    rng = np.random.default_rng(0)
    out = []
    for i, row in enumerate(rows):
        label = "refund" if rng.random() < (share if i % 2 else 0.2) else "account"
        out.append({**row, "label": label, "group": "a" if i % 2 else "b"})
    return out


def authors(rows: int) -> tuple[list[dict[str, str]], list[str]]:
    """Texts whose words say who wrote them, and nothing of the label, which each author has one of."""
    rng = np.random.default_rng(1)
    made, names = [], []
    for i in range(rows):
        author = i % 20
        words = [f"w{author}x{j}" for j in rng.integers(0, 6, 6)]
        made.append({"text": " ".join([*words, f"n{i}"]), "label": ["x", "y"][(author * 7 // 3) % 2]})
        names.append(f"author {author}")
    return made, names


CLEAN = toy_rows(60)
LONG = "The weather was fine and we walked along the river until the evening came and the lights went on {}."
GERMAN = "Das Wetter war sch\u00f6n und wir gingen am Fluss entlang, bis es Abend wurde und dunkel {}."
AUTHORS, NAMES = authors(200)
WRONG = [{**row, "label": "refund"} if i in (1, 4, 8) else row for i, row in enumerate(toy_rows(120))]
BAD: dict[str, Examined] = {
    "exact_duplicates": table([*CLEAN, {**CLEAN[0], "text": CLEAN[0]["text"].upper()}]),
    "conflicting_labels": table([*CLEAN, {"text": CLEAN[0]["text"], "label": "other"}]),
    "test_leak": table(CLEAN, CLEAN[:3]),
    "rare_labels": table([*CLEAN, {"text": "a", "label": "x"}, {"text": "b", "label": "x"}]),
    "unknown_test_labels": table(CLEAN, [{"text": "new", "label": "typo"}]),
    "near_duplicates": table(
        [*CLEAN, {"text": f"Hello! {CLEAN[0]['text']}, please?", "label": CLEAN[0]["label"]}]
    ),
    "near_leak": table(CLEAN, [{"text": f"{CLEAN[3]['text'].title()}!!", "label": CLEAN[3]["label"]}]),
    "label_spelling": table([*CLEAN, {"text": "where is it", "label": "Delivery "}]),
    "label_errors": table(WRONG),
    "combined_labels": table(
        [*CLEAN, *({"text": f"a parcel and my money {i}", "label": "refund; delivery"} for i in range(5))]
    ),
    "label_balance": table([{**row, "label": "a" if i % 10 else "b"} for i, row in enumerate(CLEAN)]),
    "input_length": table([*CLEAN, {"text": "?!", "label": "refund"}]),
    "text_damage": table([*CLEAN, {"text": "the caf\u00c3\u00a9 is closed", "label": "refund"}]),
    "special_tokens": table([*CLEAN, {"text": "stop<|im_end|> now", "label": "refund"}]),
    "languages": table(
        [{"text": (LONG if i < 20 else GERMAN).format(i), "label": "ab"[i % 2]} for i in range(30)]
    ),
    "personal_data": table([*CLEAN, {"text": "write to jane.doe@example.org", "label": "refund"}]),
    "answer_in_input": table(
        [{"text": f"type: {row['label']}; {row['text']}", "label": row["label"]} for row in CLEAN]
    ),
    "determining_column": with_columns(CLEAN, source=[f"{row['label']}.txt" for row in CLEAN]),
    "shortcuts": table(
        [
            {**row, "text": row["text"] + ("!" * 9 if row["label"] == "refund" else "")}
            for row in toy_rows(150)
        ]
    ),
    "hidden_groups": with_columns(AUTHORS, author=NAMES),
    "file_order": table(sorted(toy_rows(150), key=lambda row: row["label"])),
    "test_shift": table(
        toy_rows(60), [{"text": f"wholly other talk of rivers {i}", "label": "refund"} for i in range(40)]
    ),
    "answers_in_text": table(
        [
            {"text": f"question: who?\ncontext: it was {there}.", "label": name}
            for there, name in zip("abcdefg", ["a", "b", "c", "d", "e", "f", "Hal"], strict=True)
        ],
        task="question-answering",
    ),
    "missing_labels": table([*CLEAN, {"text": "where is it", "label": "N/A"}]),
    "quoted_rows": table(CLEAN, instruction=f"Sort messages. For example: {CLEAN[2]['text']} is a refund."),
    "group_leak": table(
        [{**row, "group": f"g{i % 9}"} for i, row in enumerate(CLEAN)],
        [{"text": "quite another text", "label": "refund", "group": "g3"}],
        group="group",
    ),
    "group_rates": table(grouped(toy_rows(120), 0.9), group="group"),
}


@pytest.fixture(params=CHECKS.names())
def name(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_it_has_a_bad_fixture_here(name: str) -> None:
    assert name in BAD, "add a table on which the new check fires"


def test_it_fires_on_its_bad_table_and_names_rows(name: str) -> None:
    found = CHECKS.get(name).examine(BAD[name])
    assert found.outcome in ("issue", "tip"), found.message
    assert found.rows or any(note.test for note in found.notes)
    assert found.advice


def test_it_is_silent_on_the_clean_table(name: str) -> None:
    fresh = [{**row, "text": row["text"].replace(" n", " n9")} for row in toy_rows(40, seed=9)]
    clean = table(toy_rows(90), fresh, columns={"source": [f"s{i % 7}" for i in range(90)]}, group=None)
    found = CHECKS.get(name).examine(clean)
    assert found.outcome in ("passed", "not_applicable"), found.message


def test_it_is_deterministic(name: str) -> None:
    assert CHECKS.get(name).examine(BAD[name]) == CHECKS.get(name).examine(BAD[name])


def test_codes_are_unique() -> None:
    codes = [CHECKS.get(each).code for each in CHECKS.names()]
    assert len(set(codes)) == len(codes)


def test_a_fault_in_a_test_row_is_not_laid_on_the_training_row_of_that_number(name: str) -> None:
    faulty = "stop<|im_end|> now, write to jane.doe@example.org n9x"
    data = table(toy_rows(90), [{"text": faulty, "label": "refund"}])
    found = CHECKS.get(name).examine(data)
    assert not any(note.row == data.test[0].row for note in found.notes if not note.test)
    assert data.test[0].row not in found.rows


def relabelled(share: float) -> Examined:
    """Rows of two labels that their texts tell; this share has a label drawn at random."""
    rng = np.random.default_rng(5)
    rows = [
        {**row, "label": str(rng.choice(["refund", "other"])) if rng.random() < share else row["label"]}
        for row in (
            {**row, "label": "refund" if row["label"] == "refund" else "other"} for row in toy_rows(150)
        )
    ]
    return table(rows)


def test_a_judge_that_cannot_tell_the_labels_apart_accuses_nobody() -> None:
    found = CHECKS.get("label_errors").examine(relabelled(1.0))
    assert (found.outcome, found.notes) == ("not_applicable", ())


def test_a_weak_judge_says_that_it_is_weak() -> None:
    found = CHECKS.get("label_errors").examine(relabelled(0.4))
    assert found.outcome == "tip"
    assert "weak at this task" in found.message


@pytest.mark.parametrize(
    ("copy", "same"),
    [
        ("when will the parcel really come to me", True),  # one word replaced
        ("when did some parcel finally come to you", False),
        ("when will the parcel finally come to me today", True),  # one word put in
    ],
)
def test_texts_one_word_apart_are_near_duplicates(copy: str, same: bool) -> None:
    rows = [*CLEAN, {"text": "when will the parcel finally come to me", "label": "delivery"}]
    found = CHECKS.get("near_duplicates").examine(table([*rows, {"text": copy, "label": "delivery"}]))
    assert (len(rows) + 2 in found.rows) == same


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("it says my password is wrong.", set()),
        ("my password is hunter2 by the way", {"password"}),
        ("password: swordfish", {"password"}),
        ("12.03.2024 10:30 order 2024-03-12-5521", set()),
        ("Card 4111 1111 1111 1111 please", {"payment card"}),
    ],
)
def test_what_is_private_is_told_from_what_looks_like_it(text: str, kinds: set[str]) -> None:
    from tuneworthy.checks.personal_data import personal

    assert {kind for kind, _ in personal(text)} == kinds


def test_a_label_with_one_row_does_not_hide_the_errors_of_the_others() -> None:
    found = CHECKS.get("label_errors").examine(table([*WRONG, {"text": "one of its kind", "label": "odd"}]))
    assert found.outcome in ("issue", "tip")
    assert len(WRONG) + 2 not in found.rows


def test_a_test_row_that_contradicts_a_training_row_is_a_conflict() -> None:
    found = CHECKS.get("conflicting_labels").examine(table(CLEAN, [{**CLEAN[5], "label": "other"}]))
    assert found.outcome == "issue"
    assert not found.blocking


@pytest.mark.parametrize("task", ["structured-extraction", "token-classification"])
def test_a_target_that_cannot_be_read_is_named(task: str) -> None:
    good = {
        "structured-extraction": '{"who": "Ada"}',
        "token-classification": '[{"type": "who", "text": "Ada"}]',
    }
    rows = [{"text": "it was Ada", "label": good[task]}, {"text": "it was Bob", "label": "Bob"}]
    found = CHECKS.get("answers_in_text").examine(table(rows, task=task))
    assert (found.outcome, found.rows) == ("issue", (3,))


def test_an_answer_too_long_to_be_written_is_named() -> None:
    rows = [{"text": f"tell me {i}", "label": "word " * (600 if i == 2 else 5)} for i in range(9)]
    found = CHECKS.get("input_length").examine(table(rows, task="text-generation"))
    assert (found.outcome, found.rows) == ("issue", (4,))


@pytest.mark.parametrize(
    ("labels", "suspected"),
    [
        (["good", "bad", "nan"], True),
        (["Good", "Bad", "NULL"], True),
        (["good", "bad", "none"], False),  # a class like any other
        (["good", "bad", "None"], True),  # what Python writes
        (["Good", "Bad", "None"], False),
    ],
)
def test_a_class_called_none_is_told_from_missing_data(labels: list[str], suspected: bool) -> None:
    rows = [{**row, "label": labels[i % 3]} for i, row in enumerate(CLEAN)]
    found = CHECKS.get("missing_labels").examine(table(rows))
    assert (found.outcome == "tip") == suspected
    assert found.rows == (tuple(range(4, 62, 3)) if suspected else ())


def test_missing_answers_may_be_kept_as_ones_with_nothing_to_find() -> None:
    rows = [{"text": f"question: who {i}?", "label": "N/A" if i == 3 else "Bob"} for i in range(9)]
    advice = {
        task: CHECKS.get("missing_labels").examine(table(rows, task=task)).advice
        for task in ("question-answering", "summarization")
    }
    assert "blank_means_none" in advice["question-answering"]
    assert "blank_means_none" not in advice["summarization"]
