"""Writes a made-up run folder: every file that docs/run_folder.md names and a report reads."""

import json
from pathlib import Path
from typing import Any

from synthetic_numbers import HOLDOUT, VARIANTS, SyntheticNumbers, Variant
from synthetic_parts import ENVIRONMENT, INJECTIONS, JOB, facts, findings

__all__ = ["VARIANTS", "SyntheticRun", "unit_address", "write_run"]


class SyntheticRun(SyntheticNumbers):
    """One made-up run; `write(folder)` lays its files down."""

    def write(self, folder: Path) -> Path:
        """Lays every file down; returns the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        odd = INJECTIONS[1] if self.variant.hostile else "notice"
        whole = {
            "dataset.json": self.dataset(),
            "findings.json": findings(odd) if self.variant.findings else [],
            "estimates.json": self.estimates(),
            "comparisons.json": self.comparisons(),
            "details.json": self.details(),
            "evidence.json": self.evidence(),
            "verdict.json": self.verdict(),
            "environment.json": ENVIRONMENT,
            "plan.json": {"stages": self.stages()},
        }
        for name, value in whole.items():
            (folder / name).write_text(json.dumps(value), encoding="utf-8")
        for name, entries in (("rows.jsonl", self.rows), ("lockbox.jsonl", self.openings())):
            text = "".join(json.dumps(entry) + "\n" for entry in entries)
            (folder / name).write_text(text, encoding="utf-8")
        (folder / "job.yaml").write_text(JOB.format(source=self.dataset()["source"]), encoding="utf-8")
        for place, method in enumerate(self.methods):
            for fold in range(max(self.variant.folds, 1)):
                self._write_unit(folder / "units" / unit_address(place, fold), method, fold)
        return folder

    def dataset(self) -> dict[str, Any]:
        """The table's facts."""
        hostile = self.variant.hostile
        counts: dict[str, int] = {}
        for row in self.rows:
            counts[row["target"]] = counts.get(row["target"], 0) + 1
        lengths = [len(row["input"].split()) for row in self.rows]
        return {
            "name": INJECTIONS[0] if hostile else "clauses",
            "source": f"data/{INJECTIONS[1] if hostile else 'clauses'}.csv",
            "rows": len(self.rows),
            "fingerprint": "8f14e45fceea167a",
            "input_columns": [INJECTIONS[3] if hostile else "clause", "heading"],
            "target_column": INJECTIONS[2] if hostile else "type",
            "group_column": None,
            "labels": dict(sorted(counts.items(), key=lambda item: -item[1])),
            "words": {"mean": sum(lengths) / len(lengths), "max": max(lengths)},
            "test": None,
        }

    def stages(self) -> list[dict[str, Any]]:
        """The plan: untuned arms, then tuned ones."""
        return [
            {
                "name": name,
                "units": [
                    {"address": unit_address(place, fold), "title": method, "method": method}
                    for place, method in enumerate([*self.methods, *([] if self.variant.tuned else ["lora"])])
                    for fold in range(max(self.variant.folds, 1))
                    if (method == "lora") == tuned
                ],
            }
            for name, tuned in (("untuned", False), ("tuned", True))
        ]

    def openings(self) -> list[dict[str, Any]]:
        """An earlier run and this one opened the test rows."""
        if self.variant.blocked:
            return []
        shared = {"fingerprint": "c9f0f895fb98ab91"}
        earlier = {
            "time": "2026-11-19T09:02:11.301+00:00",
            "plan": "1679091c5a880faf",
            "run": "clauses-first",
        }
        this = {
            "time": "2026-11-21T11:34:56.120+00:00",
            "plan": "45c48cce2e2d7fbd",
            "run": self.dataset()["name"],
        }
        return [
            {**shared, **earlier, "arms": ["majority", "tfidf", "lora"]},
            {**shared, **this, "arms": self.methods},
        ]

    def _write_unit(self, folder: Path, method: str, fold: int) -> None:
        folder.mkdir(parents=True)
        unit = {
            "method": method,
            "parameters": {},
            "task": "text-classification",
            "labels": list(self.variant.labels),
            "instruction": "",
            "purpose": "evaluate",
            "fold": fold if self.variant.folds else None,
            "seed": 0,
            "fit": "a" * 16,
            "validation": "b" * 16,
            "predict": "c" * 16,
            "model": None,
            "dtype": "float32",
            "threads": 1,
            "implementation": "d" * 16,
        }
        metrics = {"cost": self.cost(method), "facts": facts(self.variant.labels, method, fold)}
        (folder / "unit.json").write_text(json.dumps(unit), encoding="utf-8")
        (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


def unit_address(place: int, fold: int) -> str:
    """The folder name of a unit."""
    return f"{place:08x}{fold:08x}"


def write_run(folder: Path, variant: Variant = HOLDOUT) -> Path:
    """A finished run of this variant in `folder`."""
    return SyntheticRun(variant).write(folder)
