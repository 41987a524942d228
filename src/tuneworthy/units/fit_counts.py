"""How many rows a job's fits learn from, and how often, before anything is split or run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tuneworthy.core.job import Job
from tuneworthy.data.splits import choose_protocol
from tuneworthy.methods import METHODS, Adapting
from tuneworthy.units.plan import method_of, seeds_of

Counts = tuple[tuple[int, float], ...]  # rows of a fit, and how many such fits there are


@dataclass(frozen=True, slots=True)
class FitCounts:
    """The fits of any one arm of a job.

    Attributes:
        learned: rows of a measured fit, without those that are set aside for validation.
        given: with them: what an arm learns from that chooses nothing on them.
        folds: parts of the table that are held out, one after the other.
        seeds: measured fits of each fine-tuned arm for each fold, by arm.
        everything: rows of the final fit.
        searches: what a search takes for each fold, in fits, by arm.
    """

    learned: int
    given: int
    folds: int
    seeds: Mapping[str, int]
    everything: int
    searches: Mapping[str, float] = field(default_factory=dict)

    @property
    def smallest(self) -> int:
        """Rows of the smallest fit."""
        return min(self.learned, self.everything)

    def of(self, method: str, validated: bool = True) -> Counts:
        """Rows and number of an arm's measured fits, and of its final one.

        Args:
            method: the arm.
            validated: whether it sets validation rows aside.
        """
        times = self.folds * (self.seeds.get(method, 1) + self.searches.get(method, 0))
        return (self.learned if validated else self.given, times), (self.everything, 1)


def fit_counts(job: Job, rows: int, has_test: bool) -> FitCounts:
    """The fits of a job with so many training rows, by the protocol it will choose; without searches."""
    protocol = choose_protocol(job.protocol, rows, has_test)
    if protocol == "crossfit":
        given, folds = rows * (1 - 1 / job.folds), job.folds
    else:
        given, folds = rows * (1 if has_test else 1 - job.test_fraction), 1
    known = [METHODS.get(name) for name in METHODS.names()]
    tuned = [method for method in known if method.kind == "tuned" and not isinstance(method, Adapting)]
    return FitCounts(
        learned=max(1, round(given * (1 - job.validation_fraction))),
        given=max(1, round(given)),
        folds=folds,
        seeds={one.name: seeds_of(job, method_of(one.name, job), protocol) for one in tuned},
        everything=rows,
    )
