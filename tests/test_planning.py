"""`tw.plan`: what fits where, and for how much, without a weight loaded."""

import json
from collections import Counter
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from transformers import LlamaConfig

import tuneworthy as tw
from tiny_models import tiny_tokenizer
from toy import toy_rows, write_csv
from tuneworthy.api import make_job
from tuneworthy.core.errors import JobError, ModelError
from tuneworthy.core.forecast import FitPlan, PlannedFit
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.core.unit import ModelRole
from tuneworthy.data.loading import load
from tuneworthy.engine.passes import packed_pass
from tuneworthy.models.catalogue import catalogue
from tuneworthy.models.machines import machine_of, machine_with, read_market
from tuneworthy.models.shape import shape_named
from tuneworthy.models.way import Pass
from tuneworthy.reports.formats import roughly
from tuneworthy.reports.planned import plan_view, shown
from tuneworthy.search.settings import foreseen_fits
from tuneworthy.steps import ask
from tuneworthy.tasks import TASKS, form_of
from tuneworthy.units import forecast
from tuneworthy.units.fit_counts import fit_counts
from tuneworthy.units.memory_ahead import memory_ahead


@pytest.fixture
def billions(tmp_path: Path) -> list[str]:
    """Folders with nothing but a configuration: 1, 8 and 70 billion parameters."""
    sizes = {
        "one": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16},
        "eight": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32},
        "seventy": {"hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80},
    }
    for name, size in sizes.items():
        LlamaConfig(
            **size, num_attention_heads=32, num_key_value_heads=8, vocab_size=128_256
        ).save_pretrained(tmp_path / name)
        tiny_tokenizer().save_pretrained(tmp_path / name)
    return [str(tmp_path / name) for name in sizes]


def planned(toy_csv: Path, quick: dict[str, Any], **more: Any) -> FitPlan:
    settings = {"base_model": quick["base_model"], "embedding_model": quick["embedding_model"]}
    return tw.plan(toy_csv, **{**settings, **more})


def test_a_card_of_24_gib_gets_the_largest_model_that_fits(
    toy_csv: Path, quick: dict[str, Any], billions: list[str]
) -> None:
    models = [name for name, entry in catalogue().items() if entry.role == "decoder"]
    plan = planned(toy_csv, quick, gpu="RTX 3090", models=[*billions, *models], length=1024)
    sizes = {
        name: shape_named(name).parameters
        for name in {fit.model for fit in plan.fits if fit.method == "lora"}
    }
    for best in plan.largest:
        holding = {fit.model for fit in plan.fits if fit.method == best.method and fit.fits}
        assert sizes[best.model] == max(sizes[name] for name in holding)
    assert [fit.method for fit in plan.largest] == ["full", "lora", "qlora"]


def test_no_weights_are_needed_nor_read(toy_csv: Path, quick: dict[str, Any], billions: list[str]) -> None:
    before = torch.get_default_dtype()
    plan = planned(toy_csv, quick, memory="80GiB", base_model=billions[2])
    assert {fit.method for fit in plan.fits if fit.model == billions[2]} >= {"full", "lora", "qlora"}
    assert torch.get_default_dtype() == before


def test_memory_alone_says_what_fits_and_no_minutes(toy_csv: Path, quick: dict[str, Any]) -> None:
    plan = planned(toy_csv, quick, memory="16GiB")
    assert all(fit.fits and fit.minutes is None for fit in plan.fits)


def test_more_rows_at_a_time_take_more_memory(toy_csv: Path, quick: dict[str, Any]) -> None:
    plan = planned(toy_csv, quick, gpu="L4", length=256)
    qlora = [fit for fit in plan.fits if fit.method == "qlora" and not fit.options]
    activations = [fit.memory_gib["activations"] for fit in qlora]
    assert [fit.rows_per_pass for fit in qlora] == [1, 2, 4, 8]
    assert activations == sorted(activations)


def test_a_pass_over_the_rows_takes_as_long_in_larger_batches(
    tmp_path: Path, quick: dict[str, Any], billions: list[str]
) -> None:
    table = write_csv(tmp_path / "many.csv", toy_rows(400))
    minutes = {}
    for batch in (32, 64, 128):
        plan = planned(table, quick, gpu="L4", base_model=billions[0], lora={"batch": batch, "epochs": 4})
        [minutes[batch]] = [
            fit.minutes
            for fit in plan.fits
            if fit.method == "lora" and not fit.options and fit.rows_per_pass == 8
        ]
    assert minutes[64] == pytest.approx(minutes[32], rel=0.15)
    assert minutes[128] == pytest.approx(minutes[32], rel=0.3)  # of few updates, the last is a larger part


def test_every_fold_and_the_final_fit_count() -> None:
    job = Job(data=DataSpec(path="rows.csv"), folds=4, validation_fraction=0.25)
    assert fit_counts(job, 400, has_test=False).of("lora") == ((225, 4), (400, 1))
    assert fit_counts(job, 400, has_test=True).of("lora") == ((300, 1), (400, 1))


def test_seeds_and_the_search_multiply_measured_fits_of_fine_tuned_arms_alone() -> None:
    job = Job(data=DataSpec(path="rows.csv"), folds=4, validation_fraction=0.25, seeds=3)
    counts = replace(fit_counts(job, 400, has_test=False), searches={"lora": 2.5})
    assert counts.of("lora") == ((225, 4 * (3 + 2.5)), (400, 1))
    assert counts.of("probe", validated=False) == ((300, 4), (400, 1))


@pytest.mark.parametrize(
    ("search", "fits"),
    [
        ({"trials": 0}, 0),
        ({"trials": 8}, 4),  # 8 x 1/4 + 4 x 1/4 + 2 x 1/2
        ({"trials": 12, "budget": 3.5}, 3.5),
        ({"trials": 8, "arms": ("full",)}, 0),
        ({"trials": 8, "fewest_rows": 500}, 0),
    ],
)
def test_a_search_takes_what_its_halving_and_its_budget_leave(search: dict[str, Any], fits: float) -> None:
    job = Job(data=DataSpec(path="rows.csv"), arms=("lora", "full"), search=search)
    assert foreseen_fits(job, "lora", 225) == fits


def test_a_search_makes_the_plan_longer_and_the_plan_says_so(toy_csv: Path, quick: dict[str, Any]) -> None:
    def minutes(plan: FitPlan) -> float:
        return sum(fit.minutes or 0 for fit in plan.fits if fit.method == "lora")

    alone = planned(toy_csv, quick, gpu="L4", seeds=1)
    searched = planned(toy_csv, quick, gpu="L4", seeds=1, search={"trials": 8, "fewest_rows": 1})
    assert minutes(searched) > 3 * minutes(alone)
    assert any("a search of up to 4 fits a fold" in note for note in searched.notes)


@pytest.mark.parametrize(
    ("minutes", "text"), [(0.02, "under a minute"), (3.3333, "3 min 20 s"), (70, "1 h 10 min")]
)
def test_a_short_time_is_never_none(minutes: float, text: str) -> None:
    assert roughly(minutes) == text


def test_every_planned_method_has_a_plan(toy_csv: Path, quick: dict[str, Any]) -> None:
    plan = planned(toy_csv, quick, gpu="L4")
    assert {"probe", "probe_decoder", "setfit", "encoder"} <= {fit.method for fit in plan.fits}


def test_one_layer_of_sixteen_takes_an_optimiser_and_time_of_its_own_alone(
    toy_csv: Path, quick: dict[str, Any], billions: list[str]
) -> None:
    whole, last = (
        next(fit for fit in plan.fits if fit.method == "full")
        for plan in (
            planned(toy_csv, quick, gpu="L4", base_model=billions[0], **more)
            for more in ({}, {"full": {"layers": 1}})
        )
    )
    assert last.memory_gib["weights"] == whole.memory_gib["weights"]
    assert last.memory_gib["optimiser"] < whole.memory_gib["optimiser"] / 10
    assert last.minutes is not None and whole.minutes is not None and last.minutes < whole.minutes / 2


@pytest.mark.parametrize("name", ["rtx3090", "NVIDIA GeForce RTX 3090", "RTX 3090"])
def test_a_card_is_known_however_it_is_written(name: str) -> None:
    assert read_market().card(name).name == "RTX 3090"


def test_an_unknown_card_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(JobError, match="did you mean 'RTX 3090'"):
        read_market().card("RTX 3900")


@pytest.mark.parametrize(("text", "size"), [("16GiB", 16 * 2**30), ("16", 16 * 2**30), ("16 GB", 16e9)])
def test_an_amount_of_memory_is_read(text: str, size: float) -> None:
    assert machine_with(text).memory == size


@pytest.mark.parametrize("text", ["lots", "0GiB", "16 TB"])
def test_what_is_no_amount_of_memory_is_refused(text: str) -> None:
    with pytest.raises(JobError, match="write it like 16GiB"):
        machine_with(text)


def test_every_card_and_price_has_its_source() -> None:
    market = read_market()
    assert all(card.source for card in market.cards)
    assert all(offer.source and offer.date[:2] == "20" for offer in market.offers)


def test_a_file_of_ones_own_prices_the_job(toy_csv: Path, quick: dict[str, Any], tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    card = {"name": "Mine", "memory_gib": 24, "bandwidth": 500, "float32": 0.001, "source": "me"}
    offer = {"name": "Here", "card": "Mine", "usd_per_hour": 6, "date": "2026-11-22", "source": "me"}
    mine.write_text(json.dumps({"cards": [card], "offers": [offer]}), encoding="utf-8")
    plan = planned(toy_csv, quick, gpu="mine", machines=mine)
    [rent] = plan.rent
    assert rent.usd == pytest.approx(rent.minutes / 10, abs=1e-3)


def test_a_price_for_an_unknown_card_is_a_mistake_in_the_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text('{"cards": [], "offers": [{"name": "x"}]}', encoding="utf-8")
    with pytest.raises(JobError, match=r"offers\.0\.card"):
        read_market(mine)


MINE = """
cards: [{name: Mine, memory_gib: 24, bandwidth: 500, float32: 1, source: me}]
offers: [{name: Here, card: mine, usd_per_hour: 6, date: 2026-11-22, source: me}]
"""


def test_a_day_may_stand_without_quotes_in_a_file_of_ones_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(MINE, encoding="utf-8")
    assert read_market(mine).offers[0].date == "2026-11-22"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no cards: write a list of them under 'cards:'"),
        (
            MINE.replace("card: mine", "card: Theirs"),
            "the offer 'Here' is of a card 'Theirs', which is not among the file's cards: Mine",
        ),
    ],
)
def test_a_mistake_in_a_file_of_ones_own_names_the_file_and_the_place(
    tmp_path: Path, text: str, said: str
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(text, encoding="utf-8")
    with pytest.raises(JobError, match=f"mine.yaml.*{said}"):
        read_market(mine)


@pytest.mark.parametrize("place", ["base_model", "models"])
def test_a_model_that_only_reads_is_not_planned_as_one_that_writes(
    toy_csv: Path, quick: dict[str, Any], place: str
) -> None:
    name = quick["embedding_model"]
    with pytest.raises(JobError, match="only reads and writes nothing: name it as embedding_model"):
        planned(toy_csv, quick, **{place: [name] if place == "models" else name})


def test_a_pass_is_worked_out_once_however_many_ways_and_machines_share_it(
    toy_csv: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[tuple[Any, ...]] = Counter()

    def counted(rows: tuple[Any, ...], pieces: int = 1, blocks: bool = True) -> Pass:
        asked[rows, pieces, blocks] += 1
        return packed_pass(rows, pieces, blocks)

    monkeypatch.setattr(forecast, "packed_pass", counted)
    plan = planned(toy_csv, quick, length=301)
    assert len(plan.fits) > len(asked) > 0 and max(asked.values()) == 1


def test_the_text_shows_each_way_once_with_the_most_rows_that_fit() -> None:
    def fit(rows: int, fits: bool) -> PlannedFit:
        parts = dict.fromkeys(
            ("weights", "adapters", "gradients", "optimiser", "copies", "activations", "logits", "runtime"),
            1.0,
        )
        return PlannedFit(
            method="lora",
            model="m",
            precision="bfloat16",
            options=(),
            rows_per_pass=rows,
            memory_gib=parts,
            total_gib=8.0,
            beside_gib=0.0,
            moment="logits",
            fits=fits,
            minutes=1.0,
        )

    fits = (fit(1, True), fit(2, True), fit(4, False))
    assert [one.rows_per_pass for one in shown(fits)] == [2]
    recomputed = tuple(one.model_copy(update={"options": ("checkpointing",)}) for one in fits[:2])
    assert [one.options for one in shown((*fits, *recomputed))] == [()]  # no more rows than without
    more = recomputed[1].model_copy(update={"rows_per_pass": 4})
    assert [one.options for one in shown((*fits, more))] == [(), ("checkpointing",)]


@pytest.mark.parametrize("width", [80, 120])
def test_the_printed_plan_fits_the_terminal_and_names_models_whole(
    toy_csv: Path, quick: dict[str, Any], width: int
) -> None:
    told = Console(width=width, file=StringIO(), record=True)
    plan = planned(toy_csv, quick, gpu="RTX 3090", base_model="Qwen/Qwen3-8B")
    told.print(plan_view(plan))
    text = told.export_text()
    assert max(map(len, text.splitlines())) <= width
    for name in ("Qwen/Qwen3-8B", *(fit.model for fit in plan.largest)):
        assert name in text
    assert "0.0 min" not in text and "under a minute" in text


def test_a_base_that_fits_in_four_bits_alone_is_told_what_to_type(
    toy_csv: Path, quick: dict[str, Any], billions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bitsandbytes")
    small = machine_with("16GiB")
    monkeypatch.setattr("tuneworthy.units.memory_ahead.this_machine", lambda: small)
    job, table = make_job(toy_csv, {}, {**quick, "base_model": billions[1], "arms": ["tfidf", "lora"]})
    data = load(job, table, form_of(TASKS.get(job.task)))
    rows = data.trainable()
    question = ask(job, TASKS.get(job.task), rows)
    with pytest.raises(ModelError, match=r"this machine has 16\.0: type --arms tfidf,qlora, which takes"):
        memory_ahead(job, question, rows, False, {"decoder": Path(billions[1])}, False)


def test_a_base_that_one_gpu_does_not_hold_is_split_over_as_many_as_it_takes(
    toy_csv: Path, quick: dict[str, Any], billions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = machine_of(read_market().card("RTX 3090"))
    monkeypatch.setattr("tuneworthy.units.memory_ahead.this_machine", lambda: card)
    monkeypatch.setattr("tuneworthy.units.memory_ahead.gpus", lambda: 4)
    job, table = make_job(toy_csv, {}, {**quick, "base_model": billions[1], "arms": ["tfidf", "lora"]})
    rows = load(job, table, form_of(TASKS.get(job.task))).trainable()
    question = ask(job, TASKS.get(job.task), rows)
    told = r"type --set lora\.processes=2, which takes [\d.]+ in each of 2 processes\.$"
    with pytest.raises(ModelError, match=told):
        memory_ahead(job, question, rows, False, {"decoder": Path(billions[1])}, False)


@pytest.mark.parametrize("arm", ["lora", "qlora", "full"])
@pytest.mark.parametrize("optimizer", ["adamw", "adamw_8bit"])
@pytest.mark.parametrize("again", [False, True])
def test_a_fine_tune_is_planned_with_the_options_that_the_job_asks_for(
    toy_csv: Path, quick: dict[str, Any], arm: str, optimizer: str, again: bool
) -> None:
    options = {"optimizer": optimizer, "gradient_checkpointing": again}
    job, table = make_job(toy_csv, {}, {**quick, "arms": [arm], arm: options})
    task = TASKS.get(job.task)
    rows = load(job, table, form_of(task)).trainable()
    models: dict[ModelRole, Path] = {"decoder": Path(quick["base_model"])}
    [told], least = memory_ahead(job, ask(job, task, rows), rows, False, models, False)
    assert told.startswith(f"Memory: a fit of {arm} peaks at about") and least[arm] > 0


def test_a_run_that_this_machine_cannot_hold_stops_before_anything_is_written(
    toy_csv: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tuneworthy.models.hardware.memory_limit", lambda: 2**20)
    with pytest.raises(ModelError, match="even with one row at a time"):
        tw.run(toy_csv, output=tmp_path / "out", **{**quick, "arms": ["majority", "lora"]})
    assert not (tmp_path / "out").exists()


def test_a_run_says_what_its_fine_tune_will_take(
    toy_csv: Path, quick: dict[str, Any], tmp_path: Path
) -> None:
    notes: list[str] = []
    tw.run(
        toy_csv,
        output=tmp_path / "out",
        listener=lambda event: notes.append(str(event.get("text", ""))),
        **{**quick, "arms": ["majority", "lora"]},
    )
    assert any(note.startswith("Memory: a fit of lora peaks at about") for note in notes)
