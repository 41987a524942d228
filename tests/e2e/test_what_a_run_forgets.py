"""A whole run notices what its fine-tune has forgotten, with tiny models."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import tuneworthy as tw
from tiny_models import save_decoder, save_embedder
from toy import toy_rows, write_csv
from tuneworthy.capabilities import passages
from tuneworthy.runfolder.unit_output import read_predictions

FILE = "forgetting.json"


def has_read(folder: Path) -> Path:
    """A decoder that reads the package's general texts well: a random one has nothing to forget."""
    tokenizer = AutoTokenizer.from_pretrained(save_decoder(folder))
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.tensor(tokenizer(" ".join(passage.text for passage in passages()))["input_ids"])
    windows = ids[: len(ids) // 64 * 64].view(-1, 64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for step in range(60):
        batch = windows[torch.arange(16 * step, 16 * step + 16) % len(windows)]
        model(input_ids=batch, labels=batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run whose fine-tune learns little and forgets much: its learning rate is far too high."""
    folder = tmp_path_factory.mktemp("forgetting")
    return {
        "data": write_csv(folder / "toy.csv", toy_rows()),
        "base_model": str(has_read(folder / "decoder")),
        "embedding_model": str(save_embedder(folder / "embedder")),
        "protocol": "holdout",
        "workers": 1,
        "threads": 1,
        "resamples": 500,
        "curve": {"arms": []},
        "arms": ["majority", "lora"],
        "lora": {"max_steps": 6, "learning_rate": 0.5},
        "train_anyway": True,
        "output": folder / "runs" / "first",
    }


@pytest.fixture(scope="module")
def run(asked: dict[str, Any]) -> tw.Run:
    """That run, in a workspace of its own: no other test has opened its test rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEWORTHY_WORKSPACE", str(Path(asked["output"]).parent))
        return tw.run(**asked)


def stored(run: tw.Run) -> dict[str, Any]:
    return dict(json.loads((run.path / FILE).read_text(encoding="utf-8")))


def units(run: tw.Run, purpose: str) -> dict[str, Path]:
    found = {}
    for folder in (run.path / "units").iterdir():
        unit = json.loads((folder / "unit.json").read_text(encoding="utf-8"))
        if unit["purpose"] == purpose:
            found[unit["method"]] = folder
    return found


def again(asked: dict[str, Any], name: str, **changed: Any) -> tuple[tw.Run, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    output = Path(asked["output"]).with_name(name)
    return tw.run(**{**asked, "output": output, **changed}, listener=events.append), events


def started(events: list[dict[str, Any]]) -> list[str]:
    return [event["title"] for event in events if event["event"] == "unit_started"]


def test_a_ruined_model_is_noticed_and_the_reasons_say_so(run: tw.Run) -> None:
    found = stored(run)
    texts = next(change for change in found["changes"] if change["capability"] == "texts")
    assert found["method"] == "lora"
    assert texts["worse"]
    assert texts["after"]["value"] > 1.02 * texts["before"]["value"]
    [reason] = [reason for reason in run.verdict.reasons if "Beside its task" in reason]
    assert "45 general texts take" in reason
    assert reason.split(".")[0] in run.report.read_text(encoding="utf-8")


def test_the_decision_is_the_one_without_it(asked: dict[str, Any], run: tw.Run) -> None:
    without, events = again(asked, "without", forgetting=False)
    assert not (without.path / FILE).exists()
    assert started(events) == []  # every other unit was taken over
    kept = run.verdict.model_dump(exclude={"reasons"})
    assert without.verdict.model_dump(exclude={"reasons"}) == kept
    assert set(run.verdict.reasons) - set(without.verdict.reasons) == {
        reason for reason in run.verdict.reasons if "Beside its task" in reason
    }


def test_the_base_model_is_measured_once_for_all_runs(asked: dict[str, Any], run: tw.Run) -> None:
    _, events = again(asked, "full", arms=["majority", "full"], full={"max_steps": 2})
    assert "full (general abilities)" in started(events)
    assert "base model (general abilities)" not in started(events)


def test_a_run_that_was_stopped_measures_only_what_is_missing(asked: dict[str, Any], run: tw.Run) -> None:
    before = stored(run)
    missing = units(run, "forgetting")["lora"]
    kept = [p.model_dump() for p in read_predictions(missing)]
    (missing / "checksums.json").unlink()
    events: list[dict[str, Any]] = []
    tw.run(**asked, listener=events.append)
    assert started(events) == ["lora (general abilities)"]
    assert [p.model_dump() for p in read_predictions(missing)] == kept
    times = {"seconds_before", "seconds_after"}
    assert {k: v for k, v in stored(run).items() if k not in times} == {
        k: v for k, v in before.items() if k not in times
    }


def test_switching_it_off_in_the_same_folder_leaves_no_trace(asked: dict[str, Any]) -> None:
    first, _ = again(asked, "switched")
    assert (first.path / FILE).exists()
    second, _ = again(asked, "switched", forgetting=False)
    assert not (second.path / FILE).exists()
    assert "has forgotten" not in second.report.read_text(encoding="utf-8")


def test_of_a_recommended_fine_tune_the_final_fit_is_measured(asked: dict[str, Any], tmp_path: Path) -> None:
    table = write_csv(tmp_path / "easy.csv", toy_rows(120))
    easy = {"max_steps": 60, "learning_rate": 0.01}
    won, _ = again(asked, "won", data=table, lora=easy)
    assert won.verdict.recommended_method == "lora"
    found = stored(won)
    assert found["fit"] == units(won, "refit")["lora"].name
    assert found["measured"] == "its final fit on all rows"


def test_of_another_fine_tune_its_measured_fit_is(asked: dict[str, Any]) -> None:
    beaten, _ = again(asked, "beaten", arms=["majority", "tfidf", "lora"])
    assert beaten.verdict.recommended_method == "tfidf"
    assert stored(beaten)["fit"] == units(beaten, "evaluate")["lora"].name


def test_an_arm_that_adapts_first_is_measured_as_a_whole(asked: dict[str, Any], tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("\n".join(f"the river bank {i} is near the dog {i % 7}" for i in range(40)))
    adapt = {"text": str(notes), "then": "lora", "max_steps": 3, "batch": 4}
    adapted, _ = again(asked, "adapted", arms=["majority", "adapt"], adapt=adapt)
    assert stored(adapted)["method"] == "adapt"
    assert len(stored(adapted)["changes"]) == 4


def test_an_encoder_writes_nothing_and_the_report_says_that(asked: dict[str, Any]) -> None:
    other, _ = again(asked, "encoder", arms=["majority", "encoder"], encoder={"max_steps": 2}, seeds=1)
    assert stored(other)["changes"] == []
    assert "it writes no text" in other.report.read_text(encoding="utf-8")


def test_nothing_is_measured_where_nothing_is_tuned(asked: dict[str, Any]) -> None:
    untuned, events = again(asked, "untuned", arms=["majority", "tfidf"])
    assert not (untuned.path / FILE).exists()
    assert not [title for title in started(events) if "general abilities" in title]


def test_a_chat_template_that_takes_no_bare_question_costs_the_measurement_and_not_the_run(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    folder = save_decoder(tmp_path / "strict")
    template = folder / "chat_template.jinja"
    strict = "{% if messages[0]['role'] != 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    template.write_text(strict + template.read_text(encoding="utf-8"), encoding="utf-8")
    refused, _ = again(asked, "strict", base_model=str(folder))
    assert "refuses the turns user" in stored(refused)["reason"]
    assert "was not measured" in refused.report.read_text(encoding="utf-8")
