"""Fits that failed by themselves: kept with their reason, so that their arm is left out and the others go on.

A fit fails so when it diverges at every rate that was tried, or when memory runs out. The first fails again
wherever it is run; the second may not, so such a unit is tried again at the next start.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import DivergedError, ModelError, TuneworthyError
from tuneworthy.core.unit import Unit
from tuneworthy.runfolder.unit_output import MEMORY, UnitWriter, is_finished, ran_out_of_memory, read_metrics

FAILED = "failed"  # the fact of such a unit that says why; MEMORY, whether it was that


def failure(unit: Unit, error: BaseException) -> dict[str, Any] | None:
    """The facts of a unit that fails alone with this error; None for an error that ends the run."""
    from tuneworthy.engine.memory_probe import out_of_memory

    causes = [error, error.__cause__]
    if any(cause is not None and out_of_memory(cause) for cause in causes):
        told = str(error) if isinstance(error, ModelError) else "memory ran out"
        return {FAILED: told, MEMORY: True} if _may_fail(unit) else None
    if isinstance(error, DivergedError):
        return {FAILED: str(error)} if _may_fail(unit) else None
    # A search's setting, or a part of the rows with too few of them or of the labels.
    lesser = {"trial": (ModelError,), "curve": (TuneworthyError, ValueError)}.get(unit.purpose, ())
    return {FAILED: str(error)} if isinstance(error, lesser) else None


def raise_for_memory(unit: Unit, error: BaseException) -> None:
    """Raises ModelError, one sentence, where it was memory that ran out in a unit that may not fail."""
    from tuneworthy.engine.memory_probe import out_of_memory

    if out_of_memory(error):
        raise ModelError(
            f"memory ran out in '{unit.title}': finished units are kept; close other programs or try "
            "--workers 1, then the same command again continues."
        ) from error


def _may_fail(unit: Unit) -> bool:
    """The final fit may not: there is no other one to predict with."""
    return unit.purpose in ("evaluate", "curve", "trial")


def keep_killed(unit: Unit, run: Path, code: int) -> bool:
    """Writes the output of a unit whose process was killed, twice; False for one that may not fail."""
    if not _may_fail(unit):
        return False
    why = f"its process was killed twice (code {code}), most likely because memory ran out"
    with UnitWriter(run / "units" / unit.address) as writer:
        writer.finish(unit, [], {"cost": {}, "facts": {FAILED: why, MEMORY: True}})
    return True


def forget_lack_of_memory(output: Path) -> bool:
    """Removes a finished output that says that memory ran out: there may be more now. Whether it did."""
    if not is_finished(output) or not ran_out_of_memory(output):
        return False
    shutil.rmtree(output)
    return True


def failed_arms(units: Sequence[Unit], run: Path) -> dict[str, str]:
    """Why an arm is left out, by its name: the first of its fits that failed."""
    found: dict[str, str] = {}
    for unit in units:
        if unit.method not in found:
            facts = read_metrics(run / "units" / unit.address)["facts"]
            if unit.purpose == "evaluate" and FAILED in facts:
                found[unit.method] = f"'{unit.title}' failed: {facts[FAILED]}"
    return found


def require_one(outputs: Sequence[object], units: Sequence[Unit], run: Path) -> None:
    """Raises ModelError where every arm is left out: there is nothing to compare."""
    if not outputs:
        failures = sentences(failed_arms(units, run)) or ("None was run.",)
        raise ModelError(f"no arm without training came to an end. {' '.join(failures)}")


def sentences(failures: dict[str, str]) -> tuple[str, ...]:
    """What the report says of the arms that are left out."""
    return tuple(f"{arm} is left out: {why.rstrip('.')}." for arm, why in failures.items())
