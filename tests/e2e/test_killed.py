"""A reduced run of the kill study; the whole one is `python bench/faults.py`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "faults.py"


@pytest.mark.slow
def test_jobs_that_are_killed_at_random_moments_end_in_the_same_bits(tmp_path: Path) -> None:
    options = ["--only", "tiny", "--points", "3", "--seed", "7", "--place", "jobs", "--results", "results"]
    done = subprocess.run(
        [sys.executable, str(BENCH), *options], stdout=subprocess.PIPE, text=True, check=True
    )
    figures = json.loads(done.stdout.splitlines()[-1])["figures"]
    assert all(figure["met"] for figure in figures.values()), figures
    assert len(list((tmp_path / "results").glob("tiny-*.json"))) == 3
