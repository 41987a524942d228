"""What learns in each arm that fine-tunes a decoder, and in which precision."""

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tiny_models import save_decoder
from toy import toy_rows
from tuneworthy.core.example import Example
from tuneworthy.engine.encoding import EncodedRow, encode_row
from tuneworthy.engine.recipe import Recipe
from tuneworthy.engine.trainee import Writer
from tuneworthy.engine.training import ValidationScore, train
from tuneworthy.methods import METHODS, Setting, lora
from tuneworthy.methods._tuned_decoder import WRITTEN, FittedDecoder, drawn, with_adapter
from tuneworthy.metrics import METRICS
from tuneworthy.models.adapters import add_lora
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.models.trainable import train_last
from tuneworthy.tasks import TASKS

TASK = TASKS.get("text-classification")
ROWS = [Example(id=str(i), input=r["text"], target=r["label"]) for i, r in enumerate(toy_rows(16))]
LABELS = TASK.labels(ROWS)


def setting(folder: Path, dtype: str = "float32") -> Setting:
    return Setting(
        task=TASK,
        labels=LABELS,
        instruction=TASK.instruction(LABELS),
        metric=METRICS.get("accuracy"),
        seed=0,
        dtype=dtype,
        models={"decoder": folder},
        checkpoint=None,
        report=lambda done, total, facts: None,
    )


def fitted(name: str, given: Setting, **parameters: Any) -> FittedDecoder:
    method = METHODS.get(name)
    found = method.fit(given, method.Parameters.model_validate(parameters), ROWS[:12], ROWS[12:])
    assert isinstance(found, FittedDecoder)
    return found


def encoded(decoder: Decoder) -> list[EncodedRow]:
    return [encode_row(decoder, TASK, TASK.instruction(LABELS), row) for row in ROWS]


def test_full_changes_the_layers_it_names_and_no_other(tmp_path: Path) -> None:
    folder = save_decoder(tmp_path, "llama")
    before = dict(load_decoder(folder, "float32").model.named_parameters())
    after = fitted("full", setting(folder), layers=1, max_steps=2).decoder.model.named_parameters()
    changed = {name for name, parameter in after if not torch.equal(parameter, before[name])}
    assert changed and all(".layers.1." in name or name == "model.norm.weight" for name in changed)


def test_full_learns_faster_with_all_its_weights_than_at_a_rate_of_nothing(tmp_path: Path) -> None:
    folder = save_decoder(tmp_path, "llama")
    learned = fitted("full", setting(folder), steps=12, learning_rate=5e-3).facts["train"]
    idle = fitted("full", setting(folder), steps=12, learning_rate=1e-12).facts["train"]
    assert learned[-1]["loss"] < 0.7 * idle[-1]["loss"]


def test_mixed_precision_points_where_float32_does(tmp_path: Path) -> None:
    decoder = load_decoder(save_decoder(tmp_path, "llama_wide"), "float32")
    train_last(decoder.model, None)
    rows, found = encoded(decoder), []
    for mixed in (None, "bfloat16"):
        decoder.model.zero_grad()
        Writer(decoder, "full", mixed).loss(rows).backward()
        found.append(torch.cat([p.grad.flatten() for p in decoder.model.parameters() if p.grad is not None]))
    assert torch.cosine_similarity(found[0], found[1], dim=0) > 0.999


def test_a_full_fine_tune_keeps_its_weights_in_float32(tmp_path: Path) -> None:
    found = fitted("full", setting(save_decoder(tmp_path, "llama"), "bfloat16"), max_steps=2)
    assert {p.dtype for p in found.decoder.model.parameters()} == {torch.float32}


def test_qlora_trains_and_answers_on_four_bits(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    found = fitted("qlora", setting(save_decoder(tmp_path, "llama_wide"), "bfloat16"), max_steps=2)
    packed = [p for p in found.decoder.model.parameters() if getattr(p, "quant_state", None) is not None]
    assert len(packed) == 2 * 7


def test_lora_answers_in_float32(tmp_path: Path) -> None:
    found = fitted("lora", setting(save_decoder(tmp_path, "llama"), "bfloat16"), max_steps=2)
    assert {p.dtype for p in found.decoder.model.parameters()} == {torch.float32}


def test_the_trained_base_leaves_memory_before_the_one_that_answers_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = load_decoder(save_decoder(tmp_path, "llama"), "bfloat16")
    add_lora(decoder, 4, 8, 0.0, 0)
    trained = weakref.ref(decoder.model.get_base_model())

    def alone(base: Path, four_bits: bool, adapter: Path) -> Decoder:
        assert trained() is None
        return with_adapter(base, four_bits, adapter)

    monkeypatch.setattr("tuneworthy.methods.lora.with_adapter", alone)
    lora.PLUGIN.rebase(decoder)
    assert {p.dtype for p in decoder.model.parameters()} == {torch.float32}


def test_a_fine_tune_with_moments_in_eight_bits_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    folder = save_decoder(tmp_path / "model", "llama_wide")
    recipe = Recipe(
        steps=6,
        batch=4,
        learning_rate=1e-3,
        warmup_steps=1,
        evaluate_every=2,
        patience=9,
        optimizer="adamw_8bit",
    )

    def fresh() -> tuple[Decoder, list[EncodedRow]]:
        decoder = load_decoder(folder, "float32")
        train_last(decoder.model, None)
        return decoder, encoded(decoder)

    def scorer() -> ValidationScore:
        return ValidationScore(score=0.5, log_loss=1.0)

    def kill(step: int, steps: int, facts: dict[str, float]) -> None:
        if step == 5:
            raise KeyboardInterrupt

    whole, rows = fresh()
    train(Writer(whole), rows, recipe, evaluate=scorer)
    first, rows = fresh()
    with pytest.raises(KeyboardInterrupt):
        train(Writer(first), rows, recipe, evaluate=scorer, checkpoint=tmp_path / "kept", report=kill)
    second, rows = fresh()
    train(Writer(second), rows, recipe, evaluate=scorer, checkpoint=tmp_path / "kept")
    pairs = zip(whole.model.parameters(), second.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_eight_bits_keep_a_quarter_of_the_moments(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    from tuneworthy.engine.optimizer import make_optimizer

    recipe = Recipe(steps=1, batch=1, learning_rate=1e-3, warmup_steps=1)
    sizes = []
    for name in ("adamw", "adamw_8bit"):
        weight = torch.nn.Parameter(torch.ones(256, 256))
        optimizer = make_optimizer([weight], recipe.model_copy(update={"optimizer": name}))
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        state = optimizer.state[weight].values()
        sizes.append(sum(t.numel() * t.element_size() for t in state if torch.is_tensor(t)))
    assert sizes[1] < 0.3 * sizes[0]


def test_an_impossible_number_of_layers_is_a_sentence(tmp_path: Path) -> None:
    from tuneworthy.core.errors import ModelError

    with pytest.raises(ModelError, match="layers = 9"):
        fitted("full", replace(setting(save_decoder(tmp_path, "llama"))), layers=9)


def test_the_validation_rows_that_texts_are_written_for_are_drawn_by_the_seed() -> None:
    rows = [Example(id=str(i), input=str(i), target="x") for i in range(200)]
    chosen = [int(row.id) for row in drawn(rows, 0)]
    assert len(chosen) == WRITTEN and chosen == sorted(chosen) and chosen[-1] > 100
    assert [int(row.id) for row in drawn(rows, 1)] != chosen
    assert drawn(rows[:WRITTEN], 0) == rows[:WRITTEN]
