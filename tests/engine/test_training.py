"""The training loop: exact, deterministic, resumable to the bit."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tiny_models import save_decoder
from toy import toy_rows
from tuneworthy.core.ending import Ended, ended_by_sigterm, request
from tuneworthy.core.errors import ModelError
from tuneworthy.core.example import Example
from tuneworthy.engine import memory_probe, training
from tuneworthy.engine.batches import batch_rows, micro_batches
from tuneworthy.engine.checkpoint import trainable_state
from tuneworthy.engine.encoding import EncodedRow, encode_row
from tuneworthy.engine.loss import packed_loss, padded_loss
from tuneworthy.engine.memory_probe import kept_per_token
from tuneworthy.engine.recipe import Recipe, default_epochs, default_learning_rate, rate_at
from tuneworthy.engine.trainee import Writer
from tuneworthy.engine.training import ValidationScore, train
from tuneworthy.methods._tuned_decoder import make_recipe
from tuneworthy.methods._tuning import choose_checkpoint
from tuneworthy.methods.lora import LoraParameters
from tuneworthy.models.adapters import add_lora
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.tasks import TASKS

TASK = TASKS.get("text-classification")
RECIPE = Recipe(steps=8, batch=4, learning_rate=0.01, warmup_steps=1, evaluate_every=2, patience=8)


def fresh(folder: Path) -> tuple[Decoder, list[EncodedRow]]:
    decoder = load_decoder(folder, "float32")
    add_lora(decoder, rank=4, alpha=8, dropout=0.0, seed=3)
    rows = [
        encode_row(
            decoder,
            TASK,
            "Name the label: refund; delivery; account.",
            Example(id=str(i), input=r["text"], target=r["label"]),
        )
        for i, r in enumerate(toy_rows(12))
    ]
    return decoder, rows


def gradients(decoder: Decoder) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in decoder.model.parameters() if p.grad is not None])


def scorer() -> ValidationScore:
    return ValidationScore(score=0.5, log_loss=1.0)


def assert_packed_equals_padded(decoder: Decoder, rows: list[EncodedRow]) -> None:
    for parameter in decoder.model.parameters():  # B starts at zero: move it, or A has no gradient to compare
        if parameter.requires_grad:
            parameter.data.add_(0.05)
    packed = packed_loss(decoder, rows)
    packed.backward()
    found = gradients(decoder)
    decoder.model.zero_grad()
    padded = padded_loss(decoder, rows)
    padded.backward()
    expected = gradients(decoder)
    assert packed.item() == pytest.approx(padded.item(), rel=1e-5)
    assert ((found - expected).norm() / expected.norm()).item() < 1e-5


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "mistral", "gemma", "gpt2", "phi"])
def test_packed_and_padded_rows_give_the_same_loss_and_gradients(kind: str, tmp_path: Path) -> None:
    assert_packed_equals_padded(*fresh(save_decoder(tmp_path, kind)))


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_packing_is_exact_under_gradient_checkpointing(kind: str, tmp_path: Path) -> None:
    decoder, rows = fresh(save_decoder(tmp_path, kind))
    decoder.model.gradient_checkpointing_enable()
    decoder.model.train()
    assert decoder.model.is_gradient_checkpointing
    assert_packed_equals_padded(decoder, rows)


def test_packing_is_exact_on_a_base_in_four_bits(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    folder = save_decoder(tmp_path, "llama_wide")  # bitsandbytes quantises blocks of 64
    decoder, rows = load_decoder(folder, "float32", four_bits=True), fresh(folder)[1]
    add_lora(decoder, rank=4, alpha=8, dropout=0.0, seed=3)
    decoder.model.train()
    assert any("4bit" in type(module).__name__ for module in decoder.model.modules())
    assert_packed_equals_padded(decoder, rows)


@pytest.mark.parametrize(
    ("kind", "because"),
    [("llama", ""), ("mistral_sliding", "sliding attention"), ("gemma2", "sliding attention")],
)
def test_an_architecture_that_cannot_share_says_why(kind: str, because: str, tmp_path: Path) -> None:
    assert because in load_decoder(save_decoder(tmp_path, kind), "float32").padded_because


def test_what_backward_keeps_is_measured_and_checkpointing_keeps_less(decoder_folder: Path) -> None:
    decoder, rows = fresh(decoder_folder)
    decoder.model.train()
    whole = kept_per_token(Writer(decoder), rows)
    decoder.model.gradient_checkpointing_enable()
    assert 0 < kept_per_token(Writer(decoder), rows) < 0.5 * whole


def test_a_small_memory_halves_the_forward_pass_and_not_the_update(
    decoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder, rows = fresh(decoder_folder)
    plenty = train(Writer(decoder), rows, RECIPE)
    decoder, rows = fresh(decoder_folder)
    room = kept_per_token(Writer(decoder), rows) * 300 / memory_probe.SHARE
    monkeypatch.setattr(memory_probe, "free_memory", lambda where: room)
    scarce = train(Writer(decoder), rows, RECIPE)
    assert (plenty.tokens_per_batch, scarce.tokens_per_batch) == (2048, 256)
    assert scarce.train[-1]["loss"] == pytest.approx(plenty.train[-1]["loss"], rel=1e-4)


def test_the_loss_is_over_answer_and_stop_token_only(decoder_folder: Path) -> None:
    decoder, rows = fresh(decoder_folder)
    row = rows[0]
    ids = torch.tensor([[*row.prompt, *row.answer]])
    log_p = decoder.model(input_ids=ids).logits[0].log_softmax(-1)
    at = range(len(row.prompt) - 1, row.length - 1)
    expected = -sum(log_p[i, ids[0, i + 1]].item() for i in at)
    assert padded_loss(decoder, [row]).item() == pytest.approx(expected, rel=1e-5)


def test_training_lowers_the_loss(decoder_folder: Path) -> None:
    decoder, rows = fresh(decoder_folder)
    curve = train(Writer(decoder), rows, RECIPE.model_copy(update={"steps": 20})).train
    assert curve[-1]["loss"] < 0.7 * curve[0]["loss"]


def test_micro_batches_do_not_change_the_update(decoder_folder: Path) -> None:
    states = []
    for tokens in (10, 100_000):
        decoder, rows = fresh(decoder_folder)
        train(Writer(decoder), rows, RECIPE.model_copy(update={"steps": 2, "tokens_per_batch": tokens}))
        states.append(trainable_state(decoder.model))
    for name, value in states[0].items():
        assert torch.allclose(value, states[1][name], atol=1e-5), name


def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(decoder_folder: Path, tmp_path: Path) -> None:
    decoder, rows = fresh(decoder_folder)
    whole = train(Writer(decoder), rows, RECIPE, evaluate=scorer)
    expected = trainable_state(decoder.model)

    class KilledError(Exception):
        pass

    def kill(step: int, steps: int, facts: dict[str, float]) -> None:
        if step == 5:
            raise KilledError

    decoder, rows = fresh(decoder_folder)
    with pytest.raises(KilledError):
        train(Writer(decoder), rows, RECIPE, evaluate=scorer, checkpoint=tmp_path, report=kill)
    decoder, rows = fresh(decoder_folder)
    seen: list[int] = []
    resumed = train(
        Writer(decoder),
        rows,
        RECIPE,
        evaluate=scorer,
        checkpoint=tmp_path,
        report=lambda step, _, facts: seen.append(step) if "loss" in facts else None,
    )
    assert seen == [5, 6, 7, 8]
    assert [p["loss"] for p in resumed.train] == [p["loss"] for p in whole.train]
    for name, value in trainable_state(decoder.model).items():
        assert torch.equal(value, expected[name]), name


def test_a_fit_that_is_asked_to_end_goes_on_to_the_same_bits_also_when_it_diverges_later(
    decoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = RECIPE.model_copy(update={"evaluate_every": 4})
    original = training._gradients

    def spoilt(*arguments: Any) -> float:
        """NaN at step 7 for as long as the rate has not been lowered: it goes back to step 4."""
        total, progress = original(*arguments), arguments[-1]
        return math.nan if progress.step == 7 and progress.rate_factor == 1 else total

    monkeypatch.setattr(training, "_gradients", spoilt)
    decoder, rows = fresh(decoder_folder)
    whole = train(Writer(decoder), rows, recipe, evaluate=scorer)
    expected = trainable_state(decoder.model)
    decoder, rows = fresh(decoder_folder)

    def ask(step: int, steps: int, facts: dict[str, float]) -> None:
        if step == 5:
            request("it was stopped")

    with ended_by_sigterm(), pytest.raises(Ended):
        train(Writer(decoder), rows, recipe, evaluate=scorer, checkpoint=tmp_path, report=ask)
    decoder, rows = fresh(decoder_folder)
    resumed = train(Writer(decoder), rows, recipe, evaluate=scorer, checkpoint=tmp_path)
    assert [turn["back_to"] for turn in resumed.rollbacks] == [4]
    assert [p["loss"] for p in resumed.train] == [p["loss"] for p in whole.train]
    assert all(torch.equal(value, expected[name]) for name, value in trainable_state(decoder.model).items())


@pytest.mark.parametrize("kind", ["torn", "one bit"])
def test_a_damaged_checkpoint_costs_its_steps_and_not_a_bit(
    decoder_folder: Path, tmp_path: Path, kind: str
) -> None:
    decoder, rows = fresh(decoder_folder)
    train(Writer(decoder), rows, RECIPE, evaluate=scorer)
    expected = trainable_state(decoder.model)
    decoder, rows = fresh(decoder_folder)
    train(Writer(decoder), rows, RECIPE, evaluate=scorer, checkpoint=tmp_path, until=0.5)
    (state,) = tmp_path.iterdir()
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 64  # within a tensor: torch reads that without a word
    state.write_bytes(content[: len(content) // 2] if kind == "torn" else content)
    decoder, rows = fresh(decoder_folder)
    assert len(train(Writer(decoder), rows, RECIPE, evaluate=scorer, checkpoint=tmp_path).train) == 8
    assert all(torch.equal(value, expected[name]) for name, value in trainable_state(decoder.model).items())


def test_a_diverging_loss_is_an_error_that_names_the_learning_rate(decoder_folder: Path) -> None:
    decoder, rows = fresh(decoder_folder)
    with torch.no_grad():
        next(p for p in decoder.model.parameters() if p.requires_grad).fill_(float("nan"))
    with pytest.raises(ModelError, match="learning_rate"):
        train(Writer(decoder), rows, RECIPE)


def test_training_stops_when_nothing_improves_for_the_patience(decoder_folder: Path) -> None:
    decoder, rows = fresh(decoder_folder)
    outcome = train(Writer(decoder), rows, RECIPE.model_copy(update={"patience": 2}), evaluate=scorer)
    assert outcome.stopped_early
    assert len(outcome.train) == 6


def test_scores_on_few_validation_rows_stop_training_only_where_they_are_clearly_worse(
    decoder_folder: Path,
) -> None:
    recipe = RECIPE.model_copy(update={"patience": 2, "noisy_validation": True})

    def falling_to(score: float) -> Callable[[], ValidationScore]:
        scores = iter([0.4, 0.4, score, score, score, score])
        return lambda: ValidationScore(next(scores), 1.0, 0.13)  # 15 rows

    for score, stopped in ((0.2, False), (0.1, True)):
        decoder, rows = fresh(decoder_folder)
        outcome = train(Writer(decoder), rows, recipe, evaluate=falling_to(score))
        assert outcome.stopped_early is stopped


def test_every_epoch_is_a_permutation_of_all_rows() -> None:
    recipe = RECIPE.model_copy(update={"batch": 3})
    drawn = [row for step in range(1, 9) for row in batch_rows(12, recipe, step)]
    assert sorted(drawn[:12]) == list(range(12))
    assert sorted(drawn[12:]) == list(range(12))
    assert drawn[:12] != drawn[12:]


def test_micro_batches_keep_every_row_within_the_token_bound() -> None:
    rows = [EncodedRow(str(i), tuple(range(i)), (1, 2)) for i in (5, 30, 8, 90, 12)]
    pieces = micro_batches(rows, tokens=64)
    assert sorted(r.example_id for piece in pieces for r in piece) == sorted(r.example_id for r in rows)
    for piece in pieces:
        assert len(piece) == 1 or len(piece) * max(r.length for r in piece) <= 64


def test_warm_up_follows_the_number_of_steps_and_the_rate_ends_near_zero() -> None:
    recipe = make_recipe(LoraParameters(), rows=300, rate=1e-3, seed=0, validation=45)
    assert recipe.steps == 150
    assert recipe.warmup_steps == 9
    rates = [rate_at(recipe, step) for step in range(1, recipe.steps + 1)]
    assert max(rates) == pytest.approx(recipe.learning_rate)
    assert rates[-1] < 0.01 * recipe.learning_rate


@pytest.mark.parametrize(("rows", "epochs"), [(50, 10), (120, 10), (300, 4), (1000, 3)])
def test_epochs_follow_the_number_of_rows(rows: int, epochs: int) -> None:
    assert default_epochs(rows, 8) == epochs


def test_the_learning_rate_is_halved_below_500_rows() -> None:
    assert default_learning_rate(576, 499) == pytest.approx(default_learning_rate(576, 500) / 2)
    assert default_learning_rate(2000, 500) == pytest.approx(5e-4)


def point(step: int, score: float, log_loss: float) -> dict[str, float]:
    return {"step": step, "score": score, "log_loss": log_loss, "error": 0.06}


def test_with_few_validation_rows_a_small_lead_does_not_displace_the_last_step() -> None:
    curve = [point(1, 0.90, 0.5), point(2, 0.80, 0.6)]
    assert choose_checkpoint(curve, rows=40).step == 2
    assert choose_checkpoint(curve, rows=400).step == 1


def test_with_few_validation_rows_a_lead_beyond_two_standard_errors_counts() -> None:
    assert choose_checkpoint([point(1, 0.95, 0.5), point(2, 0.80, 0.6)], rows=40).step == 1


def test_ties_go_to_the_lower_log_loss() -> None:
    assert choose_checkpoint([point(1, 0.8, 0.4), point(2, 0.8, 0.5)], rows=400).step == 1


def test_a_fine_tune_that_was_paused_goes_on_to_the_same_weights(
    decoder_folder: Path, tmp_path: Path
) -> None:
    whole, rows = fresh(decoder_folder)
    train(Writer(whole), rows, RECIPE, evaluate=scorer)
    paused, rows = fresh(decoder_folder)
    outcome = train(Writer(paused), rows, RECIPE, evaluate=scorer, checkpoint=tmp_path, until=0.4)
    assert len(outcome.train) == 3 and outcome.validation[-1]["step"] == 3
    resumed, rows = fresh(decoder_folder)
    train(Writer(resumed), rows, RECIPE, evaluate=scorer, checkpoint=tmp_path)
    expected = trainable_state(whole.model)
    assert all(torch.equal(value, expected[name]) for name, value in trainable_state(resumed.model).items())
