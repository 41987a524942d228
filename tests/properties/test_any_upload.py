"""Whatever is dropped on the pages, edited there or sent to them: kept whole, or refused without a trace."""

import pytest

from properties.pages import PAGES
from properties.profile import hold_all
from properties.promise import Target

CASES = {"uploads": 250, "edited_jobs": 150, "requests": 300}


@pytest.mark.parametrize("target", PAGES, ids=[target.name for target in PAGES])
def test_it_is_kept_whole_or_refused_without_a_trace(target: Target) -> None:
    hold_all(target, CASES[target.name])
