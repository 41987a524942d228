"""Terms that cannot be met, and jobs that cannot leave, are told before anything is sent."""

from dataclasses import replace
from pathlib import Path

import pytest

from launched import OPTIONS, toy_job, wanted
from tuneworthy import launching
from tuneworthy.core.errors import JobError, TuneworthyError
from tuneworthy.launchers import LAUNCHERS
from tuneworthy.launchers.terms import SECRET, Wanted, terms_of
from tuneworthy.models.machines import read_market


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"max_cost": 1.0}, r"2\.0 h of L4 cost up to \$2\.25, more than --max-cost 1: .*--time-limit 53m"),
        ({"time_limit": "3"}, "--time-limit should be a time such as"),
        ({"instance": "B999"}, "no price is known of B999: say --price"),
        ({"max_cost": float("inf")}, "--max-cost should be an amount of US dollars, got inf"),
        ({"price": float("nan")}, "--price should be an amount of US dollars, got nan"),
        ({"output": Path("toy.csv")}, r"toy\.csv cannot be written \(Not a directory: a file is where"),
        ({"options": ("clod=aws",)}, "no such option: "),
        ({"options": ("disk_gb=few",)}, "--with disk_gb"),
        ({"options": ("spot=true",)}, "a spot machine takes what it has done along: say --with bucket="),
        ({"options": ("spot",)}, "write it as key=value"),
    ],
)
def test_terms_that_cannot_be_met_are_one_sentence(
    changes: dict[str, object], told: str, unexamined: None
) -> None:
    with pytest.raises(TuneworthyError, match=told):
        launching.dry_run(toy_job(), wanted("skypilot", **changes))


@pytest.mark.parametrize(("cost", "price"), [(1.0, 1.12), (0.05, 1.0), (0.01, 1.12), (0.1, 0.3), (3.0, 7.0)])
def test_the_time_limit_that_is_suggested_is_allowed(cost: float, price: float) -> None:
    launcher, market = LAUNCHERS.get("skypilot"), read_market()
    dear = Wanted("skypilot", max_cost=cost, time_limit="99h", price=price)
    with pytest.raises(JobError, match="--time-limit") as refused:
        terms_of(launcher, dear, market)
    shorter = str(refused.value).rpartition(" ")[2].rstrip(".")
    allowed = terms_of(launcher, replace(dear, time_limit=shorter), market)
    assert 0.7 * cost < allowed.usd <= cost


def test_no_time_limit_is_suggested_where_nothing_may_be_spent() -> None:
    with pytest.raises(JobError, match=r"more than --max-cost 0: allow more\.$"):
        terms_of(LAUNCHERS.get("skypilot"), Wanted("skypilot", 0.0, "1h", price=1.0), read_market())


SECRETS = [
    ("ray", "address=http://me:s3cretpw@head:8265"),
    ("ray", "address=me:s3cretpw@head:8265"),
    ("ray", "address=https://s3cretpw@head:8265"),
    ("ray", "storage=ftp://u:s3cretpw@h/x"),
    ("ray", "storage=simplecache::ftp://u:s3cretpw#1@h/x"),
    ("ray", "http://me:s3cretpw@head:8265"),
    ("skypilot", "bucket=s3://key:s3cretpw@mine"),
]


@pytest.mark.parametrize(("where", "option"), SECRETS)
def test_a_password_in_a_url_is_refused_and_not_repeated(where: str, option: str) -> None:
    given = [one for one in OPTIONS.get(where, ()) if one.partition("=")[0] != option.partition("=")[0]]
    with pytest.raises(JobError, match="a user or a password") as error:
        launching.dry_run(toy_job(), wanted(where, options=(*given, option)))
    assert "s3cretpw" not in str(error.value)


@pytest.mark.parametrize(
    "value", ["sftp://me@host/x", "abfs://box@account.dfs.core.windows.net/x", "python:3.12@sha256:ab", "a:b"]
)
def test_a_user_or_a_digest_alone_is_no_password(value: str) -> None:
    assert not SECRET.search(value)


def test_a_password_in_the_address_of_workers_is_refused_and_not_repeated() -> None:
    for workers in ("ray://me:s3cretpw@head:10001", "me:s3cretpw@head:6379"):
        with pytest.raises(JobError, match="a user or a password") as error:
            toy_job(f"workers={workers}")
        assert "s3cretpw" not in str(error.value)


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
