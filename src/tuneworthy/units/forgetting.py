"""Units that measure what a model can do besides the task: the base model once, and a fine-tune of it.

They depend on no row and no label, so that a later run of the same base model takes its measurement over.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from tuneworthy.capabilities import digests
from tuneworthy.core.hashing import address
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ModelRef, ModelRole, Unit
from tuneworthy.methods import METHODS, Adapting, Report
from tuneworthy.runfolder.unit_output import read_unit_file
from tuneworthy.units.adaptation import starting_models
from tuneworthy.units.implementation import digest_of
from tuneworthy.units.plan import NOTHING

if TYPE_CHECKING:
    from tuneworthy.models.decoder import Decoder

BASE = "base model"  # in the place of a method


def tunes_decoder(fit: Unit) -> bool:
    """Whether a fit leaves a decoder that still writes whatever it is asked."""
    from tuneworthy.methods._tuned_decoder import TunesDecoder

    return isinstance(METHODS.get(_last(fit)), TunesDecoder)


def capability_unit(
    base: ModelRef, threads: int, method: str = BASE, fit: str | None = None, processes: int = 1
) -> Unit:
    """The unit that measures a base model, or a fit of it.

    Args:
        base: the base model.
        threads: of the unit, which runs alone.
        method: the arm whose fit is measured.
        fit: address of that fit, whose model is saved; None for the base model itself.
        processes: that hold the model together, as the fit's did.
    """
    return Unit(
        method=method,
        parameters={"processes": processes} if processes > 1 else {},
        task="",
        labels=(),
        instruction="",
        metric="",
        purpose="forgetting",
        fold=None,
        seed=0,
        fit=NOTHING,
        validation=NOTHING,
        predict=NOTHING,
        models={"decoder": base},
        start=fit,
        dtype="float32",
        threads=threads,
        implementation=address([digest_of("tuneworthy.engine.capabilities"), digests()]),
    )


def measured(
    unit: Unit, run: Path, models: dict[ModelRole, Path], report: Report
) -> tuple[list[Prediction], float]:
    """The predictions of a unit that measures, and the seconds it took after loading."""
    from tuneworthy.engine.capabilities import measure_capabilities

    decoder = _decoder(unit, run, models)
    started = time.perf_counter()
    found = measure_capabilities(decoder, lambda done, total: report(done, total, {}))
    return found, time.perf_counter() - started


def _decoder(unit: Unit, run: Path, models: dict[ModelRole, Path]) -> "Decoder":
    """The base model, or that of the fit."""
    from tuneworthy.methods._tuned_decoder import TunesDecoder, split_decoder
    from tuneworthy.models.decoder import let_go, shared_decoder
    from tuneworthy.models.process_group import joined

    if unit.start is None:
        return split_decoder(models["decoder"]) if joined() else shared_decoder(models["decoder"], "float32")
    let_go()  # memory holds one of the two, not both
    folder = run / "units" / unit.start
    fit = read_unit_file(folder)
    method = METHODS.get(_last(fit))
    assert isinstance(method, TunesDecoder)
    return method.tuned_decoder(starting_models(fit, run, models)["decoder"], folder / "model")


def _last(fit: Unit) -> str:
    """The method that changed the weights last: an arm that adapts hands over to another one."""
    method = METHODS.get(fit.method)
    return str(fit.parameters["then"]) if isinstance(method, Adapting) else fit.method
