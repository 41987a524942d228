"""Whatever templates, labels and schemas hold: a prompt that ends, labels that differ, or a sentence."""

import pytest

from properties.profile import hold_all
from properties.promise import Target
from properties.prompting import PROMPTING

CASES = {"prompts": 120, "chat_templates": 40, "label_sets": 150, "json_schemas": 300}


@pytest.mark.parametrize("target", PROMPTING, ids=[target.name for target in PROMPTING])
def test_it_is_used_or_refused_in_a_sentence(target: Target) -> None:
    hold_all(target, CASES[target.name])
