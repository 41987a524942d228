"""What a unit is foreseen to take before it runs."""

from pathlib import Path

import pytest

from toy import toy_rows, write_csv
from tuneworthy import steps
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.core.unit import Unit
from tuneworthy.data.loading import load
from tuneworthy.data.splits import make_split
from tuneworthy.tasks import TASKS
from tuneworthy.units.plan import NOTHING, make_plan
from tuneworthy.units.seconds_ahead import Foresight, seconds_ahead


@pytest.fixture
def foreseen(tmp_path: Path, decoder_folder: Path) -> tuple[Foresight, Unit]:
    """A crossfit of sixty-four rows, and the fit of its first fold."""
    table = write_csv(tmp_path / "rows.csv", toy_rows(64))
    spec = DataSpec(path=str(table), input=("text",), target="label")
    job = Job(data=spec, arms=("lora",), protocol="crossfit", folds=4, base_model=str(decoder_folder))
    rows = load(job).trainable()
    question = steps.ask(job, TASKS.get(job.task), rows)
    models, refs = steps.bring_models(job, print)
    split = make_split(rows, "crossfit", 4, job.test_fraction, job.validation_fraction, job.seed, [])
    unit = make_plan(job, split, question, refs, "float32", 2).stages[-1].units[0]
    return seconds_ahead(job, question, rows, split, models, False), unit


def test_the_fit_on_all_rows_learns_from_all_answers_none_and_may_use_every_core(
    foreseen: tuple[Foresight, Unit],
) -> None:
    foresight, fold = foreseen
    final = foresight.on_all_rows(fold, 8)
    assert len(foresight.split.rows(final.fit)) == 64 > len(foresight.split.rows(fold.fit))
    assert (foresight._count(final.predict), final.threads) == (0, 8)


def test_a_fit_that_answers_no_row_is_foreseen_to_take_less(foreseen: tuple[Foresight, Unit]) -> None:
    foresight, fold = foreseen
    silent = fold.model_copy(update={"predict": NOTHING})
    assert foresight.seconds(silent) < foresight.seconds(fold)
