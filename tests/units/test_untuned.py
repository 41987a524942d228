"""The base model of a run before training, and answers while they are written."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from toy import toy_rows
from tuneworthy.core.errors import ModelError
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.units.predictor import Predictor
from tuneworthy.units.untuned import untuned, written

REPLIES = {
    "refund": "the money is on its way",
    "delivery": "the courier comes today",
    "account": "log in again",
}


def test_a_text_is_told_while_it_is_written_and_ends_as_predicted(quick: dict[str, Any]) -> None:
    pytest.importorskip("sacrebleu", reason="sacrebleu is not installed")
    rows = [{"prompt": row["text"], "completion": REPLIES[row["label"]]} for row in toy_rows(30)]
    arms = ["majority", "zero_shot", "lora"]
    run = tw.run(rows, task="text-generation", arms=arms, verdict={"fewest_rows_to_train": 0}, **quick)
    base = untuned(run.path, Predictor(run.path).unit, quick["base_model"])
    looks = list(written(base, "where is my parcel?"))
    [whole] = base.predict([_example("where is my parcel?")])
    assert looks[-1].value == whole.value
    assert looks[-1].raw == whole.raw
    assert len(looks) > 2
    assert all(str(later.raw).startswith(str(look.raw)) for look, later in pairwise(looks))


def test_labels_of_the_base_model_are_those_of_the_zero_shot_arm(
    quick: dict[str, Any], decoder_folder: Path
) -> None:
    run = tw.run(toy_rows(30), target="label", input="text", arms=["majority", "zero_shot"], **quick)
    unit = Predictor(run.path).unit
    [answer] = written(untuned(run.path, unit, str(decoder_folder)), "where is my parcel?")
    assert set(answer.scores or {}) == {"refund", "delivery", "account"}
    if unit.method == "zero_shot":
        assert answer.scores == run.predict("where is my parcel?")[0].scores
    RunFolder(run.path).write("model.json", {"unit": "", "folders": {}})
    with pytest.raises(ModelError, match="not on this machine"):
        untuned(run.path, unit, "nobody/has-this")


def _example(text: str) -> Any:
    from tuneworthy.core.example import Example

    return Example(id="0", input=text)
