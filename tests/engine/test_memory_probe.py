"""Which errors say that memory ran out."""

import subprocess
import sys

from tuneworthy.engine.memory_probe import out_of_memory

WITHOUT_ROOM = """
import resource, threading
from pathlib import Path

pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**20, -1))
try:
    threading.Thread(target=print).start()
except RuntimeError as error:
    print(error)
"""


def test_a_thread_for_which_there_is_no_room_is_a_want_of_memory() -> None:
    said = subprocess.run([sys.executable, "-c", WITHOUT_ROOM], capture_output=True, text=True).stdout.strip()
    assert said and out_of_memory(RuntimeError(said))
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
