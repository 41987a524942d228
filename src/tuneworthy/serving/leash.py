"""`python -m tuneworthy.serving.leash COMMAND...`: runs a command that does not outlive who started it.

The parent holds its stdin, which closes when the parent ends, even one that is killed. The command, and what
it has started, are then ended too. It leads a process group of its own and imports next to nothing.
"""

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

PATIENCE_S = 10.0
LOOK_S = 0.2  # between two looks at whether the command has ended by itself


def main() -> int:
    """Runs the command; returns its exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):  # to the group: the command's to follow, not ours
        signal.signal(number, lambda number, frame: None)
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    while process.poll() is None:
        if select.select([0], [], [], LOOK_S)[0] and not os.read(0, 1):
            os.killpg(0, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_S)
            os.killpg(0, signal.SIGKILL)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
