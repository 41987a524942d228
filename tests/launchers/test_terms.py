"""Terms that cannot be met, and jobs that cannot leave, are told before anything is sent."""

from pathlib import Path

import pytest

from launched import toy_job, wanted
from tuneworthy import launching
from tuneworthy.core.errors import JobError


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"max_cost": 1.0}, r"2\.0 h of L4 cost up to \$2\.25, more than --max-cost 1: .*--time-limit 53m"),
        ({"time_limit": "3"}, "--time-limit should be a time such as"),
        ({"instance": "B999"}, "no price is known of B999: say --price"),
        ({"options": ("clod=aws",)}, "no such option: "),
        ({"options": ("disk_gb=few",)}, "--with disk_gb"),
        ({"options": ("spot",)}, "write it as key=value"),
    ],
)
def test_terms_that_cannot_be_met_are_one_sentence(changes: dict[str, object], told: str) -> None:
    with pytest.raises(JobError, match=told):
        launching.dry_run(toy_job(), wanted("skypilot", **changes))


def test_a_job_that_needs_a_key_or_has_a_fault_is_not_sent() -> None:
    with pytest.raises(JobError, match="no key is sent along"):
        launching.dry_run(
            toy_job("prompt_model=openai:m@http://localhost:1/v1", "arms=[majority, zero_shot]"),
            wanted("skypilot"),
        )
    rows = Path("toy.csv").read_text().splitlines()
    Path("toy.csv").write_text("\n".join([*rows, *(f"{r.rpartition(',')[0]},refund" for r in rows[1:30])]))
    with pytest.raises(JobError, match="nothing is sent: TW"):
        launching.dry_run(toy_job(), wanted("skypilot"))
