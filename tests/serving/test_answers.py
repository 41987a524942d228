"""What is served is what the run answers, to one client and to many."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from toy import toy_rows
from tuneworthy.evaluation.calibration import log_scores, softened
from tuneworthy.refitting import final_fit
from tuneworthy.serving import worker
from tuneworthy.serving.computing import Computer
from tuneworthy.units.predictor import Predictor

TEXTS = [row["text"] for row in toy_rows(50, seed=7)]


def own_answers(run: Path, temperature: float) -> dict[str, tuple[str | None, float]]:
    """Label and calibrated confidence of each text, by the run without a server."""
    predictor = Predictor(run)
    found = {}
    for text, one in zip(TEXTS, predictor.predict(TEXTS), strict=True):
        shares = softened(log_scores(one, predictor.unit.labels)[None], temperature)[0]
        found[text] = (one.value, float(shares.max()))
    return found


@pytest.mark.parametrize("name", ["probe", "lora"])
def test_fifty_clients_get_the_runs_own_answers_each_its_own(name: str, both: Any, runs: Any) -> None:
    temperature = both.server.service.runs[name].calibration.temperature
    expected = own_answers(runs[name], temperature)
    barrier = threading.Barrier(50)

    def ask(client_number: int) -> list[tuple[str, dict[str, Any]]]:
        found = []
        barrier.wait()
        for turn in range(3):
            text = TEXTS[(client_number * 7 + turn) % len(TEXTS)]
            response = both.post("/predict", {"input": text, "model": name})
            assert response.status_code == 200, response.text
            found.append((text, response.json()))
        return found

    with ThreadPoolExecutor(50) as pool:
        answers = [pair for pairs in pool.map(ask, range(50)) for pair in pairs]
    assert len(answers) == 150
    for text, answer in answers:
        label, confidence = expected[text]
        assert (answer["label"], answer["model"]) == (label, name)
        assert answer["confidence"] == pytest.approx(confidence, abs=1e-4)
        assert answer["probabilities"][label] == answer["confidence"]
    assert "tuneworthy_batch_rows_count" in both.client.get("/metrics").text


def test_a_batch_is_answered_in_its_order(both: Any) -> None:
    body = {"inputs": TEXTS[:12], "model": "probe"}
    answer = both.post("/predict/batch", body).json()
    one_by_one = [both.post("/predict", {"input": text, "model": "probe"}).json() for text in TEXTS[:12]]
    assert [one["label"] for one in answer["predictions"]] == [one["label"] for one in one_by_one]


def test_a_label_is_withheld_below_the_requests_own_threshold(both: Any) -> None:
    asked = {"input": TEXTS[0], "model": "probe"}
    plain = both.post("/predict", asked).json()
    hidden = both.post("/predict", {**asked, "abstain_below": 0.9999}).json()
    assert plain["label"] and not plain["abstained"]
    assert hidden["label"] is None and hidden["abstained"]
    assert hidden["probabilities"] == plain["probabilities"]


def test_a_row_may_come_as_its_columns(both: Any) -> None:
    bare = both.post("/predict", {"input": TEXTS[0], "model": "probe"}).json()
    row = {"text": TEXTS[0], "other": 3}
    named = both.post("/predict", {"input": row, "model": "probe"}).json()
    assert named["probabilities"] == bare["probabilities"]


def test_a_row_without_the_input_column_is_refused_and_the_column_is_named(both: Any) -> None:
    answer = both.post("/predict", {"input": {"txt": TEXTS[0]}, "model": "probe"})
    assert answer.status_code == 422
    assert "'text'" in answer.text


def test_the_fitted_temperature_is_kept_in_the_run_folder(both: Any, runs: Any) -> None:
    run = both.server.service.runs["probe"]
    kept = json.loads((runs["probe"] / "calibration.json").read_text(encoding="utf-8"))
    kept = kept[run.fit.unit.address]
    assert kept["temperature"] == run.calibration.temperature
    assert (kept["source"], kept["rows"]) == ("crossfit", 60)
    assert {one["method"] for one in kept["estimates"]} == {"as it was", "calibrated"}


def test_two_adapters_on_one_base_share_its_weights_and_answer_as_alone(runs: Any) -> None:
    predictors: dict[str, Predictor] = {}
    order = Computer({name: final_fit(runs[name]) for name in ("lora", "twin")}, 1).order
    worker.answer(predictors, order, StringIO())
    decoders = [one._fitted.decoder for one in predictors.values()]  # type: ignore[attr-defined]
    weights = [
        {name: id(p) for name, p in one.model.named_parameters() if ".lora_" not in name} for one in decoders
    ]
    assert weights[0] == weights[1] and len(weights[0]) > 10
    adapters = [{id(p) for name, p in one.model.named_parameters() if ".lora_" in name} for one in decoders]
    assert not adapters[0] & adapters[1]
    alone = Predictor(runs["lora"]).predict(TEXTS[:8])
    assert predictors["twin"].predict(TEXTS[:8]) == alone
