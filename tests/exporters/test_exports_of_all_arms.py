"""Exports of arms that few ask for: each passes the gate in forms that suit it, others are refused."""

from pathlib import Path

import pytest

import tuneworthy as tw
from quick import quick_settings
from tiny_models import save_masked
from toy import toy_rows
from tuneworthy.core.errors import JobError
from tuneworthy.exporting import Wanted, export_run, verify
from tuneworthy.models.contrastive import has_setfit

pytestmark = pytest.mark.slow  # every export is asked in a process of its own
ROWS = 12
DECODERS = ("majority", "full", "qlora", "probe_decoder", "adapt")
NOTES = "\n".join(f"the river bank {i} is near the dog {i % 7}" for i in range(40))


@pytest.fixture(scope="module")
def decoders(decoder_folder: Path, embedder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the arms that start from a decoder, the last after it has read unlabelled text."""
    place = tmp_path_factory.mktemp("decoders")
    (place / "notes.txt").write_text(NOTES)
    settings = quick_settings(decoder_folder, embedder_folder)
    steps = {"max_steps": 10, "learning_rate": 0.01}
    settings |= {"full": {"max_steps": 10, "learning_rate": 0.003}, "qlora": steps, "lora": steps}
    settings["adapt"] = {"text": str(place / "notes.txt"), "then": "lora", "max_steps": 3, "batch": 4}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEWORTHY_WORKSPACE", str(place))
        run = tw.run(toy_rows(54), target="label", output=place / "run", arms=DECODERS, **settings)
    return run.path


@pytest.fixture(scope="module")
def encoders(decoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose encoders have read unlabelled text, or have learned from pairs."""
    place = tmp_path_factory.mktemp("encoders")
    (place / "notes.txt").write_text(NOTES)
    settings = quick_settings(decoder_folder, save_masked(place / "masked"))
    settings["adapt"] = {"text": str(place / "notes.txt"), "then": "probe", "max_steps": 3, "batch": 4}
    arms = ["majority", "adapt", *(["setfit"] if has_setfit() else [])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEWORTHY_WORKSPACE", str(place))
        run = tw.run(toy_rows(54), target="label", output=place / "run", arms=arms, **settings)
    return run.path


@pytest.mark.parametrize(
    ("arm", "form"),
    [
        ("full", "merged"),
        ("qlora", "adapter"),
        ("qlora", "merged"),
        ("probe_decoder", "sklearn"),
        ("adapt", "merged"),
    ],
)
def test_of_a_decoder(decoders: Path, tmp_path: Path, arm: str, form: str) -> None:
    passes(decoders, tmp_path, arm, form)


@pytest.mark.parametrize(("arm", "form"), [("adapt", "sklearn"), ("setfit", "sklearn")])
def test_of_an_encoder(encoders: Path, tmp_path: Path, arm: str, form: str) -> None:
    if arm == "setfit" and not has_setfit():
        pytest.skip("setfit is not installed")
    passes(encoders, tmp_path, arm, form)


def passes(run: Path, place: Path, arm: str, form: str) -> None:
    [exported] = export_run(run, Wanted((form,), arm, place, ROWS))
    assert exported.parity.passed and exported.parity.method == arm
    if arm == "adapt":  # its base is in the run only, and has to be found there again
        assert verify(exported.folder, run, ROWS).passed


@pytest.mark.parametrize(
    ("arm", "form", "why"),
    [
        ("full", "adapter", "full has tuned whole weights and no adapter: export merged"),
        ("full", "decision", "it has no adapter: export an arm among lora, qlora"),
        ("qlora", "decision", "with --set lora.answer_format=option"),
        ("qlora", "sklearn", "it holds a linear classifier, which qlora is not"),
        ("probe_decoder", "merged", "a fine-tuned language model, which probe_decoder does not make"),
        ("adapt", "adapter", "its base model has read your unlabelled text and is in this run only"),
    ],
)
def test_what_does_not_suit_is_a_sentence(decoders: Path, arm: str, form: str, why: str) -> None:
    with pytest.raises(JobError, match=f"{arm} cannot be exported to {form}: .*{why}"):
        export_run(decoders, Wanted((form,), arm))
