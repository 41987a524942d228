"""The numbers of a made-up but consistent run: predictions, and everything that follows from them.

Predictions are drawn at random with a fixed seed and everything else is counted from them, so that scores,
confusion and disagreements agree with one another.
"""

import math
import random
from dataclasses import dataclass
from typing import Any

from synthetic_parts import (
    ARMS,
    BLOCKED_WORDS,
    INJECTIONS,
    LABELS,
    SENTENCES,
    TUNED_REASONS,
    TUNED_WORDS,
    UNTUNED_REASONS,
    UNTUNED_WORDS,
)


@dataclass(frozen=True)
class Variant:
    """What kind of run to make up."""

    labels: tuple[str, ...] = LABELS
    rows: int = 420
    test_rows: int = 105
    folds: int = 0
    tuned: bool = True
    target: float | None = None
    findings: bool = True
    money: bool = True
    intervals: bool = True
    hostile: bool = False
    blocked: bool = False


HOLDOUT = Variant(target=0.85)
CROSSFIT = Variant(rows=300, test_rows=300, folds=5, target=0.7)
MANY_LABELS = Variant(
    labels=tuple(
        f"{verb}_{noun}"
        for verb in ("card", "cash", "transfer", "top_up", "refund", "pin", "fee")
        for noun in (
            "not_received",
            "delayed",
            "declined",
            "unrecognised",
            "charged_twice",
            "arrival",
            "activation",
            "limits",
            "blocked",
            "exchange_rate",
            "country_support",
        )
    ),
    rows=770,
    test_rows=770,
    folds=5,
    money=False,
)
TARGET_MET = Variant(tuned=False, target=0.75, findings=False)
NO_INTERVALS = Variant(intervals=False, target=None)
HOSTILE = Variant(labels=(*INJECTIONS, *LABELS[:4]), hostile=True)
BLOCKED = Variant(tuned=False, blocked=True)
VARIANTS = {
    "holdout": HOLDOUT,
    "crossfit": CROSSFIT,
    "many_labels": MANY_LABELS,
    "target_met": TARGET_MET,
    "no_intervals": NO_INTERVALS,
    "hostile": HOSTILE,
    "blocked": BLOCKED,
}


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95% interval of a share."""
    z = 1.96
    share, z2 = right / n, z * z / n
    centre, half = share + z2 / 2, z * math.sqrt(share * (1 - share) / n + z2 / (4 * n))
    return max(0.0, (centre - half) / (1 + z2)), min(1.0, (centre + half) / (1 + z2))


class SyntheticNumbers:
    """One made-up run, before it is written down."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.random = random.Random(7)
        self.methods = [name for name, arm in ARMS.items() if variant.tuned or arm[0] != "tuned"]
        if variant.blocked:
            self.methods = []
        self.rows = self._rows()
        self.test = self.rows[: variant.test_rows]
        self.predictions = {method: self._predict(method) for method in self.methods}
        self.scores = {method: self._right(method) for method in self.methods}

    def _rows(self) -> list[dict[str, Any]]:
        labels = self.variant.labels
        weights = [1 / (1 + 0.12 * place) for place in range(len(labels))]
        drawn = self.random.choices(labels, weights, k=self.variant.rows - len(labels))
        rows = []
        for number, label in enumerate([*labels, *drawn], start=1):
            words = " ".join(self.random.sample(SENTENCES, k=2 if number % 7 else 6))
            if self.variant.hostile:
                words = f"{words} {INJECTIONS[number % len(INJECTIONS)]} $x^2$ \u202eright to left"
            rows.append(
                {
                    "id": f"{number:012x}",
                    "row": number,
                    "input": words,
                    "target": label,
                    "group": None,
                    "part": "table",
                }
            )
        self.random.shuffle(rows)
        return rows

    def _predict(self, method: str) -> list[str | None]:
        labels, chance = self.variant.labels, ARMS[method][1]
        if method == "majority":
            return [labels[0]] * len(self.test)
        answers: list[str | None] = []
        for row in self.test:
            place = labels.index(row["target"])
            if self.random.random() < chance:
                answers.append(row["target"])
            elif method == "zero_shot" and self.random.random() < 0.12:
                answers.append(None)
            else:
                near = self.random.choice((1, 1, 2, len(labels) // 2 or 1))
                answers.append(labels[(place + near) % len(labels)])
        return answers

    def _right(self, method: str) -> list[bool]:
        return [
            row["target"] == answer for row, answer in zip(self.test, self.predictions[method], strict=True)
        ]

    def estimate(
        self,
        method: str,
        metric: str,
        value: float,
        ends: tuple[float, float] | None,
        n: int,
        label: str | None = None,
    ) -> dict[str, Any]:
        """One entry of estimates.json; without ends it carries the reason instead."""
        if not self.variant.intervals or (ends is not None and ends[0] >= ends[1]):
            ends = None
        low, high = ends or (None, None)
        reason = (
            None
            if ends
            else (
                f"only {n} rows carry this label" if label else "the resampling was switched off in the job"
            )
        )
        return {
            "method": method,
            "metric": metric,
            "split": "test",
            "label": label,
            "value": value,
            "low": low,
            "high": high,
            "n": n,
            "confidence": 0.95,
            "interval": "wilson" if ends else "",
            "reason": reason,
        }

    def primary(self, method: str) -> dict[str, Any]:
        """The accuracy of a method."""
        right, n = sum(self.scores[method]), len(self.test)
        return self.estimate(method, "accuracy", right / n, wilson(right, n), n)

    def estimates(self) -> list[dict[str, Any]]:
        """Accuracy, macro F1 and log loss of every arm, and each label's scores."""
        entries = []
        for method in self.methods:
            entries.append(self.primary(method))
            by_label = [self._label_scores(method, label) for label in self.variant.labels]
            macro = sum(entry["f1"] for entry in by_label) / len(by_label)
            entries.append(
                self.estimate(method, "macro_f1", macro, (macro - 0.041, macro + 0.037), len(self.test))
            )
            entries.append(
                self.estimate(
                    method, "log_loss", 2.4 - 2 * macro, (2.2 - 2 * macro, 2.6 - 2 * macro), len(self.test)
                )
            )
            for label, found in zip(self.variant.labels, by_label, strict=True):
                for metric in ("precision", "recall", "f1"):
                    value, n = found[metric], max(found["n"], 1)
                    ends = (max(0.0, value - 0.6 / math.sqrt(n)), min(1.0, value + 0.4 / math.sqrt(n)))
                    entries.append(self.estimate(method, metric, value, ends if n >= 4 else None, n, label))
        return entries

    def _label_scores(self, method: str, label: str) -> dict[str, Any]:
        answers = list(zip((row["target"] for row in self.test), self.predictions[method], strict=True))
        hits = sum(truth == answer == label for truth, answer in answers)
        given = sum(answer == label for _, answer in answers)
        there = sum(truth == label for truth, _ in answers)
        return {
            "precision": hits / given if given else 0.0,
            "recall": hits / there if there else 0.0,
            "f1": 2 * hits / (given + there) if given + there else 0.0,
            "n": there,
        }

    def comparisons(self) -> list[dict[str, Any]]:
        """The tuned arm against each untuned one, and every arm against the baseline."""
        pairs = [("lora", other) for other in self.methods if other != "lora" and self.variant.tuned]
        pairs += [(method, "majority") for method in self.methods if method not in ("lora", "majority")]
        entries = [self._comparison(*pair) for pair in pairs]
        looser = {"metric": "macro_f1", "wins": None, "losses": None, "test": "permutation"}
        return [*entries, *({**entry, **looser} for entry in entries)]

    def _comparison(self, method: str, against: str) -> dict[str, Any]:
        n = len(self.test)
        pairs = list(zip(self.scores[method], self.scores[against], strict=True))
        wins = sum(a and not b for a, b in pairs)
        losses = sum(b and not a for a, b in pairs)
        difference, half = (wins - losses) / n, 1.96 * math.sqrt(wins + losses) / n
        p = min(1.0, 2 * math.exp(-((wins - losses) ** 2) / (2 * max(wins + losses, 1))))
        shown = self.variant.intervals
        return {
            "method": method,
            "against": against,
            "metric": "accuracy",
            "difference": difference,
            "low": difference - half if shown else None,
            "high": difference + half if shown else None,
            "confidence": 0.95,
            "p_two_sided": p,
            "p_greater": p / 2,
            "p_adjusted": min(1.0, 3 * p),
            "wins": wins,
            "losses": losses,
            "n": n,
            "test": "mcnemar_exact",
            "interval": "newcombe" if shown else "",
            "reason": None if shown else "the resampling was switched off in the job",
        }

    def cost(self, method: str) -> dict[str, Any]:
        """What a method cost."""
        _, _, fit, each = ARMS[method]
        return {
            "fit_s": fit,
            "predict_s": each * len(self.test),
            "rows_predicted": len(self.test),
            "latency_s": each * 1.3,
            "peak_memory_gib": 1.7 if each > 0.1 else None,
            "threads": 1,
        }

    def evidence(self) -> dict[str, Any]:
        """All that the verdict looked at."""
        arms = [
            {
                "method": method,
                "kind": ARMS[method][0],
                "estimate": self.primary(method),
                "cost": {
                    **self.cost(method),
                    "method": method,
                    "seconds_per_1000": 1000 * ARMS[method][3],
                    "money_per_1000": ARMS[method][3] * 0.45 if self.variant.money else None,
                },
                "unparseable": sum(answer is None for answer in self.predictions[method]),
                "failed": 0,
            }
            for method in self.methods
        ]
        power = [
            {
                "n": len(self.test),
                "disagreement": share,
                "minimum_detectable_difference": found,
                "power": 0.8,
                "alpha": 0.05,
                "source": source,
            }
            for share, found, source in (
                (0.15, 0.112, "assumed"),
                (0.25, 0.143, "assumed"),
                (0.171, 0.119, "measured"),
                (0.02, None, "assumed"),
            )
        ]
        return {
            "metric": "accuracy",
            "arms": arms,
            "comparisons": self.comparisons(),
            "thresholds": self.thresholds(),
            "rows": self.variant.rows,
            "test_rows": len(self.test),
            "protocol": "crossfit" if self.variant.folds else "holdout",
            "power": power,
            "blocking": [],
            "past_tuned_arms": 2 if self.variant.tuned else 0,
            "tuned_skipped": None
            if self.variant.tuned or self.variant.blocked
            else "an untuned arm already meets the target score, so nothing was trained.",
            "rows_to_settle": 640 if self.variant.tuned else None,
        }

    def thresholds(self) -> dict[str, Any]:
        """The verdict's thresholds."""
        return {
            "smallest_gain_worth_having": 0.02,
            "alpha": 0.05,
            "target_score": self.variant.target,
            "fewest_rows_to_train": 50,
        }

    @property
    def recommended(self) -> str:
        """The arm the verdict names."""
        return "lora" if self.variant.tuned else "probe"

    @property
    def best_untuned(self) -> str:
        """The untuned arm with the highest accuracy."""
        untuned = [method for method in self.methods if ARMS[method][0] != "tuned"]
        return max(untuned, key=lambda method: self.primary(method)["value"])

    def verdict(self) -> dict[str, Any]:
        """A decision in words."""
        if self.variant.blocked:
            reasons = ["`TW004` blocks: 3 texts carry two labels."]
            rest = {"recommended_method": "", "reasons": reasons, "thresholds": self.thresholds()}
            return {**BLOCKED_WORDS, **rest}
        ours, best = (self.primary(method)["value"] for method in (self.recommended, self.best_untuned))
        words, reasons = (
            (TUNED_WORDS, TUNED_REASONS) if self.variant.tuned else (UNTUNED_WORDS, UNTUNED_REASONS)
        )
        return {
            **{key: value.format(ours=ours, best=best) for key, value in words.items()},
            "recommended_method": self.recommended,
            "reasons": reasons,
            "thresholds": self.thresholds(),
        }

    def details(self) -> dict[str, Any]:
        """Confusion, disagreements and raw samples."""
        if self.variant.blocked:
            return {"confusion": {}, "won": None, "samples": {}}
        labels = self.variant.labels
        confusion = {}
        for method in self.methods:
            matrix = [[0] * (len(labels) + 1) for _ in labels]
            for row, answer in zip(self.test, self.predictions[method], strict=True):
                column = len(labels) if answer is None else labels.index(answer)
                matrix[labels.index(row["target"])][column] += 1
            confusion[method] = {"labels": list(labels), "matrix": matrix}
        won, against = ("lora", self.best_untuned) if self.variant.tuned else ("probe", "tfidf")
        sides: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
        for place, row in enumerate(self.test):
            ours, theirs = self.scores[won][place], self.scores[against][place]
            if ours != theirs:
                sides[ours].append(
                    {
                        "id": row["id"],
                        "target": row["target"],
                        "winner": self.predictions[won][place],
                        "against": self.predictions[against][place],
                    }
                )
        groups = [
            {
                "group": INJECTIONS[0] if self.variant.hostile else "Acme",
                "n": 30,
                "wrong": 12,
                "low": 0.25,
                "high": 0.58,
            },
            {"group": "Zenith", "n": 40, "wrong": 4, "low": 0.04, "high": 0.23},
        ]
        odd = INJECTIONS[0] if self.variant.hostile else "Sure! The clause is about"
        return {
            "confusion": confusion,
            "slices": {
                "method": won,
                "against": against,
                "metric": "accuracy",
                "tested": 17,
                "rate": 0.1,
                "worse": [
                    {
                        "by": "label",
                        "name": labels[0],
                        "n": 14,
                        "difference": -0.357,
                        "low": -0.6,
                        "high": -0.08,
                        "p": 0.002,
                        "q": 0.031,
                    }
                ]
                if self.variant.tuned
                else [],
            },
            "groups": {self.recommended: {"groups": groups, "left": 3, "p": 0.004}},
            "won": {
                "winner": won,
                "against": against,
                "only_winner": sides[True][:20],
                "only_against": sides[False][:20],
            },
            "samples": {
                "zero_shot": [
                    f"{odd} the parties and what they",
                    "A: B: C:",
                    {"id": self.test[0]["id"], "value": None, "raw": "None.", "status": "unparseable"},
                    {"id": self.test[1]["id"], "value": labels[0], "raw": None, "status": "parsed"},
                ]
            },
        }
