"""The ranking finds the better model, reads training rows only, and goes on where it stopped."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel
from typer.testing import CliRunner

import tuneworthy as tw
from tiny_models import save_decoder, save_embedder
from toy import toy_rows, write_csv
from tuneworthy.cli.main import app
from tuneworthy.cli.progress import console
from tuneworthy.core.errors import DataError, JobError, ModelError
from tuneworthy.core.evidence import Estimate
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ModelRef
from tuneworthy.metrics import METRICS
from tuneworthy.metrics._own import OwnMetric
from tuneworthy.models import states
from tuneworthy.models.states import Kind
from tuneworthy.reports.ranking import ranking_table
from tuneworthy.search import measures
from tuneworthy.search.base_models import (
    Probe,
    in_order,
    letters_alone,
    rank,
    rungs_of,
    spread,
    too_large,
)
from tuneworthy.search.measures import Candidate, Probed
from tuneworthy.units.plan import Question


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """180 easy rows."""
    return write_csv(tmp_path / "toy.csv", toy_rows(180))


@pytest.fixture
def blind(tmp_path: Path, embedder_folder: Path) -> Path:
    """A copy of the encoder whose word vectors are all alike: it sees how long a text is."""
    folder = tmp_path / "blind"
    shutil.copytree(embedder_folder, folder)
    model: Any = AutoModel.from_pretrained(folder)
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(model.get_input_embeddings().weight[:1].clone())
    model.save_pretrained(folder)
    return folder


def test_a_model_that_sees_no_words_comes_last_and_leaves_early(
    table: Path, blind: Path, embedder_folder: Path
) -> None:
    ranking = tw.rank_models(table, candidates=[str(blind), str(embedder_folder)])
    last = ranking.models[-1]
    assert last.name == "blind"
    assert last.rows < ranking.read_rows == ranking.best.rows
    assert last.score.value < ranking.best.score.value - 0.3


def test_a_model_that_knows_no_text_comes_last_and_is_told_why(
    table: Path, embedder_folder: Path, decoder_folder: Path
) -> None:
    ranking = tw.rank_models(table, candidates=[str(decoder_folder), str(embedder_folder)])
    last = ranking.models[-1]
    assert last.name == decoder_folder.name
    assert "counting letters takes" in last.reason


def test_every_measurement_that_applies_is_there_and_no_other(
    table: Path, embedder_folder: Path, decoder_folder: Path
) -> None:
    [decoder] = tw.rank_models(table, candidates=[str(decoder_folder)]).models
    [encoder] = tw.rank_models(table, candidates=[str(embedder_folder)]).models
    assert decoder.bits_per_byte is not None and decoder.zero_shot is not None
    assert encoder.bits_per_byte is None and encoder.zero_shot is None
    assert "no head that says how well it reads" in encoder.reason
    assert decoder.score.low is not None and decoder.score.high is not None


def test_the_rows_that_a_holdout_scores_are_never_read(
    table: Path, embedder_folder: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[str] = set()
    real = states.pooled_states

    def watched(folder: Path, texts: list[str]) -> states.States:
        read.update(texts)
        return real(folder, texts)

    monkeypatch.setattr(states, "pooled_states", watched)
    ranking = tw.rank_models(table, candidates=[str(embedder_folder)], seed=3)
    run = tw.run(table, arms=["majority", "tfidf"], output="run", **{**quick, "seed": 3})
    rows = [json.loads(line) for line in (run.path / "rows.jsonl").read_text().splitlines()]
    split = json.loads((run.path / "split.json").read_text())
    scored = set(split["row_sets"][split["folds"][0]["predict"]])
    assert len(read) == ranking.read_rows and len(scored) == ranking.kept_rows
    assert not read & {row["input"] for row in rows if row["id"] in scored}


def test_a_second_ranking_measures_nothing_again(
    table: Path, embedder_folder: Path, decoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [str(embedder_folder), str(decoder_folder)]
    first = tw.rank_models(table, candidates=names)
    for room, function in ((states, "pooled_states"), (measures, "cross_predict")):
        monkeypatch.setattr(room, function, lambda *_: pytest.fail("measured again"))
    assert tw.rank_models(table, candidates=names) == first


def test_a_ranking_that_was_killed_goes_on_with_what_is_missing(
    table: Path, embedder_folder: Path, decoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [str(embedder_folder), str(decoder_folder)]
    real, calls = states.pooled_states, []

    def killed(folder: Path, texts: list[str]) -> states.States:
        calls.append(folder)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(folder, texts)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(states, "pooled_states", killed)
        tw.rank_models(table, candidates=names)
    done = len(list(Path("runs/measurements").glob("*.npz")))
    seen: list[Path] = []
    monkeypatch.setattr(
        states, "pooled_states", lambda folder, texts: seen.append(folder) or real(folder, texts)
    )
    ranking = tw.rank_models(table, candidates=names)
    assert done == 1 and len(ranking.models) == 2
    assert len(seen) == len(list(Path("runs/measurements").glob("*.npz"))) - done


def test_a_candidate_that_is_nowhere_is_left_out_with_the_reason(table: Path, embedder_folder: Path) -> None:
    ranking = tw.rank_models(table, candidates=["no-such-model", str(embedder_folder)])
    assert [model.name for model in ranking.models] == [embedder_folder.name]
    assert "no model 'no-such-model'" in ranking.left_out["no-such-model"]


def test_a_candidate_that_cannot_be_loaded_is_left_out_and_the_others_are_ranked(
    table: Path, tmp_path: Path, embedder_folder: Path
) -> None:
    strange = save_decoder(tmp_path / "strange")
    config = json.loads((strange / "config.json").read_text())
    (strange / "config.json").write_text(json.dumps({**config, "model_type": "unheard_of"}))
    names = [str(strange), "openai:some@http://127.0.0.1:9", str(embedder_folder)]
    ranking = tw.rank_models(table, candidates=names)
    assert [model.name for model in ranking.models] == [embedder_folder.name]
    assert "cannot be loaded" in ranking.left_out["strange"]
    assert "no weights" in ranking.left_out["openai:some@http://127.0.0.1:9"]


def test_two_folders_of_one_name_are_two_candidates(
    table: Path, tmp_path: Path, embedder_folder: Path
) -> None:
    for place in ("a", "b"):
        shutil.copytree(embedder_folder, tmp_path / place / "minilm")
    names = [str(tmp_path / place / "minilm") for place in ("a", "b")]
    ranking = tw.rank_models(table, candidates=names)
    assert {model.name for model in ranking.models} == set(names)
    assert all("licence" not in model.reason for model in ranking.models)


def test_a_candidate_that_the_conditions_rule_out_is_not_fetched(table: Path, embedder_folder: Path) -> None:
    names = ["Qwen/Qwen2.5-3B-Instruct", str(embedder_folder)]
    ranking = tw.rank_models(table, candidates=names, commercial=True)
    assert "does not allow commercial use" in ranking.left_out["Qwen/Qwen2.5-3B-Instruct"]


def test_a_candidate_that_this_machine_cannot_fine_tune_is_not_fetched_and_the_machine_is_named(
    table: Path, embedder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuneworthy.models.hardware.memory_limit", lambda: 8 * 2**30)
    names = ["meta-llama/Llama-3.1-8B-Instruct", str(embedder_folder)]
    ranking = tw.rank_models(table, candidates=names)
    assert "this machine (8 GiB) cannot fine-tune it" in ranking.left_out[names[0]]
    assert ranking.machine == "this machine, 8 GiB"


def test_no_candidate_at_all_is_one_sentence(table: Path) -> None:
    with pytest.raises(ModelError, match="none of 1 candidate is there"):
        tw.rank_models(table, candidates=["no-such-model"])
    with pytest.raises(JobError, match="no candidate meets the conditions"):
        tw.rank_models(table, candidates=["Qwen/Qwen2.5-3B-Instruct"], commercial=True)


def test_crossfit_is_refused_since_it_would_score_the_rows_that_chose(table: Path) -> None:
    with pytest.raises(JobError, match="protocol=holdout"):
        tw.rank_models(table, protocol="crossfit", candidates=["minilm"])


def test_the_command_prints_places_and_reasons(
    table: Path, embedder_folder: Path, decoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        console, "_width", 200
    )  # wide enough that no heading is folded, whatever the terminal
    monkeypatch.setattr(console, "_height", 50)
    names = f"{embedder_folder},{decoder_folder}"
    result = CliRunner().invoke(app, ["models", "rank", str(table), "--candidates", names, "-q"])
    assert result.exit_code == 0, result.output
    for words in ("probe: accuracy", "LogME", "bits per byte", "135 training rows", embedder_folder.name):
        assert words in result.output


def test_every_beginning_of_the_spread_rows_has_the_labels_in_their_shares() -> None:
    rows = [Example(id=str(i), input=str(i), target="rare" if i < 30 else "common") for i in range(120)]
    shown = spread(rows, seed=0)
    assert sorted(row.id for row in shown) == sorted(row.id for row in rows)
    for end in (20, 40, 80):
        assert sum(row.target == "rare" for row in shown[:end]) == pytest.approx(end / 4, abs=2)


def test_rungs_double_and_end_with_all_rows() -> None:
    rows = [Example(id=str(i), input="") for i in range(250)]
    assert np.cumsum([len(rung) for rung in rungs_of(rows)]).tolist() == [62, 125, 250]
    assert [len(rung) for rung in rungs_of(rows[:90])] == [90]


def test_a_decoder_is_no_encoder(tmp_path: Path) -> None:
    assert states.kind_of(save_decoder(tmp_path / "a", "gpt2")) == "decoder"
    assert states.kind_of(save_embedder(tmp_path / "b")) == "encoder"


def probe(name: str, kind: Kind, right: int, evidence: float, bits: float | None = None) -> Probe:
    """A candidate whose probe answers the first `right` of a hundred rows right."""
    answers = tuple(
        Prediction(example_id=row.id, value="yes" if place < right else "no")
        for place, row in enumerate(ROWS)
    )
    score = Estimate(method=name, metric="accuracy", value=right / 100, n=100, reason="not needed here")
    candidate = Candidate(name, Path(name), ModelRef(name=name, digest=name), kind)
    return Probe(candidate, Probed(answers, evidence, "mean@1"), score, bits)


ROWS = [Example(id=f"{i:03}", input=str(i), target="yes") for i in range(100)]
QUESTION = Question(task="text-classification", labels=("no", "yes"), instruction="", metric="accuracy")


@pytest.mark.parametrize(
    ("probes", "order"),
    [
        ([probe("b", "encoder", 60, 9.0), probe("a", "encoder", 90, 0.1)], "a b"),
        ([probe("a", "encoder", 89, 0.2), probe("b", "encoder", 90, 0.1)], "a b"),
        ([probe("b", "decoder", 90, 0.2, 7.4), probe("a", "decoder", 89, 0.1, 1.9)], "a b"),
        (
            [
                probe("b", "decoder", 90, 0.3, 7.4),
                probe("e", "encoder", 90, 0.2),
                probe("a", "decoder", 90, 0.1, 1.9),
            ],
            "a e b",
        ),
        ([probe("a", "encoder", 90, 0.2, None), probe("b", "encoder", 90, 0.1, 1.0)], "a b"),
    ],
    ids=["told apart", "evidence", "bits", "bits within the places of a kind", "not all have bits"],
)
def test_what_the_rows_cannot_tell_apart_is_ordered_by_evidence_then_bits(
    probes: list[Probe], order: str
) -> None:
    assert " ".join(p.candidate.name for p in in_order(probes, ROWS, QUESTION)) == order


def test_a_model_that_reads_worse_than_counting_letters_comes_last_whatever_its_probe() -> None:
    probes = [
        probe("broken", "decoder", 95, 0.9, 7.4),
        probe("sound", "decoder", 60, 0.1, 1.9),
        probe("silent", "encoder", 70, 0.2),
    ]
    found = [p.candidate.name for p in in_order(probes, ROWS, QUESTION, floor=4.4)]
    assert found == ["silent", "sound", "broken"]
    assert in_order(probes, ROWS, QUESTION)[0].candidate.name == "broken"


def test_letters_alone_take_the_entropy_of_their_shares() -> None:
    assert letters_alone(["aabb", "cd" * 2]) == pytest.approx(2.0)
    assert letters_alone(["aaaa"]) == 0


def missed_rows(answers: list[str | None], targets: list[str]) -> list[float]:
    """1 for a row that is answered wrong: an error."""
    return [float(given != right) for given, right in zip(answers, targets, strict=True)]


def test_of_a_metric_of_errors_the_candidate_with_the_least_comes_first() -> None:
    own = OwnMetric("missed_rows", "missed rows", missed_rows, 0.0, 1.0, False)
    METRICS.bring(own.name, own, Path(__file__))
    question = QUESTION.model_copy(update={"metric": own.name})
    candidates = [probe("b", "encoder", 60, 9.0), probe("a", "encoder", 90, 0.1)]
    judged = [replace(p, score=p.score.model_copy(update={"value": 1 - p.score.value})) for p in candidates]
    assert [p.candidate.name for p in in_order(judged, ROWS, question)] == ["a", "b"]


@pytest.mark.parametrize("metric", ["log_loss", "auroc"])
def test_a_metric_of_probabilities_gives_way_to_the_tasks_own_and_the_table_says_so(
    table: Path, embedder_folder: Path, metric: str
) -> None:
    rows = [{"text": row["text"], "label": str(row["label"] == "refund")} for row in toy_rows(60)]
    two = write_csv(table.with_name("two.csv"), rows)
    ranking = tw.rank_models(two, target="label", candidates=[str(embedder_folder)], metric=metric)
    assert ranking.metric == ranking.best.score.metric != metric == ranking.asked_metric
    notes = [str(part) for part in ranking_table(ranking, "run").renderables]
    assert any(note.startswith("Ranked by ") and "needs probabilities" in note for note in notes)


@pytest.mark.parametrize("groups", [2, 3])
def test_fewer_groups_than_folds_are_folds_enough(groups: int) -> None:
    rng = np.random.default_rng(0)
    rows = [
        Example(id=str(i), input=str(i), target="ab"[i % 2], group=str(i * groups // 60)) for i in range(60)
    ]
    found = measures.cross_predict({"mean@1": rng.normal(size=(60, 4))}, rows, ("a", "b"), 0)
    assert [prediction.example_id for prediction in found] == [row.id for row in rows]


def test_training_rows_of_one_group_are_one_sentence() -> None:
    rows = [Example(id=str(i), input=str(i), target="ab"[i % 2], group="one") for i in range(12)]
    with pytest.raises(DataError, match="the 12 training rows are one group"):
        measures.cross_predict({"mean@1": np.zeros((12, 4))}, rows, ("a", "b"), 0)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_candidate_that_memory_does_not_hold_is_left_out_and_the_others_are_ranked(
    table: Path,
    embedder_folder: Path,
    decoder_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    real = states.pooled_states

    def full(folder: Path, texts: list[str]) -> states.States:
        if folder == decoder_folder:
            raise error
        return real(folder, texts)

    monkeypatch.setattr(states, "pooled_states", full)
    ranking = tw.rank_models(table, candidates=[str(decoder_folder), str(embedder_folder)])
    assert [model.name for model in ranking.models] == [embedder_folder.name]
    assert "memory ran out" in ranking.left_out[decoder_folder.name]


def test_a_fault_that_is_not_memorys_is_no_reason_to_leave_a_candidate_out(
    table: Path, embedder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(folder: Path, texts: list[str]) -> states.States:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(states, "pooled_states", faulty)
    with pytest.raises(RuntimeError, match="shapes"):
        tw.rank_models(table, candidates=[str(embedder_folder)])


def test_a_candidate_larger_than_memory_is_never_read(
    decoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert too_large(decoder_folder) == ""
    monkeypatch.setattr("tuneworthy.models.hardware.memory_limit", lambda: 100_000)
    assert "in float32, whose weights alone are" in too_large(decoder_folder)
    ref = ModelRef(name="large", digest="large")
    candidate = Candidate("large", decoder_folder, ref, "decoder")
    unread: Any = None
    with pytest.raises(ModelError, match="no candidate can be measured: measuring reads it in float32"):
        rank([candidate], ROWS, QUESTION, unread, 0)
