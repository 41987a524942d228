"""How many fits an arm has in each fold."""

import pytest

from tuneworthy.core.job import DataSpec, Job, SearchSpec
from tuneworthy.methods import METHODS
from tuneworthy.units.plan import seeds_of

JOB = Job(data=DataSpec(path="t.csv"))


@pytest.mark.parametrize(("arm", "fits"), [("encoder", 3), ("lora", 1), ("tfidf", 1)])
def test_a_fine_tune_whose_seeds_differ_much_is_fitted_three_times_on_held_out_rows(
    arm: str, fits: int
) -> None:
    assert seeds_of(JOB, METHODS.get(arm), "holdout") == fits


def test_a_crossfit_fits_once_a_fold_since_each_fold_has_a_seed_of_its_own() -> None:
    assert seeds_of(JOB, METHODS.get("encoder"), "crossfit") == 1


def test_settings_that_were_searched_are_fitted_three_times() -> None:
    searched = JOB.model_copy(update={"search": SearchSpec(trials=8)})
    assert seeds_of(searched, METHODS.get("lora"), "crossfit") == 3


def test_what_the_job_says_comes_first() -> None:
    assert seeds_of(JOB.model_copy(update={"seeds": 1}), METHODS.get("encoder"), "holdout") == 1
