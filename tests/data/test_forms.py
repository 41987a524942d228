"""Tables in the forms that tasks have: columns found, rows read, blank and unreadable ones accounted for."""

import json
from pathlib import Path
from typing import Any

import pytest

from toy import toy_rows, write_csv
from tuneworthy import pipeline
from tuneworthy.core.errors import DataError, JobError
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.data.columns import Columns, choose_columns
from tuneworthy.data.loading import Loaded, load
from tuneworthy.data.nested import nested
from tuneworthy.data.table import table_from_frame
from tuneworthy.tasks import TASKS, form_of

Rows = list[dict[str, Any]]
WORDS = [row["text"] for row in toy_rows(20)]
CHATS: Rows = [
    {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": f"re {text}"}]}
    for text in WORDS
]


def loaded(task: str, rows: Rows, **spec: Any) -> Loaded:
    job = Job(data=DataSpec(path="rows", **spec), task=task)
    return load(job, table_from_frame(rows), form_of(TASKS.get(task)))


def chosen(task: str, *names: str, input: tuple[str, ...] = (), target: str | None = None) -> Columns:
    rows = [{name: f"{name} says {text}" for name in names} for text in WORDS]
    return choose_columns(table_from_frame(rows), input, target, None, form_of(TASKS.get(task)))


# --- columns that belong together ---


@pytest.mark.parametrize(
    ("task", "names", "input", "target"),
    [
        ("text-generation", ["id", "prompt", "completion"], ("prompt",), "completion"),
        ("text-generation", ["instruction", "input", "output"], ("instruction", "input"), "output"),
        ("text-generation", ["Instruction", "Output"], ("Instruction",), "Output"),
        (
            "question-answering",
            ["title", "context", "question", "answers"],
            ("question", "context"),
            "answers",
        ),
        ("token-classification", ["id", "tokens", "pos_tags", "ner_tags"], ("tokens",), "ner_tags"),
        ("token-classification", ["text", "spans", "meta"], ("text",), "spans"),
        ("token-classification", ["text", "label"], ("text",), "label"),
        ("summarization", ["article", "highlights", "id"], ("article",), "highlights"),
    ],
)
def test_well_known_columns_are_found(
    task: str, names: list[str], input: tuple[str, ...], target: str
) -> None:
    assert chosen(task, *names) == Columns(input, target)


def test_a_named_column_settles_which_layout_is_meant() -> None:
    names = ("prompt", "completion", "response")
    with pytest.raises(JobError, match="does not make clear"):
        chosen("text-generation", *names)
    assert chosen("text-generation", *names, target="response") == Columns(("prompt",), "response")
    assert chosen("text-generation", *names, target="response").explanation.endswith(
        "(one as you said, the other obvious)."
    )


def test_layouts_of_a_task_are_none_of_another() -> None:
    with pytest.raises(JobError, match="does not make clear"):
        chosen("text-classification", "prompt", "completion")


# --- chats ---


@pytest.mark.parametrize("extra", [{}, {"prompt": "the first turn", "id": "x"}])
def test_a_column_of_chats_is_input_and_answer(extra: dict[str, str]) -> None:
    data = loaded("text-generation", [{**row, **extra} for row in CHATS])
    assert data.columns == Columns(("messages",), None)
    assert data.columns.explanation == (
        "Text and answer are in column 'messages': its last turn is the answer (the obvious choice)."
    )
    assert data.dataset.examples[0].input == f"[user] {WORDS[0]}"
    assert data.dataset.examples[0].target == f"re {WORDS[0]}"


def test_two_columns_of_chats_are_asked_about() -> None:
    rows = [{"chosen": row["messages"], "rejected": row["messages"]} for row in CHATS]
    with pytest.raises(JobError, match="does not make clear"):
        loaded("text-generation", rows)
    assert loaded("text-generation", rows, input=("chosen",)).columns == Columns(("chosen",), None)


def test_chats_that_nobody_answers_are_left_out_and_counted() -> None:
    rows = [{"messages": row["messages"][: 1 if i in (2, 5) else 2]} for i, row in enumerate(CHATS)]
    rows[7] = {"messages": [{"role": "assistant", "content": "first"}]}
    data = loaded("text-generation", rows)
    assert [row.row for row in data.dataset.examples if row.row in (3, 6, 8)] == []
    assert data.notes == (
        "1 of 20 rows was left out because the text (messages) is blank: row 8.",
        "2 of 20 rows were left out because the last turn is not the assistant's: rows 3 and 6.",
    )


def test_chats_of_which_none_is_answered_are_an_error() -> None:
    rows = [{"messages": row["messages"][:1]} for row in CHATS]
    with pytest.raises(DataError, match=r"the last turn is not the assistant's \(20 rows\); name the column"):
        loaded("text-generation", rows)


def test_a_row_that_cannot_be_read_is_named() -> None:
    rows: Rows = [{"tokens": ["a", "b"], "ner_tags": ["O", "B-x"]} for _ in range(5)]
    rows[3]["ner_tags"] = ["O"]
    with pytest.raises(DataError, match=r"^the table, row 4: 2 tokens and 1 tags"):
        loaded("token-classification", rows)


def test_rows_with_a_loose_tag_are_noted() -> None:
    rows: Rows = [{"tokens": ["a", "b"], "ner_tags": ["O", f"{'I' if i == 1 else 'B'}-x"]} for i in range(5)]
    data = loaded("token-classification", rows)
    assert data.notes == (
        "An entity that begins with I- or E- in place of B- was read as a beginning, as CoNLL's script "
        "does, in 1 of 5 rows: row 2.",
    )


# --- nothing to find ---

HALF = [{"question": f"who {i}?", "answer": "" if i % 2 else f"me {i}"} for i in range(20)]


def test_a_blank_target_is_left_out_unless_it_means_that_there_is_nothing_to_find() -> None:
    assert len(loaded("question-answering", HALF).dataset) == 10
    kept = loaded("question-answering", HALF, blank_means_none=True)
    assert [row.target for row in kept.dataset.examples[:2]] == ["me 0", "[]"]
    assert kept.notes == ()


@pytest.mark.parametrize(
    ("task", "answer"),
    [("question-answering", "no answer"), ("token-classification", "none"), ("multi-label", "none")],
)
def test_nothing_to_find_is_written_in_the_tasks_words(task: str, answer: str) -> None:
    assert TASKS.get(task).format(form_of(TASKS.get(task)).nothing or "") == answer


def test_a_task_that_always_has_an_answer_refuses_blank_ones() -> None:
    with pytest.raises(JobError, match="summarization is none"):
        loaded("summarization", HALF, blank_means_none=True)


# --- labels such as 1.0 ---


def with_labels(path: Path, labels: list[str]) -> Path:
    return write_csv(path, [{**row, "label": labels[i % len(labels)]} for i, row in enumerate(toy_rows(20))])


def labels_of(data: Loaded) -> set[str | None]:
    return {row.target for row in data.dataset.examples}


def test_whole_numbers_that_pandas_wrote_as_floats_are_read_as_whole(tmp_path: Path) -> None:
    path = with_labels(tmp_path / "t.csv", ["1.0", "2.0", "", "-3.0"])
    data = load(Job(data=DataSpec(path=str(path), target="label")))
    assert labels_of(data) == {"1", "2", "-3"}
    assert data.notes[0] == "The labels (label) are whole numbers written as 1.0, and were read as 1."


@pytest.mark.parametrize("labels", [["1", "2"], ["1.0", "1.5"], ["1.0", "good"], ["v1.0", "v2.0"]])
def test_other_labels_stay_as_they_are(labels: list[str], tmp_path: Path) -> None:
    path = with_labels(tmp_path / "t.csv", labels)
    data = load(Job(data=DataSpec(path=str(path), target="label")))
    assert labels_of(data) == set(labels)
    assert data.notes == ()


@pytest.mark.parametrize(("held", "wanted"), [("1", {"1", "2"}), ("1.5", {"1.0", "2.0"})])
def test_table_and_test_file_are_read_alike(held: str, wanted: set[str], tmp_path: Path) -> None:
    path, test = with_labels(tmp_path / "t.csv", ["1.0", "2.0"]), with_labels(tmp_path / "h.csv", [held, "2"])
    data = load(Job(data=DataSpec(path=str(path), test=str(test), target="label", input=("text",))))
    assert labels_of(data) == wanted


@pytest.mark.parametrize("accept", [(), ("TW005",)])
def test_a_test_file_of_which_no_row_can_be_scored_is_refused_and_not_replaced_by_other_rows(
    accept: tuple[str, ...], tmp_path: Path
) -> None:
    rows = [{**row, "label": row["label"].upper(), "text": f"{row['text']} again"} for row in toy_rows(30)]
    spec = DataSpec(
        path=str(write_csv(tmp_path / "t.csv", toy_rows(30))),
        test=str(write_csv(tmp_path / "h.csv", rows)),
    )
    with pytest.raises(DataError, match=r"^no row of h\.csv has a label that t\.csv can teach"):
        pipeline.run(Job(data=spec, accept=accept), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_open_targets_keep_their_fractions() -> None:
    rows = [{"question": f"how much is {i}?", "answer": "1.0"} for i in range(20)]
    assert labels_of(loaded("question-answering", rows)) == {"1.0"}


@pytest.mark.parametrize("cell", ["[0] see there", "[]x", "{not json}", "[1, 2", '["a" + "b"]', "[a]"])
def test_a_text_in_brackets_is_a_text(cell: str) -> None:
    assert nested(cell) is None


def test_a_form_is_kept_when_the_cells_are_written_as_json_in_csv(tmp_path: Path) -> None:
    rows = [{"messages": json.dumps(row["messages"])} for row in CHATS]
    path = write_csv(tmp_path / "chats.csv", rows)
    job = Job(data=DataSpec(path=str(path)), task="text-generation")
    data = load(job, None, form_of(TASKS.get("text-generation")))
    assert data.dataset.examples[0].target == f"re {WORDS[0]}"


# --- columns found by what their cells hold ---

RECORDS = [json.dumps({"item": word, "count": 2}) for word in "abcdefghijklmnopqrst"]
PRINTED = [str(json.loads(record)) for record in RECORDS]
TAGS = [["B-item", "O"] if i % 2 else ["O", "O"] for i in range(20)]
PRICES = [f"{i * 7 % 13}.5" for i in range(20)]


def table_of(**columns: Any) -> Rows:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize(
    ("task", "rows", "input", "target"),
    [
        ("regression", table_of(key=range(20), review=WORDS, price=PRICES), "review", "price"),
        ("regression", table_of(user_id=PRICES, review=WORDS, price=PRICES), "review", "price"),
        ("regression", table_of(review=WORDS, age=PRICES, score=PRICES), "review", "score"),
        ("structured-extraction", table_of(mail=WORDS, found=RECORDS), "mail", "found"),
        ("structured-extraction", table_of(mail=WORDS, found=PRINTED), "mail", "found"),
        ("token-classification", table_of(no=range(20), said=[["a", "b"]] * 20, bio=TAGS), "said", "bio"),
        ("token-classification", table_of(said=["a b"] * 20, text=WORDS, bio=TAGS), "text", "bio"),
    ],
)
def test_a_target_is_found_by_its_cells(task: str, rows: Rows, input: str, target: str) -> None:
    columns = choose_columns(table_from_frame(rows), (), None, None, form_of(TASKS.get(task)))
    assert columns == Columns((input,), target)


@pytest.mark.parametrize(
    ("task", "rows", "asked"),
    [
        ("regression", table_of(review=WORDS, width=PRICES, height=PRICES), "the number.*--target height$"),
        ("regression", table_of(review=WORDS, kind=["a", "b"] * 10), "which column is the number"),
        ("structured-extraction", table_of(a=WORDS, b=RECORDS, c=RECORDS), "which column is the record"),
    ],
)
def test_two_columns_or_none_that_may_be_the_target_are_asked_about(
    task: str, rows: Rows, asked: str
) -> None:
    with pytest.raises(JobError, match=f"(?s){asked}"):
        choose_columns(table_from_frame(rows), (), None, None, form_of(TASKS.get(task)))


@pytest.mark.parametrize(
    ("task", "bad", "said"),
    [
        ("regression", "12 EUR", "row 20: the target '99 XXX' is no number such as 3.5"),
        ("regression", "inf", "row 20: the target 'xxx' is no number"),
        ("structured-extraction", "[1]", r"row 20: the target '\[9\]' is no JSON object"),
    ],
)
def test_a_target_of_another_kind_is_named_with_its_row(task: str, bad: str, said: str) -> None:
    good = PRICES if task == "regression" else RECORDS
    rows = table_of(text=WORDS, found=[*good[:-1], bad])
    with pytest.raises(DataError, match=said):
        loaded(task, rows, input=("text",), target="found")


def test_a_record_that_python_printed_is_read_as_json() -> None:
    rows = table_of(text=WORDS, found=PRINTED)
    found = loaded("structured-extraction", rows, input=("text",), target="found")
    assert found.dataset.examples[0].target == '{"count": 2, "item": "a"}'
