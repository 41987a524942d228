"""With which settings a method is fitted on all rows."""

from typing import Any

import pytest

from toy import toy_rows
from tuneworthy.core.example import Example
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.core.unit import ModelRef, Unit
from tuneworthy.data.splits import make_split
from tuneworthy.methods import METHODS
from tuneworthy.search.settings import with_values
from tuneworthy.units.plan import Question, make_plan, refit_unit

ROWS = [Example(id=f"r{i}", input=row["text"], target=row["label"]) for i, row in enumerate(toy_rows(60))]
SPLIT = make_split(ROWS, "crossfit", 3, 0.25, 0.15, 0)
QUESTION = Question(task="text-classification", labels=("a", "b"), instruction="Which?", metric="accuracy")
REF = ModelRef(name="tiny", digest="0")


def fits(arm: str, *found: dict[str, Any]) -> list[Unit]:
    """The arm's units, those of each fold with the settings that a search found."""
    job = Job(data=DataSpec(path="t.csv"), arms=(arm,), seeds=1)
    refs: Any = dict.fromkeys(METHODS.get(arm).models, REF)
    plan = make_plan(job, SPLIT, QUESTION, refs, "float32", 1)
    units = [unit for stage in plan.stages for unit in stage.units]
    return [with_values(unit, values) for unit, values in zip(units, found, strict=True)]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_a_refit_after_a_search_has_the_settings_of_one_fold_and_no_mixture(order: tuple[int, ...]) -> None:
    tried = [(4, 1e-4, 10), (32, 5e-4, 40), (16, 2e-4, 20)]
    pairs = [tried[place] for place in order]
    units = fits("lora", *({"rank": rank, "learning_rate": rate} for rank, rate, _ in pairs))
    facts = [{"learning_rate": rate, "kept_step": step} for _, rate, step in pairs]
    refit = refit_unit(units, facts, SPLIT, 1)
    assert (refit.parameters["rank"], refit.parameters["learning_rate"]) == (16, 2e-4)
    fitted = len(SPLIT.rows(units[0].fit))
    assert refit.parameters["steps"] == pytest.approx(20 * 60 / fitted, abs=1)


def test_without_a_search_all_folds_count() -> None:
    facts = [{"learning_rate": 1e-4, "kept_step": step} for step in (10, 30, 20)]
    refit = refit_unit(fits("lora", {}, {}, {}), facts, SPLIT, 1)
    assert refit.parameters["steps"] == pytest.approx(20 * 60 / len(SPLIT.rows(SPLIT.folds[0].fit)), abs=2)


def test_a_wording_that_most_folds_chose_is_the_final_one() -> None:
    wordings = [{"instruction": one} for one in ("Which?", "Which label?", "Which label?")]
    assert refit_unit(fits("zero_shot", *wordings), [{"correction": "none"}] * 3, SPLIT, 1).instruction == (
        "Which label?"
    )
