"""One set of settings: the same cases every time, no folder left behind, no deadline on a busy machine."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.configuration import set_hypothesis_home_dir

from properties.promise import Target, hold, room

set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "tuneworthy-hypothesis")


def quick(cases: int) -> settings:
    """Settings of a test of so many cases."""
    return settings(
        max_examples=cases,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )


def hold_all(target: Target, cases: int) -> None:
    """Holds a target to the promise in so many cases."""
    with room() as folder:

        @quick(cases)
        @given(target.cases)
        def case_by_case(case: Any) -> None:
            hold(target, case, Path(folder))

        case_by_case()
