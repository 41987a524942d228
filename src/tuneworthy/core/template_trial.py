"""Whether somebody else's template ends: it is rendered in a process that has little time and memory.

A sandbox keeps a template from files and from Python, not from going on for ever. That a template fails is
for whoever uses it to say. This file is also the script of that process: it imports nothing of the package.
"""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

MOST_BYTES = 2**30
LONGEST = 2**26  # characters of one text
LONGEST_S = 120.0  # by the clock, on a machine that is busy with other work
TOO_MUCH = 3  # exit code


def ends(template: str, variables: Sequence[dict[str, Any]], seconds: int, chat: bool = False) -> bool:
    """Whether the template ends with each of these variables.

    Args:
        template: Jinja.
        variables: JSON objects.
        seconds: of processor time, for all of them.
        chat: it is a model's chat template, which transformers renders with names of its own.
    """
    return _tried(template, json.dumps(variables), seconds, chat)


@lru_cache(maxsize=64)
def _tried(template: str, variables: str, seconds: int, chat: bool) -> bool:
    asked = {"template": template, "variables": json.loads(variables), "seconds": seconds, "chat": chat}
    command = [sys.executable, "-I", __file__]
    try:
        done = subprocess.run(
            command, input=json.dumps(asked).encode(), capture_output=True, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        return False
    # What killed it was the kernel, for its time; another exit code is a fault of the trial itself.
    return done.returncode >= 0 and done.returncode != TOO_MUCH


def _main() -> int:
    asked = json.load(sys.stdin)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (asked["seconds"], asked["seconds"]))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    except (ImportError, ValueError, OSError):
        pass  # elsewhere the caller's clock alone ends it
    try:
        compiled = _compiled(asked["template"], asked["chat"])
    except MemoryError:
        return TOO_MUCH
    except Exception:
        return 0
    for variables in asked["variables"]:
        written = 0
        try:
            for part in compiled.generate(**variables):
                written += len(part)
                if written > LONGEST:
                    return TOO_MUCH
        except MemoryError:
            return TOO_MUCH
        except Exception:
            continue
    return 0


def _compiled(template: str, chat: bool) -> Any:
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    if not chat:
        return ImmutableSandboxedEnvironment().from_string(template)
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])

    def refuse(message: str) -> None:
        raise ValueError(message)

    made.globals.update(raise_exception=refuse, strftime_now=lambda form: datetime.now().strftime(form))
    return made.from_string(re.sub(r"\{%-?\s*(?:end)?generation\s*-?%\}", "", template))


if __name__ == "__main__":
    sys.exit(_main())
