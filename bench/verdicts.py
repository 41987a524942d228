"""Is the verdict right as often as it says? The main job's rules on frozen outcomes whose truth is known.

    python bench/verdicts.py [--samples 200] [--plots docs/images]

Reads the bank that `bench/bank.py` left: for every set, number of training rows N and draw, which rows of
the whole test file each arm has right. The file's own scores are the truth. N rows are drawn from it with
replacement, again and again, and each sample goes through the job's own estimates, tests and rules, as
though it were what a crossfit of N rows had answered: that folds and seeds fit anew is not in it.

| figure | what it is |
|---|---|
| regret | the best arm's true score minus that of the recommended arm, in points |
| false wins | verdicts "fine_tune" though the tuned arm is truly no better than the best untuned one |
| false peace | verdicts for an untuned arm though fine-tuning would truly gain the margin or more |
| inconclusive | verdicts that settle nothing; their recommended arm counts in the regret |

Beside it stand four policies that need no statistics: always tfidf, always probe, always lora, and the
highest score of the sample. Intervals resample whole cells, since samples of one cell share its fits.
Three minutes; no model is loaded. With --plots the pictures of `docs/calibration.md` are drawn anew.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bank import ONCE, RESULTS, cell_file
from common import closing_line, figure
from job_rules import KINDS, decided_on
from tuneworthy.core.evidence import Thresholds, Verdict

POLICIES = ("tfidf", "probe", "lora")
MARGIN = Thresholds().smallest_gain_worth_having
Right = NDArray[np.bool_]
Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """A set, N and draw: which test rows each arm has right, [rows, arms], and minutes of each arm."""

    name: str
    count: int
    arms: tuple[str, ...]
    right: Right
    minutes: tuple[float, ...]

    @property
    def truth(self) -> NDArray[np.float64]:
        """The score of each arm on the whole file."""
        return np.asarray(self.right.mean(axis=0))


@dataclass(frozen=True)
class Outcome:
    """What one sample of a cell led to."""

    decision: str
    regret: float
    by_policy: dict[str, float]
    at_risk: bool
    false_win: bool
    false_peace: bool


def cells() -> list[Cell]:
    """Every cell of the bank, `zero_shot` taken from the one cell in which it was scored."""
    found = []
    for file in sorted(RESULTS.glob("*.json")):
        one = json.loads(file.read_text(encoding="utf-8"))
        arms = {arm: told["right"] for arm, told in one["arms"].items()}
        minutes = {arm: told["minutes"] for arm, told in one["arms"].items()}
        asked = list(one["asked"])
        scored = cell_file(one["set"], *ONCE[1:])
        if scored.exists():
            other = json.loads(scored.read_text(encoding="utf-8"))
            known = dict(zip(other["asked"], other["arms"][ONCE[0]]["right"], strict=True))
            arms[ONCE[0]] = "".join(known.get(row, "0") for row in asked)
            minutes[ONCE[0]] = other["arms"][ONCE[0]]["minutes"]
        names = tuple(arm for arm in KINDS if arm in arms)
        right = np.column_stack([[bit == "1" for bit in arms[arm]] for arm in names])
        found.append(Cell(one["set"], one["count"], names, right, tuple(minutes[arm] for arm in names)))
    return found


def verdict_of(cell: Cell, right: Right) -> Verdict:
    """The job's verdict on rows [n, arms] of right and wrong."""
    answers = dict(zip(cell.arms, right.T, strict=True))
    return decided_on(answers, dict(zip(cell.arms, cell.minutes, strict=True)), cell.count)


def outcome(cell: Cell, rng: np.random.Generator) -> Outcome:
    """One sample of as many test rows as the cell has training rows."""
    sample = cell.right[rng.integers(0, len(cell.right), cell.count)]
    verdict, truth = verdict_of(cell, sample), dict(zip(cell.arms, cell.truth, strict=True))
    best, tuned = max(truth.values()), truth["lora"]
    untuned = max(score for arm, score in truth.items() if KINDS[arm] != "tuned")
    seen = cell.arms[int(sample.mean(axis=0).argmax())]
    return Outcome(
        decision=verdict.decision,
        regret=best - truth[verdict.recommended_method],
        by_policy={arm: best - truth[arm] for arm in POLICIES} | {"highest score": best - truth[seen]},
        at_risk=tuned <= untuned,
        false_win=verdict.decision == "fine_tune" and tuned <= untuned,
        false_peace=verdict.decision in ("classifier", "prompt", "not_worth_it")
        and tuned >= untuned + MARGIN,
    )


def over_cells(values: Sequence[Sequence[float]], rng: np.random.Generator) -> tuple[float, float, float]:
    """The mean over cells and its 95% interval, whole cells resampled."""
    means = np.array([np.mean(one) for one in values])
    drawn = means[rng.integers(0, len(means), (10_000, len(means)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(means.mean()), float(low), float(high)


def figures_of(found: list[list[Outcome]], where: str = "") -> Row:
    """The closing line's figures of these cells' outcomes."""
    rng = np.random.default_rng(5)
    policies = {
        policy: over_cells([[one.by_policy[policy] for one in cell] for cell in found], rng)
        for policy in found[0][0].by_policy
    }
    regret = over_cells([[one.regret for one in cell] for cell in found], rng)
    best = min(policies, key=lambda policy: policies[policy][0])
    every = [one for cell in found for one in cell]
    told: Row = {
        f"mean regret{where}": figure(100 * regret[0], "points", 1.5, True, len(found)),
        f"mean regret{where}, low": figure(100 * regret[1], "points"),
        f"mean regret{where}, high": figure(100 * regret[2], "points"),
        f"regret, 90th percentile{where}": figure(
            100 * float(np.quantile([one.regret for one in every], 0.9)), "points", n=len(every)
        ),
        f"regret above the best policy's ({best}){where}": figure(
            100 * (regret[0] - policies[best][0]), "points", 0.0, True, len(found)
        ),
    }
    for policy, (mean, low, high) in policies.items():
        told[f"mean regret{where}, {policy}"] = figure(100 * mean, "points", n=len(found)) | {
            "low": round(100 * low, 2),
            "high": round(100 * high, 2),
        }
    wins = [one for one in every if one.decision == "fine_tune"]
    shares = {
        "false wins": [[float(one.false_win) for one in cell] for cell in found],
        "false peace": [[float(one.false_peace) for one in cell] for cell in found],
        "inconclusive": [[float(one.decision == "inconclusive") for one in cell] for cell in found],
        "fine_tune": [[float(one.decision == "fine_tune") for one in cell] for cell in found],
    }
    if risky := [own for own, cell in zip(shares["false wins"], found, strict=True) if cell[0].at_risk]:
        shares["false wins where none is true"] = risky
    for name, values in shares.items():
        mean, low, high = over_cells(values, rng)
        goal = 5.0 if name.startswith("false wins") else None
        told[f"{name}{where}"] = figure(100 * mean, "%", goal, True, len(values)) | {
            "low": round(100 * low, 2),
            "high": round(100 * high, 2),
        }
    told[f"false among verdicts fine_tune{where}"] = figure(
        100 * sum(one.false_win for one in wins) / max(1, len(wins)), "%", 5.0, True, len(wins)
    )
    return told


def draw(found: dict[int, list[list[Outcome]]], folder: Path) -> None:
    """Regret by number of rows, ours and the policies'; and which verdicts were given."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "tuneworthy"
    from matplotlib import pyplot as plt

    counts = sorted(found)
    policies = ["the verdict", *found[counts[0]][0][0].by_policy]
    fig, axes = plt.subplots(figsize=(7.5, 3.2), layout="constrained")
    width = 0.8 / len(policies)
    for place, policy in enumerate(policies):
        heights = [
            100
            * float(
                np.mean(
                    [
                        one.regret if policy == "the verdict" else one.by_policy[policy]
                        for cell in found[count]
                        for one in cell
                    ]
                )
            )
            for count in counts
        ]
        at = np.arange(len(counts)) + (place - len(policies) / 2 + 0.5) * width
        bars = axes.bar(at, heights, width, label=policy if place in (0, 4) else f"always {policy}")
        axes.bar_label(bars, fmt="%.1f", fontsize=7)
    axes.set_xticks(range(len(counts)), [f"{count} rows" for count in counts])
    axes.set_ylabel("mean regret, points")
    axes.legend(fontsize=8, frameon=False)
    fig.savefig(folder / "calibration_regret.svg", metadata={"Date": None})

    kinds = ("fine_tune", "classifier", "prompt", "not_worth_it", "more_data", "inconclusive")
    fig, axes = plt.subplots(figsize=(7.5, 2.4), layout="constrained")
    left = np.zeros(len(counts))
    for kind in kinds:
        shares = np.array(
            [
                100 * np.mean([one.decision == kind for cell in found[count] for one in cell])
                for count in counts
            ]
        )
        if shares.any():
            axes.barh(range(len(counts)), shares, left=left, label=kind)
            left += shares
    axes.set_yticks(range(len(counts)), [f"{count} rows" for count in counts])
    axes.set_xlabel("verdicts, %")
    axes.legend(fontsize=8, frameon=False, ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    fig.savefig(folder / "calibration_verdicts.svg", metadata={"Date": None})


def main() -> None:
    """Samples every cell and prints a line for each, then the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--plots", type=Path)
    options = parser.parse_args()
    found: dict[int, list[list[Outcome]]] = {}
    for number, cell in enumerate(cells()):
        rng = np.random.default_rng([6, number])
        outcomes = [outcome(cell, rng) for _ in range(options.samples)]
        found.setdefault(cell.count, []).append(outcomes)
        scores = ", ".join(
            f"{arm} {100 * score:.1f}" for arm, score in zip(cell.arms, cell.truth, strict=True)
        )
        said = {one.decision: 0 for one in outcomes}
        for one in outcomes:
            said[one.decision] += 1
        regret = 100 * float(np.mean([one.regret for one in outcomes]))
        print(f"{cell.name} {cell.count}: {scores}; regret {regret:.1f}; {said}", flush=True)
    if options.plots is not None:
        draw(found, options.plots)
    figures = figures_of([cell for some in found.values() for cell in some])
    for count, some in sorted(found.items()):
        figures |= figures_of(some, f", {count} rows")
    print(closing_line(figures))


if __name__ == "__main__":
    main()
