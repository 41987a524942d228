"""What a base model's reading of unlabelled text will take, said before it starts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tuneworthy as tw
from tiny_models import save_masked
from toy import FILLER
from tuneworthy.core.forecast import PlannedFit
from tuneworthy.methods._adapting import ReadingParameters, _pieces, _windows, parted
from tuneworthy.models.decoder import load_decoder
from tuneworthy.models.headed import load_headed
from tuneworthy.models.shape import shape_of_folder
from tuneworthy.units.reading_ahead import Reading, text_ahead

WORDS = [3 + 7 * number % 90 for number in range(60)]
DOCUMENTS = [
    " ".join(np.random.default_rng(number).choice(FILLER, size=words)) for number, words in enumerate(WORDS)
]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """The documents, one a line."""
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(DOCUMENTS), encoding="utf-8")
    return file


def planned(toy_csv: Path, quick: dict[str, Any], texts: Path, **adapt: Any) -> list[PlannedFit]:
    """The rows of a plan that are of the reading."""
    models = {"base_model": quick["base_model"], "embedding_model": quick["embedding_model"]}
    plan = tw.plan(toy_csv, **models, adapt={"text": str(texts), **adapt})
    return [fit for fit in plan.fits if fit.method == "adapt"]


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_the_pieces_are_foreseen_without_reading_every_text(
    kind: str, decoder_folder: Path, tmp_path: Path
) -> None:
    folder = decoder_folder if kind == "decoder" else save_masked(tmp_path)
    parameters = ReadingParameters(tokens=32)
    foreseen = text_ahead(Reading(str(folder), "lora", parameters, DOCUMENTS, 0), shape_of_folder(folder))
    learned = parted(DOCUMENTS, 0).learned
    if kind == "decoder":
        lengths = [row.length for row in _pieces(load_decoder(folder, "float32"), learned, 32)]
    else:
        lengths = [row.length for row in _windows(load_headed(folder, "masked"), learned, 32)]
    assert foreseen.longest == max(lengths)
    assert foreseen.pieces == pytest.approx(len(lengths), rel=0.1)
    assert foreseen.tokens == pytest.approx(np.mean(lengths), rel=0.1)


@pytest.mark.parametrize(("then", "model"), [("encoder", "embedding_model"), ("lora", "base_model")])
def test_the_reading_is_planned_on_the_model_that_the_method_starts_from(
    toy_csv: Path, quick: dict[str, Any], texts: Path, then: str, model: str
) -> None:
    assert {fit.model for fit in planned(toy_csv, quick, texts, then=then)} == {quick[model]}


def test_a_job_without_unlabelled_text_has_no_reading(toy_csv: Path, quick: dict[str, Any]) -> None:
    models = {"base_model": quick["base_model"], "embedding_model": quick["embedding_model"]}
    assert "adapt" not in {fit.method for fit in tw.plan(toy_csv, **models).fits}


def test_twice_the_updates_take_twice_the_time(toy_csv: Path, quick: dict[str, Any], texts: Path) -> None:
    models = {"base_model": quick["base_model"], "embedding_model": quick["embedding_model"]}

    def minutes(steps: int) -> float:
        adapt = {"text": str(texts), "max_steps": steps, "epochs": 1e9, "then": "lora"}
        plan = tw.plan(toy_csv, gpu="RTX 3090", **models, adapt=adapt)  # its speed is written down
        return next(fit.minutes or 0 for fit in plan.fits if fit.method == "adapt")

    assert minutes(1_000_000) > 0
    assert minutes(2_000_000) == pytest.approx(2 * minutes(1_000_000), rel=0.01)


def test_a_run_says_what_the_reading_will_take(
    toy_csv: Path, quick: dict[str, Any], texts: Path, tmp_path: Path
) -> None:
    notes: list[str] = []
    adapt = {"text": str(texts), "max_steps": 2, "then": "lora"}
    tw.run(
        toy_csv,
        output=tmp_path / "out",
        listener=lambda event: notes.append(str(event.get("text", ""))),
        **{**quick, "arms": ["majority", "adapt"]},
        adapt=adapt,
    )
    told = [note.split(" peaks at")[0] for note in notes if note.startswith("Memory")]
    assert told == ["Memory: the reading of adapt", "Memory: a fit of lora"]
