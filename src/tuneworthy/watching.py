"""A question that is asked while fine-tunes are measured: is one better already, or can none become so?

After every round of folds the arms are compared under the rule declared beforehand (`evaluation.sequential`).
An arm stops when it is shown to be better than every untuned arm, and for futility when no outcome of the
rows left could show that, or hardly any that can be hoped for. Futility never helps a claim: it may be
ignored at will (non-binding), so it costs no error rate.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tuneworthy.core.evidence import Evidence
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.stopping import Stop, Why
from tuneworthy.evaluation.assemble import ArmOutput
from tuneworthy.evaluation.looks import Looks, chance_to_win
from tuneworthy.evaluation.sequential import LARGEST, spent
from tuneworthy.verdict.facts import comparison, p_against_all, passes_fine_tune, untuned

FILE = "sequential.json"
LEAST_CHANCE = (
    0.1  # to show a gain in the end, below which an arm is given up (Jennison & Turnbull 2000, ch. 10)
)
RULE = "Lan-DeMets alpha spending, O'Brien-Fleming type, by share of the rows seen"

EvidenceOf = Callable[[Sequence[ArmOutput], Mapping[str, Looks]], Evidence]


@dataclass
class Watch:
    """What the sequential test of a run knows.

    Attributes:
        evidence_of: evidence with the fine-tuned arms as far as they are measured.
        truth: the test rows with their targets.
        labels_only: whether a best answer can be made up for a row: answers are labels, and the metric looks
            at nothing else.
        folds: ids of each round's rows, in the order of the rounds.
        planned: rounds that an arm is to be measured on, by arm.
        seen: ids that each look of an arm added.
        stops: of arms, in the order they stopped.
    """

    evidence_of: EvidenceOf
    truth: Mapping[str, Example]
    labels_only: bool
    folds: list[frozenset[str]] = field(default_factory=list)
    planned: dict[str, list[int]] = field(default_factory=dict)
    seen: dict[str, list[frozenset[str]]] = field(default_factory=dict)
    stops: list[Stop] = field(default_factory=list)

    @property
    def looks(self) -> dict[str, Looks]:
        """The looks of every arm that has been measured on some rows."""
        return {arm: Looks(tuple(rows), self._rows(arm)) for arm, rows in self.seen.items()}

    def goes_on(self, arm: str) -> bool:
        """Whether an arm has not been stopped."""
        return all(stop.method != arm for stop in self.stops)

    def saw(self, arm: str, number: int) -> None:
        """An arm has been measured on a round's rows."""
        self.seen.setdefault(arm, []).append(self.folds[number])

    def look(self, outputs: Sequence[ArmOutput]) -> list[Stop]:
        """Asks once, and returns the arms that stop now; nothing can stop an arm with no rounds left."""
        running = [one for one in outputs if self.goes_on(one.method) and self._left(one.method)]
        if not running:
            return []
        evidence = self.evidence_of(outputs, self.looks)
        # Arms that are planned and not measured yet belong to Holm's family from the first look on.
        to_come = sum(bool(rounds) for rounds in self.planned.values()) - len(outputs)
        past = max(0, evidence.past_tuned_arms) + max(0, to_come)
        evidence = evidence.model_copy(update={"past_tuned_arms": past})
        shown = {arm.method for arm in passes_fine_tune(evidence)}
        found = [self._stop(one, evidence, shown, outputs) for one in running]
        new = [stop for stop in found if stop is not None]
        self.stops += new
        return new

    def _stop(
        self, output: ArmOutput, evidence: Evidence, shown: set[str], outputs: Sequence[ArmOutput]
    ) -> Stop | None:
        arm, alpha = output.method, evidence.thresholds.alpha
        looks = self.looks[arm]
        chance = self.chance(arm, evidence)
        why: Why
        if shown:
            why = "shown" if arm in shown else "another_shown"
        elif self.labels_only and self._hopeless(output, outputs, alpha / (1 + evidence.past_tuned_arms)):
            why = "out_of_reach"
        elif chance < LEAST_CHANCE:
            why = "unlikely"
        else:
            return None
        return Stop(
            method=arm,
            rows=len(output.predictions),
            planned=self._rows(arm),
            looks=len(looks.rows),
            spent=spent(alpha, looks.shares[-1]),
            alpha=alpha,
            why=why,
            chance=chance if why == "unlikely" else None,
        )

    def chance(self, arm: str, evidence: Evidence) -> float:
        """The least chance, over untuned arms, that the last look shows an arm to be better."""
        looks = self.looks[arm]
        rest = self._left(arm)
        final = Looks((*looks.rows, *rest), looks.planned).shares
        # At best all other fine-tunes are shown to be better too: Holm then corrects for earlier runs alone.
        alpha = min(LARGEST, evidence.thresholds.alpha / (1 + evidence.past_tuned_arms))
        pairs = (comparison(evidence, arm, other.method) for other in untuned(evidence))
        return min(
            (chance_to_win(pair, looks, alpha, final, evidence.error) for pair in pairs if pair is not None),
            default=1.0,
        )

    def _hopeless(self, output: ArmOutput, outputs: Sequence[ArmOutput], alpha: float) -> bool:
        """Whether an arm that answers every row left rightly would still not be shown to be better."""
        arm, rest = output.method, self._left(output.method)
        perfect = [
            Prediction(example_id=row, value=str(self.truth[row].target))
            for rows in rest
            for row in sorted(rows)
        ]
        best = replace(
            output,
            predictions=[*output.predictions, *perfect],
            repeats=tuple([*one, *perfect] for one in output.repeats),
        )
        looks = self.looks
        looks[arm] = Looks((*looks[arm].rows, *rest), looks[arm].planned)
        others = [best if one.method == arm else one for one in outputs]
        evidence = self.evidence_of(others, looks)
        (found,) = (one for one in evidence.arms if one.method == arm)
        return p_against_all(evidence, found, untuned(evidence)) > alpha

    def _left(self, arm: str) -> list[frozenset[str]]:
        """Rows of the rounds that an arm has not been measured on yet."""
        seen = set(self.seen.get(arm, []))
        return [self.folds[number] for number in self.planned[arm] if self.folds[number] not in seen]

    def _rows(self, arm: str) -> int:
        return sum(len(self.folds[number]) for number in self.planned[arm])
