"""The card of an export holds no row, and nothing of the data is read as markup."""

import json
from pathlib import Path

from ruamel.yaml import YAML

from tuneworthy.core.parity import Parity
from tuneworthy.core.unit import ModelRef, Unit
from tuneworthy.refitting import final_fit
from tuneworthy.reports.contents import load_contents
from tuneworthy.reports.model_card import render_card

PARITY = Parity(
    artefact="merged",
    method="tfidf",
    unit="0" * 16,
    rows=64,
    same=63,
    metric="accuracy",
    expected=0.9,
    found=0.89,
    drop=None,
    tolerance=0.02,
    precision="bfloat16",
    notes=("1 of 64 answers differ, within the tolerance",),
)


def card(run: Path, **changes: object) -> str:
    unit: Unit = final_fit(run).unit.model_copy(update=changes)
    return render_card(load_contents(run), "merged model", "```python\n1\n```", unit, PARITY)


def test_the_header_is_yaml_that_the_hub_reads(finished_run: Path) -> None:
    models = {"decoder": ModelRef(name="smollm2-135m", digest="a" * 64)}
    header = card(finished_run, models=models).split("---\n")[1]
    fields = YAML(typ="safe").load(header)
    assert fields["license"] == "apache-2.0"
    assert fields["base_model"] == ["HuggingFaceTB/SmolLM2-135M-Instruct"]
    assert fields["pipeline_tag"] == "text-classification"


def test_every_arm_and_the_gate_are_in_it_and_no_row(finished_run: Path) -> None:
    text = card(finished_run)
    for arm in ("majority", "tfidf", "probe", "encoder", "lora"):
        assert f"| {arm} |" in text or f"| **{arm}** |" in text
    assert "63 of 64 answers" in text
    rows = [json.loads(line)["input"] for line in (finished_run / "rows.jsonl").read_text().splitlines()]
    assert not [row for row in rows if row in text]


def test_labels_are_no_markup(finished_run: Path) -> None:
    text = card(finished_run, labels=("<img src=x onerror=y>", "[x](http://y)", "a`b", "line\n# heading"))
    assert "`<img src=x onerror=y>`; `[x](http://y)`; `` a`b ``; `line # heading`." in text
    assert "\n# heading" not in text
