"""The two models of the playground: what a run recommends, and its base model before any training."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tuneworthy.core.errors import TuneworthyError
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import Unit
from tuneworthy.data.forms import Cells
from tuneworthy.data.jobfile import load_job
from tuneworthy.methods import METHODS, Fitted
from tuneworthy.tasks import TASKS, form_of
from tuneworthy.units.predictor import Predictor
from tuneworthy.units.untuned import untuned, written

LONGEST_INPUT = 20_000  # characters
_loading = threading.Lock()


@dataclass(frozen=True, slots=True)
class Pair:
    """Both models of a run; where the base model cannot be had, why."""

    unit: Unit
    tuned: Predictor
    base: Fitted | None
    why_no_base: str


def pair_of(run: Path) -> Pair:
    """Both models, loaded once for as long as the run's model stays as it is.

    Raises:
        RunFolderError, ModelError: see `Predictor`.
    """
    with _loading:
        return _loaded(run, (run / "model.json").stat().st_mtime_ns if (run / "model.json").exists() else 0)


@lru_cache(maxsize=1)
def _loaded(run: Path, version: int) -> Pair:
    tuned = Predictor(run)
    name = load_job(run / "job.yaml", (), METHODS.names()).base_model
    try:
        return Pair(tuned.unit, tuned, untuned(run, tuned.unit, name), "")
    except TuneworthyError as error:
        return Pair(tuned.unit, tuned, None, str(error))


def as_in_training(pair: Pair, text: str) -> str:
    """A text as the run's rows were read: tokens or the turns of a chat where its form says so."""
    return form_of(TASKS.get(pair.unit.task)).read(Cells(text[:LONGEST_INPUT], None)).input


def recommended_answer(pair: Pair, text: str) -> Iterator[Prediction]:
    """What the recommended model says, ever more of it where it writes.

    Raises:
        ConsentError: the text would be sent to another machine: a page never does that.
    """
    return pair.tuned.stream(text)


def base_answer(pair: Pair, text: str) -> Iterator[Prediction]:
    """What the untuned base model says; nothing where there is none."""
    return iter(()) if pair.base is None else written(pair.base, text)
