"""A base model that reads the user's unlabelled text before it is fine-tuned."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tuneworthy as tw
from tiny_models import save_masked
from toy import FILLER, toy_rows, write_csv
from tuneworthy.core.errors import JobError, RunFolderError
from tuneworthy.core.example import Example
from tuneworthy.core.job import Job
from tuneworthy.methods.probe import load_probe
from tuneworthy.models.embedder import load_embedder
from tuneworthy.unlabelled import alike, bring

READ = {"max_steps": 4, "batch": 4}


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    """An encoder that can fill gaps."""
    return save_masked(tmp_path / "masked")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Sixty documents of one line that are like no row."""
    return write_notes(tmp_path / "notes.txt", documents(60))


def documents(count: int) -> list[str]:
    rng = np.random.default_rng(1)
    return [
        " ".join(f"{word}{rng.integers(99)}" for word in rng.choice(FILLER, size=9)) for _ in range(count)
    ]


def write_notes(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def settings(quick: dict[str, Any], masked: Path, notes: Path, **adapt: Any) -> dict[str, Any]:
    return {
        **quick,
        "embedding_model": str(masked),
        "arms": ["majority", "encoder", "adapt"],
        "seeds": 1,
        "adapt": {"text": str(notes), **READ, **adapt},
    }


def units(run: tw.Run, purpose: str, method: str = "adapt") -> list[tuple[Path, dict[str, Any]]]:
    found = [(path, json.loads((path / "unit.json").read_text())) for path in (run.path / "units").iterdir()]
    return [(path, unit) for path, unit in found if (unit["purpose"], unit["method"]) == (purpose, method)]


def facts(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "metrics.json").read_text())["facts"])


@pytest.mark.parametrize("then", ["encoder", "probe", "lora"])
def test_a_fit_starts_from_the_model_that_has_read_the_text(
    toy_csv: Path, quick: dict[str, Any], masked: Path, notes: Path, then: str
) -> None:
    run = tw.run(toy_csv, **settings(quick, masked, notes, then=then))
    [(reading, _)] = units(run, "adapt")
    [(fit, described)] = units(run, "evaluate")
    assert facts(reading)["after"] < facts(reading)["before"]
    assert described["start"] == reading.name
    assert facts(fit)["unlabelled_text"] == facts(reading)["told"]
    assert (reading / "model" / "model.safetensors").exists()


def test_it_is_compared_with_the_same_method_without_the_text(
    toy_csv: Path, quick: dict[str, Any], masked: Path, notes: Path
) -> None:
    run = tw.run(toy_csv, **settings(quick, masked, notes))
    assert ("adapt", "encoder") in {(c.method, c.against) for c in run.comparisons}


def test_a_search_tries_the_settings_of_the_method_that_is_fitted_on_the_model_that_has_read_the_text(
    toy_csv: Path, quick: dict[str, Any], masked: Path, notes: Path
) -> None:
    asked = settings(quick, masked, notes, settings={"batch": 8})
    search = {"trials": 4, "fewest_rows": 10}
    run = tw.run(toy_csv, **{**asked, "arms": ["majority", "adapt"], "search": search})
    study = json.loads((run.path / "search" / "adapt.json").read_text())
    won = study["trials"][study["chosen"]]["values"]
    [(reading, _)], [(_, fit)] = units(run, "adapt"), units(run, "evaluate")
    trials = [unit for _, unit in units(run, "trial")]
    assert set(study["parameters"]) == set(won) == {"learning_rate", "epochs"}
    assert {unit["parameters"]["settings"]["learning_rate"] for unit in trials} == {
        trial["values"]["learning_rate"] for trial in study["trials"]
    }
    assert {unit["start"] for unit in [fit, *trials]} == {reading.name}
    assert fit["parameters"]["settings"] | won == fit["parameters"]["settings"]
    assert fit["parameters"]["settings"]["batch"] == 8


def test_the_seeds_of_a_fit_share_one_reading(
    toy_csv: Path, quick: dict[str, Any], masked: Path, notes: Path
) -> None:
    run = tw.run(toy_csv, **{**settings(quick, masked, notes), "seeds": None, "arms": ["majority", "adapt"]})
    assert len(units(run, "adapt")) == 1
    assert len(units(run, "evaluate")) == 3  # as many as `encoder` has by itself


def test_the_folds_of_a_crossfit_share_one_reading(
    toy_csv: Path, quick: dict[str, Any], masked: Path, notes: Path
) -> None:
    run = tw.run(toy_csv, **{**settings(quick, masked, notes), "protocol": "crossfit", "folds": 2})
    assert len(units(run, "adapt")) == 1
    assert len({unit["start"] for _, unit in units(run, "evaluate")}) == 1
    assert len(units(run, "evaluate")) == 2


def test_another_setting_of_the_fit_reads_nothing_again(
    toy_csv: Path, quick: dict[str, Any], masked: Path, notes: Path
) -> None:
    asked = settings(quick, masked, notes)
    tw.run(toy_csv, **asked)
    events: list[dict[str, Any]] = []
    tw.run(toy_csv, listener=events.append, **{**asked, "encoder": {"max_steps": 3}})
    started = [event["title"] for event in events if event["event"] == "unit_started"]
    assert "adapt (unlabelled text)" not in started
    assert "adapt" in started


def test_documents_that_are_like_a_test_row_or_hold_a_part_of_it_are_not_read(
    toy_csv: Path, quick: dict[str, Any], masked: Path, tmp_path: Path
) -> None:
    lines = toy_csv.read_text(encoding="utf-8").splitlines()[1:]
    canary = "a contract of thirteen words or more that stands in a long document as one part among others"
    test = tmp_path / "test.csv"
    test.write_text("\n".join(["text,label", *lines[:30], f"{canary},refund"]), encoding="utf-8")
    train = tmp_path / "train.csv"
    train.write_text("\n".join(["text,label", *lines[30:]]), encoding="utf-8")
    equal, near = lines[0].rpartition(",")[0].upper(), lines[1].rpartition(",")[0] + "!!"
    inside = f"{' '.join(documents(40))} {canary} {' '.join(documents(40))}"
    notes = write_notes(tmp_path / "notes.txt", [*documents(60), equal, near, inside])
    quick = settings(quick, masked, notes)
    run = tw.run(train, test=test, **quick)
    read = [json.loads(line) for line in (run.path / "rows.jsonl").read_text().splitlines()]
    assert [row["input"] for row in read if row["part"] == "unlabelled"] == documents(60)
    assert "63 documents, 3 of them left out" in (run.path / "events.jsonl").read_text()


@pytest.mark.parametrize(
    "row",
    [
        "这份合同规定卖方应当在收到货款之后的三十天之内把全部货物运送到买方指定的仓库并且承担运输费用",
        "この契約では売り手は代金を受け取ってから三十日以内にすべての商品を買い手の倉庫へ運ぶことになっている",
    ],
    ids=["Chinese", "Japanese"],
)
def test_a_row_inside_a_document_is_found_where_words_do_not_stand_apart(row: str) -> None:
    others = [
        "市场上的苹果和梨今天比昨天便宜了很多，大家都去买。" * 40,
        "彼は毎朝早く起きて海辺を走る。" * 40,
    ]
    assert alike([*others, others[0] + row + others[1]], [row]) == {2}


def test_where_answers_are_texts_a_document_that_is_one_is_not_read(
    quick: dict[str, Any], tmp_path: Path
) -> None:
    summary = "the seller has to bring all of the goods within thirty days of the payment and pays the way"
    notes = write_notes(tmp_path / "notes.txt", [*documents(60), f"As we said, {summary}. {documents(1)[0]}"])
    settings = {"arms": ("adapt",), "methods": {"adapt": {"text": (str(notes),)}}}
    tested = [Example(id="a", input="a long contract", target=summary)]
    for task, read in (("summarization", 60), ("text-classification", 61)):
        job = Job.model_validate({"data": {"path": "rows.csv"}, "task": task, **settings})
        assert len(bring(job, tested).documents) == read


def test_a_model_that_reads_worse_afterwards_stays_as_it_was(
    toy_csv: Path, quick: dict[str, Any], masked: Path, notes: Path
) -> None:
    run = tw.run(toy_csv, **settings(quick, masked, notes, learning_rate=3.0))
    [(reading, _)] = units(run, "adapt")
    assert not facts(reading)["kept"]
    assert "stays as it was" in run.report.read_text(encoding="utf-8")
    assert not list((reading / "model").iterdir())
    [plain] = units(run, "evaluate", "encoder")
    [adapted] = units(run, "evaluate")
    answers = [(folder / "predictions.jsonl").read_text() for folder, _ in (plain, adapted)]
    assert answers[0] == answers[1]


def test_the_final_fit_predicts_with_the_model_that_has_read(
    quick: dict[str, Any], masked: Path, notes: Path, tmp_path: Path
) -> None:
    asked = settings(quick, masked, notes, then="probe")
    table = write_csv(tmp_path / "toy.csv", toy_rows(160))
    run = tw.run(table, **{**asked, "arms": ["majority", "adapt"], "test_fraction": 0.4})
    assert run.verdict.recommended_method == "adapt"
    texts = [row["text"] for row in toy_rows(6, seed=1)]
    with_it = [answer.scores for answer in run.predict(texts)]
    [(reading, _)] = units(run, "adapt")
    [(final, _)] = units(run, "refit")
    head = load_probe(final / "model", load_embedder(reading / "model"))
    by_hand = [p.scores for p in head.predict([Example(id=t, input=t) for t in texts])]
    assert with_it == by_hand
    (reading / "model" / "config.json").write_text("{}")
    with pytest.raises(RunFolderError, match="damaged"):
        tw.open_run(run.path).predict(texts)


@pytest.mark.parametrize(
    ("adapt", "said"),
    [
        ({"text": ()}, "it needs unlabelled text"),
        ({"settings": {"epoch": 2}}, "encoder has no parameter 'epoch'"),
        ({"then": "tfidf"}, "no model to adapt: choose among"),
        ({"text": "no.txt"}, "there is no file"),
    ],
)
def test_a_mistake_is_one_sentence(
    toy_csv: Path, quick: dict[str, Any], masked: Path, notes: Path, adapt: dict[str, Any], said: str
) -> None:
    with pytest.raises((JobError, FileNotFoundError), match=said):
        tw.run(toy_csv, **settings(quick, masked, notes, **adapt))
