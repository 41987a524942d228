"""What a unit has freed is not held while the next one waits for it."""

import subprocess
import sys

import pytest

FREED = """
import psutil
from tuneworthy.units.executors.giving_back import give_back_memory
held = lambda: psutil.Process().memory_info().rss / 2**20
pieces = [bytes(50_000) for _ in range(4_000)]  # 190 MiB, in pieces too small to be mapped one by one
last = bytes(50_000)  # above them all, so that the heap's end cannot sink
del pieces
before = held()
give_back_memory()
print(before - held())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_memory_that_is_freed_is_given_back() -> None:
    ran = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    assert float(ran.stdout) > 100
