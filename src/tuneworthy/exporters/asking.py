"""A fresh process that is asked in JSON: what an artefact's user has, and nothing of this package."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import ModelError

SCRIPTS = Path(__file__).with_name("fresh")
SHOWN = 300  # characters of a failure


def ask(script: str, request: Mapping[str, Any], what: str, python: Path | None = None) -> dict[str, Any]:
    """Runs `fresh/<script>.py` on a request and returns its reply.

    The process is started with `-P`, so that no folder of this package is on its path, and offline, so that
    it loads what is there and fetches nothing.

    Args:
        script: name of a file in `fresh/`.
        request: JSON-ready.
        what: the artefact, for the message where it fails.
        python: the interpreter of another environment; this one's where it is None.

    Raises:
        ModelError: the process failed; the last line that it said is in the message.
    """
    with tempfile.TemporaryDirectory(prefix="tuneworthy-ask-") as scratch:
        asked, replied = Path(scratch) / "request.json", Path(scratch) / "reply.json"
        asked.write_text(json.dumps(request, ensure_ascii=False), encoding="utf-8")
        command = [
            str(python or sys.executable),
            "-P",
            str(SCRIPTS / f"{script}.py"),
            str(asked),
            str(replied),
        ]
        settings = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        done = subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", errors="replace", env=settings
        )
        if done.returncode != 0 or not replied.exists():
            raise ModelError(f"{what} cannot be loaded by plain libraries: {_last_words(done)}.")
        reply: dict[str, Any] = json.loads(replied.read_text(encoding="utf-8"))
        return reply


def _last_words(done: "subprocess.CompletedProcess[str]") -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return (lines[-1] if lines else f"exit code {done.returncode}")[:SHOWN].rstrip(".")
