"""One of the processes that hold a unit's model together: takes its request as a JSON line on stdin."""

import json
from pathlib import Path
from typing import IO, Any

from tuneworthy.core.ending import Ended
from tuneworthy.core.unit import Unit
from tuneworthy.units.executors.lines import converse_until_stopped, failed


def _serve(request: dict[str, Any], answers: IO[str]) -> None:
    def tell(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")

    def report(done: int, total: int, facts: dict[str, float]) -> None:
        if request["rank"] == 0:
            tell({"kind": "progress", "done": done, "total": total, "facts": facts})

    try:
        _run(request, report)
        tell({"kind": "finished"})
    except Ended:
        raise
    except BaseException as error:
        tell(_explained(error))


def _run(request: dict[str, Any], report: Any) -> None:
    """The unit as ever; what all but the first write goes where nobody looks."""
    from tuneworthy.models.process_group import join
    from tuneworthy.units.execute import execute

    unit, rank = Unit.model_validate(request["unit"]), int(request["rank"])
    models = {role: Path(folder) for role, folder in request["models"].items()}
    run, meeting = Path(request["run"]), Path(request["meeting"])
    with join(rank, unit.processes, meeting / "store"):
        execute(unit, run, models, report, None if rank == 0 else meeting / str(rank))


def _explained(error: BaseException) -> dict[str, Any]:
    """What is said of an error; a lack of memory is told apart."""
    from tuneworthy.engine.memory_probe import out_of_memory

    short = any(cause is not None and out_of_memory(cause) for cause in (error, error.__cause__))
    said = failed(error) | {"memory": short}
    if short and said["kind"] == "crashed":
        said |= {"kind": "refused", "error": "ModelError", "message": "memory ran out"}
    return said


def main() -> None:
    """Runs units until stdin ends."""
    converse_until_stopped(_serve)


if __name__ == "__main__":
    main()
