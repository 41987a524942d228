"""Which settings to try next, by Optuna; what it was asked and told stays in a journal for its tools."""

from pathlib import Path
from typing import Any

from tuneworthy.core.errors import JobError
from tuneworthy.methods import Range, Space

STARTUP = 4  # trials at random, the default settings among them, before TPE has something to go by


class Sampler:
    """Tree-structured Parzen estimation (Bergstra et al. 2011), over a study that starts at the defaults.

    What it proposes depends on the seed and on the scores so far and on nothing else, so that a search that
    was stopped proposes the same again.
    """

    def __init__(self, journal: Path, name: str, space: Space, values: dict[str, Any], seed: int) -> None:
        """Starts the study anew.

        Raises:
            JobError: Optuna is not installed.
        """
        try:
            import optuna
            from optuna.storages import JournalStorage
            from optuna.storages.journal import JournalFileBackend
        except ImportError as error:
            raise JobError("a search needs Optuna: pip install 'tuneworthy[search]'.") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._seed = space, seed
        self._distributions = {name: _distribution(within) for name, within in space.items()}
        # The run's lock is ours, so this one was left by a run that was killed: Optuna would wait for it.
        journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
        try:
            storage = JournalStorage(JournalFileBackend(str(journal)))
        except Exception:  # a torn or edited line: every study here is only for Optuna's own tools
            journal.unlink()
            storage = JournalStorage(JournalFileBackend(str(journal)))
        if name in optuna.get_all_study_names(storage):
            optuna.delete_study(study_name=name, storage=storage)
        self.study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
        self.study.enqueue_trial({name: _index(within, values[name]) for name, within in space.items()})

    def ask(self) -> tuple[int, dict[str, Any]]:
        """The next trial's number and its values."""
        from optuna.samplers import TPESampler

        number = len(self.study.trials) - sum(t.state.name == "WAITING" for t in self.study.trials)
        seed = 1000 * self._seed + number
        self.study.sampler = TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=True)
        trial = self.study.ask(self._distributions)
        values = {
            name: trial.params[name] if isinstance(within, Range) else within[trial.params[name]]
            for name, within in self._space.items()
        }
        return trial.number, values

    def tell(self, number: int, score: float | None) -> None:
        """How the trial did; None for one that failed."""
        from optuna.trial import TrialState

        if score is None:
            self.study.tell(number, state=TrialState.FAIL)
        else:
            self.study.tell(number, score)


def importances(study: Any) -> dict[str, float]:
    """The share of the variation of the scores that each parameter explains (fANOVA, Hutter et al. 2014).

    Empty where scores do not vary, or there are fewer than four.
    """
    import optuna

    scores = {trial.value for trial in study.trials if trial.value is not None}
    if len(scores) < 2 or sum(trial.value is not None for trial in study.trials) < STARTUP:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: round(float(share), 3) for name, share in found.items()}


def _distribution(within: Range | tuple[Any, ...]) -> Any:
    """Choices are searched by their place, which keeps their order and any type."""
    from optuna.distributions import FloatDistribution, IntDistribution

    if isinstance(within, Range):
        return FloatDistribution(within.low, within.high, log=True)
    return IntDistribution(0, len(within) - 1)


def _index(within: Range | tuple[Any, ...], value: Any) -> Any:
    return value if isinstance(within, Range) else within.index(value)
