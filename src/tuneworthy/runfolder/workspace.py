"""What the runs of one place share: the ledger of test rows, and the answers that endpoints gave."""

import os
from pathlib import Path


def workspace() -> Path:
    """`$TUNEWORTHY_WORKSPACE`, else `runs/` below the current folder."""
    return Path(os.environ.get("TUNEWORTHY_WORKSPACE", "runs"))
