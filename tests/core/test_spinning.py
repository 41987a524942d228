"""Threads that wait for one another give their cores back soon, unless the user says otherwise."""

import os
import subprocess
import sys

import pytest

from tuneworthy.core.spinning import SPINS

ASK = "import os, sys, tuneworthy; print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"


@pytest.mark.parametrize(
    ("own", "found"),
    [({}, SPINS), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")],
)
def test_the_spin_is_set_before_torch_is_loaded_where_the_user_has_not(
    own: dict[str, str], found: str
) -> None:
    kept = {
        name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    told = subprocess.run([sys.executable, "-c", ASK], env={**kept, **own}, capture_output=True, text=True)
    assert told.stdout.split() == [found, "False"]
