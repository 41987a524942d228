"""Simulated units on a test cluster: what scheduling costs when the work costs nothing."""

import os
import re
import time
from pathlib import Path
from typing import Any

from common import figure
from tuneworthy.core.unit import Unit
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.units.executors.ray import RayExecutor

UNIT_S = 0.5
PROJECTED = 10_000
PLOT = Path(__file__).parents[1] / "docs" / "images" / "speed_up.svg"
UNIT = Unit(
    method="majority",
    parameters={},
    task="text-classification",
    labels=("a", "b"),
    instruction="",
    metric="accuracy",
    fold=None,
    seed=0,
    fit="f",
    validation="v",
    predict="p",
    models={},
    dtype="float32",
    threads=1,
    implementation="asleep",
)


def sleeping(described: str, order: Any, inputs: list[Any], mailbox: Any) -> dict[str, Any]:
    """In the place of `run_unit`: writes an output as a unit does, and sleeps for the rest of its time."""
    import time
    from pathlib import Path

    from tuneworthy.core.unit import Unit
    from tuneworthy.runfolder.unit_output import UnitWriter
    from tuneworthy.units.executors.ray_worker import Teller

    begun = time.perf_counter()
    unit = Unit.model_validate_json(described)
    teller = Teller(mailbox, unit.address)
    teller.started()
    UnitWriter(Path(order.run) / "units" / unit.address).finish(unit, [], {"cost": {}, "facts": {}})
    time.sleep(max(0.0, unit.parameters["seconds"] - (time.perf_counter() - begun)))
    teller.close()
    return {"kind": "finished", "output": None}


def units_of(count: int, seconds: float) -> list[Unit]:
    """Units that differ in their seed and in how long they take."""
    update: dict[str, Any] = {"parameters": {"seconds": seconds}}
    return [UNIT.model_copy(update={**update, "seed": number}) for number in range(count)]


def measured_units(place: Path, address: str, nodes: int, count: int) -> dict[str, Any]:
    """Runs them through the executor of a job, after its workers have started.

    Each count of nodes has a workspace of its own: a run takes over what a sibling has finished.
    """
    executor = RayExecutor(address, nodes, work=sleeping)
    try:
        with RunFolder(place / f"warm-{nodes}" / "run") as folder:
            executor.run(units_of(4 * nodes, 0.25), folder, {})
        with RunFolder(place / f"units-{nodes}" / "run") as folder:
            begun, used = time.perf_counter(), time.process_time()
            executor.run(units_of(count, UNIT_S), folder, {})
            seconds, driver = time.perf_counter() - begun, time.process_time() - used
    finally:
        executor.close()
    ideal = count * UNIT_S / nodes
    overhead = 1000 * (seconds * nodes / count - UNIT_S)
    busiest = 1000 * driver / count  # the driver's own processor time: the one part that nodes do not share
    projected = PROJECTED * max((UNIT_S + overhead / 1000) / nodes, busiest / 1000)
    print(
        f"units on {nodes} nodes: {count} in {seconds:.1f} s (ideal {ideal:.1f} s); "
        f"a unit: {overhead:.1f} ms overhead, {busiest:.1f} ms of the driver, load {os.getloadavg()[0]:.0f}"
    )
    return {
        f"units: share of the ideal on {nodes} nodes": figure(ideal / seconds, "share", 0.85, n=count),
        f"units: overhead a unit on {nodes} nodes": figure(overhead, "ms", 20, True, count),
        f"units: driver's time a unit on {nodes} nodes": figure(busiest, "ms", n=count),
        f"units: {PROJECTED} units on {nodes} nodes, projected": figure(projected, "s"),
    }


def drawn(figures: dict[str, Any]) -> Path:
    """The speed-up against the number of nodes, beside the ideal."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "scale_out"
    pattern = re.compile(r"units: share of the ideal on (\d+) nodes")
    found = {int(m[1]): one["value"] for name, one in figures.items() if (m := pattern.fullmatch(name))}
    nodes = sorted(found)
    picture, axes = pyplot.subplots(figsize=(5, 3.2))
    axes.plot([0, nodes[-1]], [0, nodes[-1]], color="0.7", label="ideal")
    axes.plot(nodes, [found[n] * n for n in nodes], "o-", label=f"measured, units of {UNIT_S:g} s")
    axes.set_xlabel("nodes of one CPU")
    axes.set_ylabel("speed-up over one")
    axes.legend(frameon=False)
    picture.tight_layout()
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(PLOT, metadata={"Date": None})
    pyplot.close(picture)
    return PLOT
