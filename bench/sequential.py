"""Does looking after every round of folds keep the error rate, and how many fits does it save?

    python bench/sequential.py [--runs 1000] [--rows 300]

One command without data or models. Rows are right or wrong; arms are a Gaussian copula, so that fits of one
table agree as real ones do (correlation 0.6 of what lies beneath right and wrong). Fine-tuned arms are
measured on rounds of folds by the code of a run (`watching`), and stop as it says.

| figure | what is simulated |
|---|---|
| type I | one or four tuned arms as good as the better of two untuned ones: "better than both" claimed |
| type I without futility | the same where no arm is ever given up: futility may be ignored at will |
| naive | the same looks with an ordinary test at each, to see what the rule is for |
| power | a true gain of 10 points: shown with looks, and with one test of all rows |
| saved | share of the fits of folds that were not run: no gain, a gain of 10 points, a loss of 10 points |
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, norm

from common import closing_line, figure
from tuneworthy.core.evidence import Arm, Comparison, Cost, Estimate, Evidence, Thresholds, holm
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind
from tuneworthy.evaluation.assemble import ArmOutput
from tuneworthy.evaluation.looks import Looks
from tuneworthy.evaluation.paired import newcombe
from tuneworthy.evaluation.sequential import exact_p, level_at
from tuneworthy.verdict.facts import passes_fine_tune
from tuneworthy.watching import Watch

ROUNDS = (0.4, 0.4, 0.2)  # five folds, two at a time: what two cores do
ALPHA = 0.05
CORRELATION = 0.6
UNTUNED = ("first", "second")
Right = NDArray[np.bool_]


@dataclass
class Case:
    """One simulated table: who has which row right."""

    right: dict[str, Right]
    folds: list[frozenset[str]]

    def outputs(self, arms: Sequence[str], rounds: Mapping[str, int]) -> list[ArmOutput]:
        """Arms as far as they are measured."""
        found = []
        for arm in arms:
            rows = [row for fold in self.folds[: rounds[arm]] for row in sorted(fold)]
            given = [Prediction(example_id=row, value=str(int(self.right[arm][int(row)]))) for row in rows]
            found.append(ArmOutput(arm, "tuned", given, ()))
        return found

    def evidence(self, outputs: Sequence[ArmOutput], looks: Mapping[str, Looks]) -> Evidence:
        """What the verdict would see: McNemar over looks and Newcombe's repeated interval."""
        pairs = [self.compared(one, other, looks[one.method]) for one in outputs for other in UNTUNED]
        values = {arm: float(self.right[arm].mean()) for arm in UNTUNED}
        rows = len(self.right[UNTUNED[0]])
        arms = [made(arm, "classifier", values[arm], rows) for arm in UNTUNED]
        for one in outputs:
            share = float(np.mean([prediction.value == "1" for prediction in one.predictions]))
            arms.append(made(one.method, "tuned", share, len(one.predictions)))
        return Evidence(
            metric="accuracy",
            arms=tuple(arms),
            comparisons=tuple(pairs),
            thresholds=Thresholds(smallest_gain_worth_having=0.0, alpha=ALPHA),
            rows=rows,
            test_rows=rows,
            protocol="crossfit",
        )

    def compared(self, one: ArmOutput, other: str, looks: Looks) -> Comparison:
        """As `compare_looks` has it, from counts."""
        ours = {p.example_id: p.value == "1" for p in one.predictions}
        wins, losses, both = 0, 0, 0
        won, discordant = [], []
        for added in looks.rows:
            for row in added:
                theirs = bool(self.right[other][int(row)])
                wins += ours[row] and not theirs
                losses += theirs and not ours[row]
                both += ours[row] and theirs
            won.append(wins)
            discordant.append(wins + losses)
        n = len(one.predictions)
        confidence = 1 - 2 * level_at(ALPHA / 2, looks.shares)
        ends = newcombe(both, wins, losses, n - both - wins - losses, confidence)
        return Comparison(
            method=one.method,
            against=other,
            metric="accuracy",
            difference=(wins - losses) / n,
            low=ends.low,
            high=ends.high,
            confidence=confidence,
            p_two_sided=1.0,
            p_greater=exact_p(tuple(map(int, won)), tuple(map(int, discordant)), looks.shares),
            n=n,
            test="sequential_mcnemar_exact",
            interval=ends.name,
        )


def made(name: str, kind: ArmKind, value: float, rows: int) -> Arm:
    """An arm of the evidence."""
    cost = Cost(method=name, fit_s=0, predict_s=0, rows_predicted=1, latency_s=0, seconds_per_1000=1)
    told = Estimate(method=name, metric="accuracy", value=value, n=rows, reason="simulated")
    return Arm(method=name, kind=kind, estimate=told, cost=cost)


def drawn(rows: int, gains: Sequence[float], rng: np.random.Generator) -> Case:
    """A table with two untuned arms, right on 75% and 70% of rows, and tuned ones that gain over them."""
    shares = [0.75, 0.70, *(0.75 + gain for gain in gains)]
    common = rng.standard_normal(rows)
    right = {}
    for name, share in zip([*UNTUNED, *(f"tuned{i}" for i in range(len(gains)))], shares, strict=True):
        own = np.sqrt(CORRELATION) * common + np.sqrt(1 - CORRELATION) * rng.standard_normal(rows)
        right[name] = own < norm.ppf(share)
    cuts = [0, *np.round(np.cumsum(ROUNDS) * rows).astype(int)]
    folds = [frozenset(map(str, range(a, b))) for a, b in pairwise(cuts)]
    return Case(right, folds)


def watched(case: Case, futility: bool) -> tuple[bool, float]:
    """Whether a win is claimed, and the share of the fits that were run."""
    arms = [name for name in case.right if name not in UNTUNED]
    watch = Watch(case.evidence, {}, False, case.folds, {arm: list(range(len(ROUNDS))) for arm in arms})
    done = dict.fromkeys(arms, 0)
    for number in range(len(ROUNDS)):
        for arm in arms:
            if watch.goes_on(arm):
                watch.saw(arm, number)
                done[arm] = number + 1
        watch.look(case.outputs(arms, done))
        if not futility:
            watch.stops = [stop for stop in watch.stops if stop.why in ("shown", "another_shown")]
    claimed = bool(passes_fine_tune(case.evidence(case.outputs(arms, done), watch.looks)))
    return claimed, sum(sum(ROUNDS[: done[arm]]) for arm in arms) / len(arms)


def at_once(case: Case, looks: bool) -> bool:
    """Whether exact McNemar claims a win: once on all rows, or at any look as if it was the only one."""
    arms = [name for name in case.right if name not in UNTUNED]
    ends = [sum(map(len, case.folds[: k + 1])) for k in range(len(case.folds))]
    for end in ends if looks else ends[-1:]:
        p_values = []
        for arm in arms:
            own = [case.right[arm][:end], *(case.right[other][:end] for other in UNTUNED)]
            pairs = [((own[0] & ~one).sum(), (own[0] ^ one).sum()) for one in own[1:]]
            p_values.append(max(float(binom.sf(w - 1, m, 0.5)) if m else 1.0 for w, m in pairs))
        if min(holm(p_values)) <= ALPHA:
            return True
    return False


def simulated(gains: Sequence[float], options: argparse.Namespace, seed: int) -> dict[str, float]:
    """Shares over many tables."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[float]] = {name: [] for name in ("claimed", "run", "patient", "naive", "once")}
    for _ in range(options.runs):
        case = drawn(options.rows, gains, rng)
        claimed, run = watched(case, True)
        found["claimed"].append(claimed)
        found["run"].append(run)
        found["patient"].append(watched(case, False)[0])
        found["naive"].append(at_once(case, True))
        found["once"].append(at_once(case, False))
    shares = {name: float(np.mean(values)) for name, values in found.items()}
    print({"gains": list(gains), **{name: round(value, 4) for name, value in shares.items()}}, flush=True)
    return shares


def main() -> None:
    """Simulates, prints each case, and the closing line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=300)
    options = parser.parse_args()
    n = options.runs
    figures: dict[str, Any] = {}
    equal = {count: simulated([0.0] * count, options, count) for count in (1, 4)}
    for count, found in equal.items():
        arms = f"{count} tuned arm{'s' if count > 1 else ''}"
        figures[f"type I, {arms}"] = figure(100 * found["claimed"], "%", 5.0, True, n)
        figures[f"type I without futility, {arms}"] = figure(100 * found["patient"], "%", 5.0, True, n)
        figures[f"naive looks, {arms}"] = figure(100 * found["naive"], "%", None, True, n)
    gain, loss = simulated([0.1], options, 11), simulated([-0.1], options, 12)
    figures["power, +10 points"] = figure(100 * gain["claimed"], "%", n=n)
    figures["power of one test of all rows, +10 points"] = figure(100 * gain["once"], "%", n=n)
    for name, found in (("no gain", equal[1]), ("+10 points", gain), ("-10 points", loss)):
        figures[f"fits saved, {name}"] = figure(100 * (1 - found["run"]), "%", n=n)
    print(closing_line(figures))


if __name__ == "__main__":
    main()
