"""The catalogue says what is so: names are unique, shapes add up, filters filter."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel
from transformers.models.auto.modeling_auto import AutoModelForCausalLM
from typer.testing import CliRunner

from tuneworthy.cli.main import app
from tuneworthy.core.errors import JobError
from tuneworthy.core.evidence import Estimate
from tuneworthy.core.ranking import RankedModel
from tuneworthy.models.catalogue import Checked, Entry, Sizes, catalogue
from tuneworthy.models.machines import machine_with
from tuneworthy.models.shape import shape_named, shape_of, shape_of_entry
from tuneworthy.models.wanted import Wanted, most_precise, objection
from tuneworthy.ranking import reason

ENTRIES = list(catalogue().values())
# What an architecture's config.json says besides the shape and what changes the number of parameters.
PARTICULARS: dict[str, dict[str, Any]] = {
    "deberta-v2": {
        "type_vocab_size": 0,
        "position_biased_input": False,
        "relative_attention": True,
        "position_buckets": 256,
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "norm_rel_ebd": "layer_norm",
    },
    "roberta": {"type_vocab_size": 1},
    "xlm-roberta": {"type_vocab_size": 1},
    "phi3": {"pad_token_id": 0},
}
WINDOWED = ("mistral", "phi3")  # whose configuration says of each model whether it slides


def configuration(shape: Sizes) -> Any:
    """What transformers would read of a model of these sizes."""
    window = {"sliding_window": shape.sliding_window} if shape.model_type in WINDOWED else {}
    return AutoConfig.for_model(
        shape.model_type,
        num_hidden_layers=shape.layers,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.head_dim,
        vocab_size=shape.vocabulary,
        tie_word_embeddings=shape.tied_embeddings,
        max_position_embeddings=shape.context,
        **PARTICULARS.get(shape.model_type, {}),
        **window,
    )


def built(shape: Sizes, role: str) -> Any:
    """The model of these sizes on the meta device: layers and no weights."""
    config = configuration(shape)
    with torch.device("meta"):
        return (AutoModelForCausalLM if role == "decoder" else AutoModel).from_config(config)


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_shape_has_as_many_parameters_as_stated(entry: Entry) -> None:
    counted = sum(weight.numel() for weight in built(entry.shape, entry.role).parameters())
    assert counted == pytest.approx(entry.parameters, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_plan_sees_the_same_model_in_the_catalogue_as_in_a_configuration(entry: Entry) -> None:
    known, read = shape_of_entry(entry), shape_of(configuration(entry.shape))
    assert known.parameters == pytest.approx(read.parameters, rel=0.02)
    assert replace(known, parameters=read.parameters) == read


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_entry_is_consistent(entry: Entry) -> None:
    shape = entry.shape
    assert shape.heads % shape.key_value_heads == 0
    assert entry.role == "decoder" or (not entry.chat_template and shape.key_value_heads == shape.heads)
    assert entry.restrictions or entry.commercial not in ("conditions", "no")
    assert (entry.licence == "unstated") == (entry.commercial == "unstated")
    pages = entry.checked.model_dump(exclude={"date"}).values() if entry.checked else ()
    known = (None, "card", "wheel") if entry.wheel else (None, "card")
    assert all(page in known or page.startswith("https://") for page in pages)
    assert entry.id.count("/") == 1 and (entry.name == entry.id or entry.wheel is not None)


def test_no_id_occurs_twice() -> None:
    assert len({entry.id for entry in ENTRIES}) == len(ENTRIES)


def test_four_bits_fit_where_sixteen_do_not() -> None:
    llama = catalogue()["meta-llama/Llama-3.1-8B-Instruct"]
    ways = [most_precise(llama, machine_with(f"{size}GiB")) for size in (4, 16, 24, 80, 400)]
    assert ways == [None, "qlora", "qlora", "lora", "full"]


def test_a_model_of_the_catalogue_is_planned_without_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuneworthy.models.shape.at_hand", lambda name: None)
    monkeypatch.setattr("tuneworthy.models.shape._shape_at", lambda place, local: pytest.fail("read a file"))
    assert shape_named("Qwen/Qwen3-8B") == shape_of_entry(catalogue()["Qwen/Qwen3-8B"])


@pytest.mark.parametrize(
    ("wanted", "kept", "left_out"),
    [
        ({"commercial": True}, "Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2.5-3B-Instruct"),
        ({"commercial": True}, "minilm", "ProsusAI/finbert"),
        ({"licence": "APACHE"}, "minilm", "microsoft/phi-4"),
        ({"domain": "legal"}, "nlpaueb/legal-bert-base-uncased", "minilm"),
        ({"language": "DE"}, "FacebookAI/xlm-roberta-base", "FacebookAI/roberta-base"),
        ({"language": "de"}, "HuggingFaceTB/SmolLM3-3B", "smollm2-135m"),
        ({"machine": machine_with("4GiB")}, "smollm2-135m", "microsoft/phi-4"),
    ],
)
def test_a_condition_keeps_and_leaves_out(wanted: dict[str, Any], kept: str, left_out: str) -> None:
    asked = Wanted.model_validate(wanted)
    assert objection(catalogue()[kept], asked) == ""
    assert objection(catalogue()[left_out], asked)


def test_the_list_shows_what_meets_the_conditions_and_nothing_else() -> None:
    shown = CliRunner().invoke(app, ["models", "list", "--domain", "clinical", "--commercial"])
    assert "Bio_ClinicalBERT" in shown.output and "meditron" in shown.output
    assert "minilm" not in shown.output


def test_the_list_names_what_nobody_checked() -> None:
    unchecked = {entry.name: " ".join(entry.unchecked) for entry in ENTRIES}
    lines = CliRunner().invoke(app, ["models", "list"]).output.splitlines()[1:]
    assert all(line.endswith(unchecked[line.split()[0]]) for line in lines)
    assert any(unchecked.values()) and not all(unchecked.values())


@pytest.mark.parametrize("read", [True, False])
def test_a_licence_that_nobody_read_is_said_so_in_the_ranking(read: bool) -> None:
    checked = Checked(date="2026-11-22", licence="card") if read else None
    entry = catalogue()["minilm"].model_copy(update={"checked": checked})
    score = Estimate(method="probe", metric="accuracy", value=0.5, n=9, reason="too few rows")
    place = RankedModel(
        name="minilm", kind="encoder", rows=9, score=score, evidence=0, layer="last", tokens_per_word=1
    )
    assert ("not checked" in reason(place, entry, [place], Wanted())) is not read


def test_conditions_that_nothing_meets_are_one_sentence() -> None:
    asked = ["models", "list", "--domain", "legal", "--language", "de"]
    assert isinstance(CliRunner().invoke(app, asked).exception, JobError)


def test_a_misspelt_domain_is_answered_with_the_nearest() -> None:
    error = CliRunner().invoke(app, ["models", "list", "--domain", "legl"]).exception
    assert isinstance(error, JobError) and "did you mean 'legal'" in str(error)


def test_listing_models_needs_no_torch() -> None:
    code = (
        "import sys; from tuneworthy.cli.main import app; from typer.testing import CliRunner; "
        "r = CliRunner().invoke(app, ['models', 'list', '--memory', '16']); "
        "assert 'smollm2-135m' in r.output, r.output; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("kind", ["gemma2", "gemma3_text", "olmo3"])
def test_rows_of_a_model_whose_attention_slides_are_planned_padded(kind: str) -> None:
    entry = next(entry for entry in ENTRIES if entry.shape.model_type == kind)
    read = shape_of(configuration(replace_layers(entry.shape)))
    known = shape_of_entry(entry)
    assert (known.packed, known.head_norms) == (read.packed, read.head_norms)
    assert not known.packed


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("BioMistral/BioMistral-7B", False),
        ("mistralai/Mistral-7B-Instruct-v0.3", True),
        ("mistralai/Mistral-Small-24B-Instruct-2501", True),
        ("microsoft/Phi-3.5-mini-instruct", False),
        ("microsoft/phi-4", True),
    ],
)
def test_of_one_architecture_only_the_models_with_a_window_are_planned_padded(
    name: str, packed: bool
) -> None:
    sizes = catalogue()[name].shape
    few = sizes.model_copy(update={"layers": 1, "vocabulary": 512})
    assert (shape_of_entry(catalogue()[name]).packed, shape_of(configuration(few)).packed) == (packed, packed)


@pytest.mark.parametrize(("name", "tokens"), [("Qwen/Qwen3-8B", 32768), ("BioMistral/BioMistral-7B", 8192)])
def test_the_context_is_what_a_model_was_trained_for(name: str, tokens: int) -> None:
    assert catalogue()[name].shape.context == tokens


def test_of_llama_3_its_licence_asks_for_a_name_that_begins_with_llama() -> None:
    llamas = [entry for entry in ENTRIES if entry.licence.startswith("Llama-3")]
    assert len(llamas) == 4
    assert all("begin a tuned model's name with 'Llama'" in entry.restrictions for entry in llamas)


def replace_layers(shape: Sizes) -> Sizes:
    """The same with as many layers as one round of sliding and full attention takes."""
    return shape.model_copy(update={"layers": 6})
