"""How long a thread that waits for the others keeps its core before it sleeps.

torch's threads work in step, and GNU OpenMP lets those that wait spin for milliseconds. Beside other work
that is a trap: what spins uses up its share of the processor, and the one that all wait for is served last.
"""

import os

SPINS = "1000"  # libgomp has 300,000; `bench/busy.py`: no slower alone, twice as fast beside a busy process


def spin_briefly() -> None:
    """Sets libgomp's GOMP_SPINCOUNT, unless the user has said something of it; it is read with torch."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
