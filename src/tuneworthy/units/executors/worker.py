"""A worker process: takes units as JSON lines on stdin, tells progress as JSON lines on stdout."""

import json
from pathlib import Path
from typing import IO, Any

from tuneworthy.core.ending import Ended
from tuneworthy.core.unit import Unit
from tuneworthy.units.executors.giving_back import give_back_memory
from tuneworthy.units.executors.lines import converse_until_stopped, failed


def _serve(request: dict[str, Any], answers: IO[str]) -> None:
    def tell(**message: Any) -> None:
        answers.write(json.dumps(message) + "\n")

    try:
        from tuneworthy.units.execute import execute

        unit = Unit.model_validate(request["unit"])
        models = {role: Path(folder) for role, folder in request["models"].items()}
        run = Path(request["run"])
        execute(
            unit,
            run,
            models,
            lambda done, total, facts: tell(kind="progress", done=done, total=total, facts=facts),
        )
        give_back_memory()
        tell(kind="finished")
    except Ended:
        raise
    except BaseException as error:
        tell(**failed(error))


def main() -> None:
    """Runs units until stdin ends."""
    converse_until_stopped(_serve)


if __name__ == "__main__":
    main()
