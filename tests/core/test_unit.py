"""A unit's address is what decides its output."""

from typing import Any

from tuneworthy.core.hashing import address
from tuneworthy.core.unit import Unit


def unit(**more: Any) -> Unit:
    return Unit(
        method="zero_shot",
        parameters={},
        task="structured-extraction",
        labels=("city",),
        instruction="Do it.",
        metric="field_f1",
        fold=None,
        seed=0,
        fit="a",
        validation="b",
        predict="c",
        models={},
        dtype="float32",
        threads=1,
        implementation="d",
        **more,
    )


def test_the_constraint_counts_only_where_the_job_says_something_about_it() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    plain = unit().model_dump(
        mode="json", exclude={"json_schema", "constrain", "prompt", "until", "share", "start"}
    )
    assert unit().address == address(plain)
    assert len({unit().address, unit(json_schema=schema).address, unit(constrain=False).address}) == 3
