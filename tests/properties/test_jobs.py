"""Whatever a job file holds, it is a job or is refused in a sentence."""

import pytest

from properties.jobs import JOBS
from properties.profile import hold_all
from properties.promise import Target

CASES = {"jobs": 300, "overrides": 200, "written_jobs": 50, "proposed_jobs": 100}


@pytest.mark.parametrize("target", JOBS, ids=[target.name for target in JOBS])
def test_it_is_a_job_or_refused_in_a_sentence(target: Target) -> None:
    hold_all(target, CASES[target.name])
