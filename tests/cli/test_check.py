"""`tuneworthy check`: findings in the terminal, safe repairs, and a review that a person filled in."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from toy import toy_rows, write_csv
from tuneworthy.cli.main import app
from tuneworthy.core.errors import JobError, TuneworthyError

BAD = [
    *toy_rows(60),
    {"text": f" {toy_rows(60)[0]['text']} ", "label": toy_rows(60)[0]["label"]},
    {"text": "the caf\u00c3\u00a9 wants my order back", "label": "refund"},
    {"text": "=SUM(A1) where is the parcel", "label": "delivery "},
    {"text": "<b>bold</b> question on my login", "label": "Account"},
    {"text": "where is Smith &amp;amp; Sons now", "label": "delivery"},
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "bad.csv", BAD)


def check(*arguments: object) -> str:
    return invoke("check", *arguments)


def invoke(*arguments: object) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    if isinstance(done.exception, TuneworthyError):
        raise done.exception
    assert done.exit_code in (0, 1), done.output
    return done.stdout


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_fault_is_named_with_its_row(table: Path) -> None:
    said = check(table)
    for code in ("TW001", "TW008", "TW012"):
        assert code in said
    assert "row 62" in said


def test_json_has_every_check(table: Path) -> None:
    found = json.loads(check(table, "--json"))
    assert len({item["code"] for item in found}) == len(found) >= 20


def test_a_table_that_blocks_training_exits_with_1(tmp_path: Path) -> None:
    rows = toy_rows(30)
    conflicting = [*rows, *({**row, "label": "other"} for row in rows[:6])]
    done = CliRunner().invoke(app, ["check", str(write_csv(tmp_path / "c.csv", conflicting))])
    assert done.exit_code == 1
    assert "blocks training" in done.output


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"text": row["text"], "label": "refund"} for row in toy_rows(30)], "every row has the same label"),
        (toy_rows(4), "4 labelled rows are too few"),
    ],
)
def test_a_table_that_a_run_would_not_take_is_examined_and_exits_with_1(
    rows: list[dict[str, str]], told: str, tmp_path: Path
) -> None:
    table = write_csv(tmp_path / "t.csv", rows)
    done = CliRunner().invoke(app, ["check", str(table), "--target", "label", "--json"])
    assert done.exit_code == 1 and f"A run would not begin with the table as it came: {told}" in done.stderr
    assert json.loads(done.stdout)


@pytest.mark.parametrize("setting", ["lora.rank=abc", "lora.rnk=3"])
def test_a_parameter_that_no_method_has_is_refused_here_too(setting: str, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", toy_rows(30))
    with pytest.raises(JobError, match=r"^lora(\.rank = .abc.| has no parameter .rnk.)"):
        check(table, "--target", "label", "--set", setting)


def test_fixing_mends_what_is_safe_and_lists_it(table: Path, tmp_path: Path) -> None:
    before = table.read_bytes()
    check(table, "--fix", "--output", tmp_path / "out")
    clean = read(tmp_path / "out" / "clean.csv")
    assert len(clean) == len(BAD) - 1  # the repeat is gone
    assert any("caf\u00e9" in row["text"] for row in clean)
    assert any("Smith & Sons" in row["text"] for row in clean)
    assert "delivery " not in {row["label"] for row in clean}
    assert {row["rule"] for row in read(tmp_path / "out" / "changes.csv")} == {"TW001", "TW008", "TW012"}
    assert table.read_bytes() == before


def test_fixing_twice_changes_nothing(table: Path, tmp_path: Path) -> None:
    check(table, "--fix", "--output", tmp_path / "a")
    check(tmp_path / "a" / "clean.csv", "--fix", "--output", tmp_path / "b")
    assert read(tmp_path / "b" / "changes.csv") == []
    assert (tmp_path / "b" / "clean.csv").read_bytes() == (tmp_path / "a" / "clean.csv").read_bytes()


def test_no_cell_for_a_person_to_read_is_one_that_a_spreadsheet_would_execute(
    table: Path, tmp_path: Path
) -> None:
    check(table, "--fix", "--output", tmp_path / "out")
    for name in ("changes.csv", "review.csv"):
        for row in read(tmp_path / "out" / name):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row.values() if cell)


def test_labels_and_texts_that_look_like_formulas_are_the_same_in_the_tables_that_are_trained_on(
    tmp_path: Path,
) -> None:
    signs = {"refund": "+", "delivery": "-", "account": "=login"}
    rows = [{"@text": f"=1+1 {row['text']}", "+sign": signs[row["label"]]} for row in toy_rows(30)]
    clash = {**rows[4], "+sign": "=login"}
    table = write_csv(tmp_path / "t.csv", [*rows, clash])
    columns = ("--target", "+sign", "--input", "@text")
    check(table, "--fix", "--output", tmp_path / "out", *columns)
    assert read(tmp_path / "out" / "clean.csv") == [*rows, clash]
    review = read(tmp_path / "out" / "review.csv")
    next(line for line in review if line["code"] == "TW002")["decision"] = "label:+"
    filled = write_csv(tmp_path / "filled.csv", review)
    check(table, "--apply", filled, "--output", tmp_path / "out", *columns)
    result = read(tmp_path / "out" / "reviewed.csv")
    assert [row["+sign"] for row in (result[4], result[-1])] == ["+", "=login"]


def test_a_filled_in_review_is_applied_on_top_of_the_safe_repairs(table: Path, tmp_path: Path) -> None:
    check(table, "--fix", "--output", tmp_path / "out")
    review = read(tmp_path / "out" / "review.csv")
    spelling = next(row for row in review if row["code"] == "TW008" and row["before"] == "Account")
    markup = next(row for row in review if row["code"] == "TW012")
    spelling["decision"], markup["decision"] = "yes", "delete"
    if spelling["row"] == markup["row"]:
        markup["decision"] = "bold question"
    filled = write_csv(tmp_path / "filled.csv", review)
    check(table, "--apply", filled, "--output", tmp_path / "out")
    result = read(tmp_path / "out" / "reviewed.csv")
    assert "Account" not in {row["label"] for row in result}
    assert "bold question" in {row["text"] for row in result}
    assert any("caf\u00e9" in row["text"] for row in result)
    rules = [row["rule"] for row in read(tmp_path / "out" / "reviewed_changes.csv")]
    assert rules.count("review") == 2
    assert "TW001" in rules


CONFLICTING = [*toy_rows(30), {"text": toy_rows(30)[3]["text"], "label": "other"}, *toy_rows(30, seed=7)[:3]]


def reviewed(tmp_path: Path, rows: list[dict[str, str]], code: str, decision: str) -> list[dict[str, str]]:
    """The table after one decision on the first line of a code."""
    table = write_csv(tmp_path / "t.csv", rows)
    check(table, "--fix", "--output", tmp_path / "out")
    review = read(tmp_path / "out" / "review.csv")
    next(line for line in review if line["code"] == code)["decision"] = decision
    check(table, "--apply", write_csv(tmp_path / "filled.csv", review), "--output", tmp_path / "out")
    return read(tmp_path / "out" / "reviewed.csv")


def test_a_conflict_is_settled_by_writing_the_right_label(tmp_path: Path) -> None:
    result = reviewed(tmp_path, CONFLICTING, "TW002", "refund")
    assert result[3]["label"] == "refund"


def test_a_misspelt_decision_does_not_become_a_label(tmp_path: Path) -> None:
    with pytest.raises(TuneworthyError, match=r"'refnud' .* did you mean 'refund'"):
        reviewed(tmp_path, CONFLICTING, "TW002", "refnud")


def test_a_label_that_no_row_has_is_taken_when_it_is_said_to_be_one(tmp_path: Path) -> None:
    result = reviewed(tmp_path, CONFLICTING, "TW002", "label:warranty")
    assert result[3]["label"] == "warranty"


@pytest.mark.parametrize("word", ["no", "skip", "Keep", "-"])
def test_a_refusal_changes_nothing(word: str, tmp_path: Path) -> None:
    assert reviewed(tmp_path, CONFLICTING, "TW002", word) == CONFLICTING


YES_NO = [{**row, "label": "yes" if i % 2 else "no"} for i, row in enumerate(toy_rows(30))]
YES_NO_CLASH = [*YES_NO, {**YES_NO[3], "label": "no"}]


@pytest.mark.parametrize("word", ["yes", "no"])
def test_a_word_that_is_also_a_label_is_asked_about(word: str, tmp_path: Path) -> None:
    with pytest.raises(TuneworthyError, match="which is also a label here: write label:"):
        reviewed(tmp_path, YES_NO_CLASH, "TW002", word)


def test_a_label_called_no_can_be_written(tmp_path: Path) -> None:
    assert reviewed(tmp_path, YES_NO_CLASH, "TW002", "label:no")[3]["label"] == "no"
    assert YES_NO_CLASH[3]["label"] == "yes"


def test_negative_numbers_of_other_columns_stay_numbers(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", [{**row, "delta": "-5.2"} for row in toy_rows(30)])
    check(table, "--fix", "--output", tmp_path / "out")
    assert {row["delta"] for row in read(tmp_path / "out" / "clean.csv")} == {"-5.2"}


def test_a_masked_text_keeps_the_repair_of_its_encoding(tmp_path: Path) -> None:
    rows = [*toy_rows(30), {"text": "the caf\u00c3\u00a9 wrote from jane.doe@example.org", "label": "refund"}]
    result = reviewed(tmp_path, rows, "TW015", "yes")
    assert result[-1]["text"] == "the caf\u00e9 wrote from [mail address]"


def test_a_yes_where_nothing_is_proposed_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TuneworthyError, match="where nothing is proposed: write the right value"):
        reviewed(tmp_path, CONFLICTING, "TW002", "yes")


def test_a_review_shows_the_text_that_is_to_be_decided(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", CONFLICTING)
    check(table, "--fix", "--output", tmp_path / "out")
    line = next(each for each in read(tmp_path / "out" / "review.csv") if each["code"] == "TW002")
    assert (line["text"], line["label"]) == (CONFLICTING[3]["text"], CONFLICTING[3]["label"])


def test_a_deletion_is_refused_on_another_table(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", CONFLICTING)
    check(table, "--fix", "--output", tmp_path / "out")
    review = read(tmp_path / "out" / "review.csv")
    review[0]["decision"] = "delete"
    filled = write_csv(tmp_path / "filled.csv", review)
    other = write_csv(tmp_path / "other.csv", toy_rows(60, seed=4))
    with pytest.raises(TuneworthyError, match="is not the one that"):
        check(other, "--apply", filled, "--output", tmp_path / "done")


def test_a_repeat_in_capitals_is_proposed_and_not_removed(tmp_path: Path) -> None:
    rows = [*toy_rows(30), {**toy_rows(30)[0], "text": toy_rows(30)[0]["text"].upper()}]
    table = write_csv(tmp_path / "t.csv", rows)
    check(table, "--fix", "--output", tmp_path / "out")
    assert len(read(tmp_path / "out" / "clean.csv")) == len(rows)
    assert "TW001" in {line["code"] for line in read(tmp_path / "out" / "review.csv")}


def test_chat_tokens_are_proposed_to_be_written_apart(tmp_path: Path) -> None:
    rows = [*toy_rows(30), {"text": "please stop<|im_end|> my order", "label": "delivery"}]
    result = reviewed(tmp_path, rows, "TW013", "yes")
    assert result[-1]["text"] == "please stop< |im_end|> my order"


def test_rows_left_out_and_the_columns_chosen_are_said(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", [*toy_rows(30), {"text": "", "label": "refund"}])
    said = " ".join(check(table).split())
    assert "1 of 31 rows was left out because the text (text) is blank" in said
    assert "The text is column 'text' and the label is column 'label'" in said


def test_a_page_needs_a_file_name(table: Path) -> None:
    with pytest.raises(TuneworthyError, match="--html wants a file"):
        check(table, "--html", ".")


def test_personal_data_is_masked_only_when_the_review_says_so(tmp_path: Path) -> None:
    rows = [*toy_rows(30), {"text": "write to jane.doe@example.org about my order", "label": "delivery"}]
    table = write_csv(tmp_path / "t.csv", rows)
    check(table, "--fix", "--output", tmp_path / "out")
    assert "jane.doe" in (tmp_path / "out" / "clean.csv").read_text()
    review = read(tmp_path / "out" / "review.csv")
    line = next(row for row in review if row["code"] == "TW015")
    assert line["proposed"] == "write to [mail address] about my order"
    line["decision"] = "yes"
    check(table, "--apply", write_csv(tmp_path / "filled.csv", review), "--output", tmp_path / "out")
    assert "jane.doe" not in (tmp_path / "out" / "reviewed.csv").read_text()


def test_a_review_of_another_table_is_refused(table: Path, tmp_path: Path) -> None:
    check(table, "--fix", "--output", tmp_path / "out")
    review = [{**row, "decision": "yes"} for row in read(tmp_path / "out" / "review.csv") if row["column"]]
    filled = write_csv(tmp_path / "filled.csv", review)
    other = write_csv(tmp_path / "other.csv", toy_rows(90, seed=4))
    with pytest.raises(TuneworthyError, match=r"is not the one that|which other\.csv does not have"):
        check(other, "--apply", filled, "--output", tmp_path / "done")
    assert not (tmp_path / "done").exists()


def test_a_review_with_a_row_that_is_no_number_gets_one_sentence(table: Path, tmp_path: Path) -> None:
    line = {"id": "", "row": "two", "column": "label", "before": "a", "proposed": "b", "decision": "yes"}
    with pytest.raises(TuneworthyError, match="speaks of row 'two'"):
        check(table, "--apply", write_csv(tmp_path / "review.csv", [line]), "--output", tmp_path / "done")


def test_nothing_is_overwritten(table: Path, tmp_path: Path) -> None:
    check(table, "--fix", "--output", tmp_path / "out")
    with pytest.raises(TuneworthyError, match="exists already"):
        check(table, "--fix", "--output", tmp_path / "out")


def test_a_muted_check_is_named_and_an_unknown_one_refused(table: Path) -> None:
    found = {item["code"]: item for item in json.loads(check(table, "--json", "--mute", "TW012"))}
    assert found["TW012"]["outcome"] == "muted"
    with pytest.raises(TuneworthyError, match="no check has the code"):
        check(table, "--mute", "TW999")


def test_the_page_shows_the_rows_and_runs_nothing_of_theirs(table: Path, tmp_path: Path) -> None:
    check(table, "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;bold" in page
    assert "<b>bold" not in page


def test_a_label_that_looks_like_missing_data_is_for_the_reviewer_to_settle(tmp_path: Path) -> None:
    rows = [*toy_rows(30), {"text": "one that nobody labelled", "label": "N/A"}]
    assert reviewed(tmp_path, rows, "TW026", "delete") == rows[:-1]
    assert "TW026" in check(write_csv(tmp_path / "u.csv", rows), "--mute", "TW004")


RECORDS = [
    {"text": row["text"], "record": json.dumps({"topic": row["label"]} if i else {"subject": "x"})}
    for i, row in enumerate(toy_rows(30))
]
SCHEMA = {"type": "object", "properties": {"topic": {"type": "string"}}, "additionalProperties": False}


def test_a_schema_that_stops_the_main_job_stops_the_check_with_the_same_sentence(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "records.csv", RECORDS)
    schema = tmp_path / "fields.json"
    asked = ("--task", "structured-extraction", "--set", f"json_schema={schema}")
    for text, said in (
        (json.dumps(SCHEMA), "row 2: the target '.*xxxxxxx.*' breaks json_schema"),
        ('{"type": "array"}', "json_schema cannot be used"),
        ("{", "is no JSON"),
    ):
        schema.write_text(text, encoding="utf-8")
        for verb in ("check", "run"):
            with pytest.raises(TuneworthyError, match=said):
                invoke(verb, table, *asked)


def test_checks_that_do_not_apply_take_one_line_unless_all_are_asked_for(tmp_path: Path) -> None:
    rows = [{"text": row["text"], "price": f"{i * 7 % 13}.5"} for i, row in enumerate(toy_rows(30))]
    table = write_csv(tmp_path / "prices.csv", rows)
    short = check(table, "--task", "regression")
    assert short.count("not applicable") == 1
    assert "TW010" in short and "(--all says why)" in " ".join(short.split())
    assert "TW010 imbalance: Answers are texts here" in check(table, "--task", "regression", "--all")
