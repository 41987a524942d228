"""Job files: YAML 1.2 in, a validated job out, and sentences with line numbers for everything else."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field
from ruamel.yaml import YAML

from tuneworthy.core.errors import JobError, NotFoundError
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.data.columns import Columns
from tuneworthy.data.jobfile import (
    apply_overrides,
    dump_job,
    job_from_tree,
    job_schema,
    load_job,
    starter_job,
)

METHODS = ["majority", "tfidf", "lora"]
Load = Callable[..., Job]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes a job file and loads it."""

    def from_text(text: str, *overrides: str) -> Job:
        path = tmp_path / "job.yaml"
        path.write_text(text, encoding="utf-8")
        return load_job(path, overrides, METHODS)

    return from_text


def error_of(load: Load, text: str, *overrides: str) -> str:
    with pytest.raises(JobError) as caught:
        load(text, *overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


DATA = "data: {path: t.csv}\n"

# --- what a file says ---


def test_one_line_is_a_job(load: Load, tmp_path: Path) -> None:
    assert load(DATA) == Job(data=DataSpec(path=str(tmp_path / "t.csv")))


def test_a_method_section_becomes_its_parameters(load: Load) -> None:
    job = load(DATA + "lora: {rank: 8, modules: [q, v]}\ntfidf:\n  # nothing yet\n")
    assert job.methods == {"lora": {"rank": 8, "modules": ["q", "v"]}, "tfidf": {}}


def test_nested_sections_are_read(load: Load) -> None:
    job = load("data:\n  path: t.csv\n  input: [a, b]\n  target: c\nverdict:\n  target_score: 0.9\n")
    assert job.data.input == ("a", "b")
    assert job.verdict.target_score == 0.9


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("off", "off"),
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("-2e-4", -2e-4),
        ("017", 17),
        ("2024-01-31", "2024-01-31"),
        ("12:30", "12:30"),
        ("=", "="),
        ("true", True),
        ("null", None),
    ],
)
def test_values_mean_what_yaml_1_2_says(load: Load, written: str, meant: object) -> None:
    from_file = load(DATA + f"lora: {{x: {written}}}\n").methods["lora"]["x"]
    from_option = load(DATA, f"lora.x={written}").methods["lora"]["x"]
    assert (from_file, type(from_file)) == (from_option, type(from_option)) == (meant, type(meant))


def test_a_section_of_comments_only_is_the_default(load: Load) -> None:
    assert load(DATA + "verdict:\n  # target_score: 0.9\n") == load(DATA)


def test_relative_paths_start_at_the_job_files_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "job.yaml").write_text("data: {path: ../t.csv, test: test.csv}\n")
    monkeypatch.chdir(tmp_path)
    data = load_job(Path("jobs/job.yaml"), (), METHODS).data
    assert (data.path, data.test) == (str(tmp_path / "t.csv"), str(tmp_path / "jobs" / "test.csv"))


def test_absolute_paths_and_addresses_stay(load: Load) -> None:
    assert load("data: {path: /x/t.csv}\n").data.path == "/x/t.csv"
    assert load("data: {path: 'hf://datasets/x'}\n").data.path == "hf://datasets/x"


def test_a_byte_order_mark_is_fine(load: Load) -> None:
    assert load("\ufeff" + DATA) == load(DATA)


# --- mistakes ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DATA + "fold: 3", "job.yaml, line 2: unknown key 'fold': did you mean 'folds'?"),
        (DATA + "\nlorra:\n  rank: 8", "job.yaml, line 3: unknown key 'lorra': did you mean 'lora'?"),
        ("data:\n  path: t.csv\n  inptu: [a]", "line 3: unknown key 'data.inptu': did you mean 'input'?"),
        (DATA + "verdict:\n  alhpa: 1", "line 3: unknown key 'verdict.alhpa': did you mean 'alpha'?"),
        (
            DATA + "target_score: 1",
            "line 2: unknown key 'target_score': it belongs in the section 'verdict'.",
        ),
        ("data:\n  path: t\n  folds: 3", "unknown key 'data.folds': it belongs at the top level"),
        (DATA + "methods: {lora: {}}", "line 2: there is no section 'methods'"),
        (DATA + "7: 3", "line 2: unknown key '7'"),
    ],
)
def test_an_unknown_key_names_its_line_and_the_nearest_key(load: Load, text: str, message: str) -> None:
    assert message in error_of(load, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("folds: ten", "job.yaml, line 2: folds should be a whole number, got 'ten'."),
        ("folds: 2.5", "folds should be a whole number, got 2.5."),
        ("folds: 1", "folds should be at least 2, got 1."),
        ("test_fraction: 1", "test_fraction should be at most 0.9, got 1."),
        ("resamples: many", "resamples should be a whole number, got 'many'."),
        ("task: 5", "task should be a text (in quotes if it looks like a number), got 5."),
        ("train_anyway: maybe", "train_anyway should be true or false, got 'maybe'."),
        ("arms: lora", "arms should be a list such as [a, b], got 'lora'; write arms: [lora]."),
        ("arms: [lora, 3]", "arms[1] should be a text (in quotes if it looks like a number), got 3."),
        ("protocol: hold", "protocol should be 'auto', 'holdout' or 'crossfit', got 'hold'."),
        ("seed:", "seed should be a whole number, got nothing; leave the key out for its default."),
        ("verdict: 3", "verdict should be a section of keys, indented below it, got 3."),
        ("verdict:\n  alpha: x", "line 3: verdict.alpha should be a number, got 'x'."),
        ("lora: 8", "line 2: lora should be a section of parameters, got 8"),
        ("lora: {8: 1}", "the key 8 of lora should be a name"),
        ("lora: {x: !!set {a}}", "lora may hold texts, numbers, lists and sections only."),
    ],
)
def test_a_wrong_type_gets_one_plain_sentence_with_its_line(load: Load, text: str, message: str) -> None:
    assert message in error_of(load, DATA + text)


def test_a_bare_data_path_is_told_how_to_be_written(load: Load) -> None:
    assert error_of(load, "data: t.csv").endswith("got 't.csv'; write data: {path: t.csv}.")


@pytest.mark.parametrize("text", ["folds: 3", "data:", "data: {target: x}"])
def test_a_job_without_data_is_told_what_to_add(load: Load, text: str) -> None:
    assert "data.path is missing; add 'data: {path: train.csv}'" in error_of(load, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: {path: t.csv}\nfolds: 3\nfolds: 4", "line 3: the key 'folds' occurs twice, first on line 2"),
        ("lora:\n  a: 1\n  b: 2\n  a: 3", "line 4: the key 'a' occurs twice, first on line 2"),
    ],
)
def test_a_repeated_key_names_both_lines(load: Load, text: str, message: str) -> None:
    assert message in error_of(load, text)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (DATA + "instruction: Say: yes", 2, "a ': ' where YAML expects none"),
        ("data:\n\tpath: t.csv", 2, "a tab where YAML wants spaces"),
        (DATA + "instruction: 'never closed\nfolds: 3\n", 2, "while scanning a quoted scalar"),
        (DATA + "arms: [lora\nfolds: 3\n", 3, "expected ',' or ']'"),
        (DATA + "seed: 1\x01", 2, "U+0001"),
        (DATA + "task: *nowhere", 2, "undefined alias"),
        (DATA + "---\nfolds: 3", 2, "document"),
    ],
)
def test_broken_yaml_names_its_line(load: Load, text: str, line: int, what: str) -> None:
    message = error_of(load, text)
    assert f"job.yaml, line {line}: " in message and what in message


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_job_points_to_init(load: Load, text: str) -> None:
    assert "job.yaml is empty; `tuneworthy init" in error_of(load, text)


def test_a_list_is_no_job(load: Load) -> None:
    assert "holds a list instead of keys" in error_of(load, "- a\n- b\n")


def test_a_value_that_contains_itself_is_no_crash(load: Load) -> None:
    assert "repeat one another too often" in error_of(load, DATA + "lora: &x {rank: *x}")


def test_bytes_that_are_no_utf_8_name_their_line(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_bytes(b"data: {path: t.csv}\ninstruction: caf\xe9\n")
    with pytest.raises(JobError, match=r"job\.yaml, line 2: not UTF-8"):
        load_job(tmp_path / "job.yaml", (), METHODS)


def test_a_missing_job_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(DATA)
    with pytest.raises(NotFoundError, match=r"did you mean job\.yaml\?"):
        load_job(tmp_path / "jobs.yaml", (), METHODS)


def test_a_folder_is_no_job(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="is a folder"):
        load_job(tmp_path, (), METHODS)


# --- overrides ---


def test_overrides_reach_every_depth_and_leave_the_tree_alone() -> None:
    tree: dict[str, Any] = {"folds": 5, "lora": {"rank": 8}}
    changed = apply_overrides(
        tree, ["lora.learning_rate=2e-4", "folds=10", "arms=[tfidf,lora]", "verdict.target_score=0.9"]
    )
    assert changed == {
        "folds": 10,
        "lora": {"rank": 8, "learning_rate": 2e-4},
        "arms": ["tfidf", "lora"],
        "verdict": {"target_score": 0.9},
    }
    assert tree == {"folds": 5, "lora": {"rank": 8}}


def test_the_last_override_wins() -> None:
    assert apply_overrides({}, ["folds=3", "folds=4"]) == {"folds": 4}


def test_an_override_keeps_everything_after_the_first_equals_sign() -> None:
    assert apply_overrides({}, ["instruction=a=b"]) == {"instruction": "a=b"}


def test_an_empty_override_is_null(load: Load) -> None:
    assert load("data: {path: t.csv, target: x}\n", "data.target=").data.target is None


@pytest.mark.parametrize("override", ["folds", "=3", ".a=3", "a..b=3", ""])
def test_an_override_without_key_or_value_shows_an_example(override: str) -> None:
    with pytest.raises(JobError, match=r"such as --set lora\.learning_rate=2e-4"):
        apply_overrides({}, [override])


def test_an_override_through_a_value_is_refused() -> None:
    with pytest.raises(JobError, match="'folds' is 5, not a section"):
        apply_overrides({"folds": 5}, ["folds.x=1"])


def test_a_prompt_is_taken_as_it_is_typed() -> None:
    assert apply_overrides({}, ["prompt={{ input }}: {{ labels }}"]) == {
        "prompt": "{{ input }}: {{ labels }}"
    }
    assert apply_overrides({}, ["prompt='Text: {{ input }}'"]) == {"prompt": "Text: {{ input }}"}


def test_an_override_that_is_no_yaml_names_the_option() -> None:
    with pytest.raises(JobError, match=r"--set arms=\[a: not YAML"):
        apply_overrides({}, ["arms=[a"])


def test_a_wrong_override_is_blamed_on_the_option_not_on_the_file(load: Load) -> None:
    assert error_of(load, DATA + "folds: 3", "folds=x").startswith("--set folds=x: folds should be")
    assert error_of(load, DATA, "fold=3").startswith("--set fold=3: unknown key 'fold'")
    assert error_of(load, DATA, "data={path: 5}").startswith("--set data={path: 5}: data.path should be")


def test_a_wrong_file_value_is_blamed_on_the_file_despite_other_overrides(load: Load) -> None:
    assert error_of(load, DATA + "folds: x", "seed=3").startswith("job.yaml, line 2")


# --- without a file ---


def test_a_tree_gives_the_job_that_its_file_would() -> None:
    job = job_from_tree({"data": {"path": "t.csv"}, "lora": {"rank": 8}}, METHODS)
    assert job == Job(data=DataSpec(path="t.csv"), methods={"lora": {"rank": 8}})


def test_a_wrong_tree_is_called_the_job() -> None:
    with pytest.raises(JobError, match=r"^the job: folds should be a whole number"):
        job_from_tree({"data": {"path": "t.csv"}, "folds": "x"}, METHODS)


# --- writing ---


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "1e-4",
        "007",
        "a: b",
        "# x",
        "two\nlines\n",
        " x ",
        "",
        "null",
        "2024-01-31",
        "é😀",
        "\x85x",
        "\u2028",
        "x" * 300,
    ],
)
def test_a_dumped_job_loads_as_the_same_job(load: Load, text: str) -> None:
    job = job_from_tree(
        {
            "data": {"path": "/x/t.csv", "input": [text or "a"], "target": text},
            "instruction": text,
            "verdict": {"smallest_gain_worth_having": 1e-5},
            "lora": {"note": text, "learning_rate": 2e-7, "modules": [text, None, True]},
        },
        METHODS,
    )
    assert load(dump_job(job)) == job


def test_a_dumped_job_has_every_field() -> None:
    tree = YAML(typ="safe", pure=True).load(dump_job(Job(data=DataSpec(path="t.csv"), methods={"lora": {}})))
    assert set(tree) == {*Job.model_fields, "lora"} - {"methods"}


TASK = ("text-classification", ("majority", "tfidf", "lora"))


@pytest.mark.parametrize(
    "name", ["clause", "clause: type", "# x", "no", "null", "5", "é😀", 'say "x"', "a\tb", "\x85"]
)
def test_a_starter_job_loads_whatever_the_columns_are_called(load: Load, name: str, tmp_path: Path) -> None:
    text = starter_job("my data.csv", Columns((name, "other"), name + "!"), 500, ["a", "b\n# c"] * 9, *TASK)
    job = load(text)
    data = DataSpec(path=str(tmp_path / "my data.csv"), input=(name, "other"), target=name + "!")
    assert job == Job(data=data, task=TASK[0], arms=TASK[1])


def test_a_starter_job_still_loads_when_its_settings_are_uncommented(load: Load) -> None:
    text = starter_job("t.csv", Columns(("text",), "label"), 500, ["a", "b"], *TASK)
    for line in ("target_score: 0.9", "lora:", "  rank: 8", "  learning_rate: 2e-4"):
        assert f"# {line}" in text
        text = text.replace(f"# {line}", line)
    job = load(text)
    assert job.verdict.target_score == 0.9
    assert job.methods == {"lora": {"rank": 8, "learning_rate": 2e-4}}


def test_a_starter_job_of_an_error_suggests_no_share_of_right_answers(load: Load) -> None:
    text = starter_job("t.csv", Columns(("text",), "days"), 500, [], "regression", ("mean",), error=True)
    assert "0.9" not in text
    assert load(text.replace("# target_score", "target_score")).verdict.target_score == 0.5


def test_a_starter_job_is_short_and_says_what_it_saw() -> None:
    text = starter_job("t.csv", Columns(("text",), "label"), 1500, ["pos", "neg"], *TASK)
    assert "1,500 rows" in text and "2 labels: pos, neg" in text
    assert len(text.splitlines()) <= 40


# --- schema ---


class _Inner(BaseModel):
    size: int


class _Lora(BaseModel):
    rank: int = Field(8, description="size of the adapter")
    inner: _Inner | None = None


def test_the_schema_has_one_optional_section_per_method() -> None:
    schema = job_schema({"lora": _Lora.model_json_schema(), "tfidf": {"type": "object"}})
    assert "methods" not in schema["properties"]
    assert schema["properties"]["lora"]["properties"]["rank"]["description"] == "size of the adapter"
    assert schema["required"] == ["data"]
    assert schema["additionalProperties"] is False


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    schema = job_schema({"lora": _Lora.model_json_schema(), "full": _Lora.model_json_schema()})
    text = json.dumps(schema)
    references = {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}
    assert {"lora._Inner", "full._Inner", "DataSpec"} <= references
    assert references <= set(schema["$defs"])


# --- jobs that broke the reader once ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('data: {path: "a\\0b"}', "NUL"),
        ('data: {path: "\\uD800"}', "half a character"),
        (f"{DATA}seed: 0x{'f' * 5000}", "18 digits"),
        (f"{DATA}lora: {{rank: 0x{'f' * 5000}}}", "18 digits"),
        (f"{DATA}seed: !!int ''", "cannot be read"),
        (f"{DATA}tune: !!bool x", "cannot be read"),
        (f"{DATA}lora: {'[' * 300}{']' * 300}", "nested too deeply"),
        (f"{DATA}instruction: {'long ' * 30_000}", "files of their own"),
    ],
)
def test_what_no_job_could_mean_is_refused_in_a_sentence(load: Load, text: str, message: str) -> None:
    assert message in error_of(load, text)


@pytest.mark.parametrize("text", ["5", "[5]", "{a: b}"])
def test_files_that_are_no_names_are_the_methods_to_refuse(text: str, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(f"{DATA}adapt: {{text: {text}}}", encoding="utf-8")
    assert "text" in load_job(tmp_path / "job.yaml", (), [*METHODS, "adapt"]).methods["adapt"]


def test_aliases_that_would_be_written_out_without_end_are_refused_at_once(load: Load) -> None:
    lines = [f"  k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * 9)}]" for i in range(1, 20)]
    started = time.process_time()
    assert "too often" in error_of(load, DATA + "lora:\n  k0: &k0 [1]\n" + "\n".join(lines))
    assert time.process_time() - started < 2


def test_brackets_without_end_are_refused_at_once(load: Load) -> None:
    started = time.process_time()
    assert "nested too deeply" in error_of(load, DATA + "lora: " + "[" * 50_000)
    assert time.process_time() - started < 1


def test_an_alias_that_is_used_as_meant_is_fine(load: Load) -> None:
    job = load(DATA + "lora: {rank: &r 8}\ntfidf: {C: *r}")
    assert job.methods["tfidf"] == {"C": 8}


def test_a_path_of_links_in_a_circle_is_refused_by_whoever_opens_it(load: Load, tmp_path: Path) -> None:
    (tmp_path / "t.csv").symlink_to(tmp_path / "t.csv")
    assert load(DATA).data.path.endswith("t.csv")
