"""The main job on public sets of every task, each measured by its own metric, into one table.

    python bench/tasks.py --data FOLDER [--only SET ...] [--rows 300] [--test-rows 150] [--threads 1]

FOLDER holds one folder per set with train and test files (CSV or JSON lines):

| set | what it is | columns |
|---|---|---|
| tos_clause_type | clauses of terms of service (nlp-unibo, CC BY 4.0) | clause, clause_type |
| tos_unfair_binary | sentences of the same, fair or unfair | sentence, label |
| banking77 | customers' questions (PolyAI, CC BY 4.0) | text, category |
| tweet_sentiment | SemEval tweets | tweet, sentiment |
| trec | question types (Li and Roth 2002) | question, label |
| pubmedqa | yes, no or maybe from an abstract (Jin et al. 2019, MIT) | question, context, final_decision |
| cuad_contract_type | whole contracts (CUAD, CC BY 4.0), cut to the first 512 tokens | text, contract_type |
| xquad_en | answers out of a paragraph (XQuAD, CC BY-SA 4.0) | question, context, answer |
| e2e_nlg | restaurants described from their attributes (E2E NLG, CC BY-SA 4.0) | mr, refs |
| snips_slots | what a spoken order asks for, by slot (SNIPS, CC0) | text, slots |
| wnut17 | entities in tweets and posts (WNUT 2017, CC BY 4.0) | text, entities |
| scitldr | one-sentence summaries of abstracts (SciTLDR, Apache-2.0) | abstract, tldrs |

300 training rows (or as many as there are) and 150 test rows are drawn by seed; prompts have 4
demonstrations. A run that was stopped goes on; each finished set leaves `bench/results/tasks/<set>.json`,
which holds scores and no text, and is not measured again unless --again.
"""

import argparse
import csv
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import tuneworthy as tw
from common import closing_line, figure, kept, parser_of
from tuneworthy.core.hashing import address

PLACE = Path(__file__).parent.parent / ".bench" / "tasks"
RESULTS = Path(__file__).parent / "results" / "tasks"
Row = dict[str, Any]


@dataclass(frozen=True)
class Set:
    """A public set: its task, what makes its columns, and settings of the job."""

    task: str
    input: tuple[str, ...]
    target: str
    group: str | None = None
    convert: Callable[[Row], Row] = lambda row: row
    settings: dict[str, Any] = field(default_factory=dict)
    least: int = 0  # rows of every label among the training rows: with 77 labels chance leaves some with one


def several(column: str) -> Callable[[Row], Row]:
    """A list of references, or a record, as the JSON that a target may be."""
    return lambda row: {**row, column: json.dumps(row[column], ensure_ascii=False)}


SHORT: dict[str, Any] = {"max_input_tokens": 512}
SETS: dict[str, Set] = {
    "trec": Set("text-classification", ("question",), "label"),
    "tweet_sentiment": Set("text-classification", ("tweet",), "sentiment"),
    "tos_unfair_binary": Set("text-classification", ("sentence",), "label"),
    "tos_clause_type": Set("text-classification", ("clause",), "clause_type"),
    "banking77": Set("text-classification", ("text",), "category", least=3),
    "e2e_nlg": Set(
        "text-generation",
        ("mr",),
        "refs",
        convert=several("refs"),
        settings={"instruction": "Describe the restaurant in one or two sentences."},
    ),
    "xquad_en": Set("question-answering", ("question", "context"), "answer", group="context"),
    "snips_slots": Set("structured-extraction", ("text",), "slots", convert=several("slots")),
    "wnut17": Set("token-classification", ("text",), "entities", convert=several("entities")),
    "scitldr": Set("summarization", ("abstract",), "tldrs", convert=several("tldrs")),
    "pubmedqa": Set("text-classification", ("question", "context"), "final_decision"),
    "cuad_contract_type": Set(
        "text-classification",
        ("text",),
        "contract_type",
        settings=dict.fromkeys(("zero_shot", "few_shot", "knn_shot", "lora"), SHORT),
    ),
}


def read(folder: Path, part: str) -> list[Row]:
    """The rows of a set's part."""
    table = folder / f"{part}.csv"
    if table.exists():
        with table.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    lines = (folder / f"{part}.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


def drawn(rows: Sequence[Row], count: int, seed: int, target: str = "", least: int = 0) -> list[Row]:
    """So many rows at random, in their order; the first `least` of every label come before any other."""
    order = [int(i) for i in np.random.default_rng(seed).permutation(len(rows))]
    places: Counter[str] = Counter()
    late = []
    for i in order:
        label = str(rows[i][target]) if least else ""
        late.append(places[label] >= least)
        places[label] += 1
    chosen = [i for _, i in sorted(zip(late, order, strict=True), key=lambda pair: pair[0])][:count]
    return [rows[i] for i in sorted(chosen)]


def written(path: Path, rows: Sequence[Row], given: Set) -> Path:
    """The columns the job needs, as CSV."""
    columns = [*given.input, given.target]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(given.convert(row) for row in rows)
    return path


def measure(name: str, options: argparse.Namespace) -> Row:
    """One set through the main job; what is kept of it."""
    given, folder = SETS[name], options.data / name
    place = PLACE / f"{name}-{options.rows}-{options.test_rows}-{options.seed}"
    place.mkdir(parents=True, exist_ok=True)
    os.environ["TUNEWORTHY_WORKSPACE"] = str(place)
    rows = {
        "train": drawn(read(folder, "train"), options.rows, options.seed, given.target, given.least),
        "test": drawn(read(folder, "test"), options.test_rows, options.seed + 1),
    }
    files = {part: written(place / f"{part}.csv", rows[part], given) for part in rows}
    settings: dict[str, Any] = {
        "few_shot": {"k": 4},
        "knn_shot": {"k": 4},
        "resamples": 2000,
        "task": given.task,
        "accept": ["TW002", "TW005"],
        "threads": options.threads,
    }
    for key, value in given.settings.items():
        settings[key] = {**settings.get(key, {}), **value} if isinstance(value, dict) else value
    started = time.perf_counter()
    run = tw.run(
        files["train"],
        input=given.input,
        target=given.target,
        group=given.group,
        test=files["test"],
        output=place / "run",
        seed=options.seed,
        **settings,
    )
    minutes = (time.perf_counter() - started) / 60
    evidence = json.loads((run.path / "evidence.json").read_text(encoding="utf-8"))
    plan = json.loads((run.path / "plan.json").read_text(encoding="utf-8"))
    return {
        "set": name,
        "task": given.task,
        "rows": {part: {"count": len(some), "hash": address(some)} for part, some in rows.items()},
        "metric": evidence["metric"],
        "arms": {
            arm["method"]: {
                **{key: arm["estimate"][key] for key in ("value", "low", "high", "n")},
                "kind": arm["kind"],
                "unparseable": arm["unparseable"],
                "fit_s": round(arm["cost"]["fit_s"], 1),
                "seconds_per_1000": round(arm["cost"]["seconds_per_1000"], 2),
            }
            for arm in evidence["arms"]
        },
        "not_compared": plan["not_compared"],
        "comparisons": [
            {key: item[key] for key in ("method", "against", "difference", "low", "high", "p_two_sided")}
            for item in evidence["comparisons"]
            if item["metric"] == evidence["metric"]
        ],
        "decision": run.verdict.decision,
        "recommended": run.verdict.recommended_method,
        "minutes": round(minutes, 1),
    }


def table_line(found: Row) -> str:
    """A line of the table: every arm with its interval, the verdict, minutes."""
    cells = [
        f"{name} {100 * arm['value']:.1f}"
        + (f" ({100 * arm['low']:.1f}-{100 * arm['high']:.1f})" if arm["low"] is not None else "")
        for name, arm in sorted(found["arms"].items(), key=lambda item: -item[1]["value"])
    ]
    absent: dict[str, list[str]] = {}  # methods by the reason for which they are not compared
    for name, reason in found.get("not_compared", {}).items():
        absent.setdefault(reason, []).append(name)
    return (
        f"{found['set']} [{found['metric']}] {found['decision']} {found['minutes']} min: "
        + ", ".join(cells)
        + "".join(f"\n  not compared: {', '.join(names)}: {reason}" for reason, names in absent.items())
    )


def main() -> None:
    """Measures the sets asked for and prints the table and the figures."""
    parser = parser_of(__doc__, SETS, test_rows=150)
    parser.add_argument("--threads", type=int, help="of each unit; default: as the job would choose")
    options = parser.parse_args()
    found = []
    for name in options.only:
        file = RESULTS / f"{name}.json"
        found.append(kept(file, options.again, partial(measure, name, options)))
        print(table_line(found[-1]), flush=True)
    figures: dict[str, Any] = {}
    gains = {}
    for one in found:
        arms = one["arms"]
        tuned = {name: arm for name, arm in arms.items() if arm["kind"] == "tuned"}
        if not tuned:
            continue
        best = max(tuned, key=lambda name: tuned[name]["value"])
        rival = "zero_shot" if one["task"] == "text-classification" else "few_shot"
        gain = 100 * (arms[best]["value"] - arms[rival]["value"])
        gains[one["set"]] = gain
        figures[f"{one['set']}: {best} minus {rival}"] = figure(gain, "points", n=arms[best]["n"])
    classified = [
        gains[one["set"]] for one in found if one["task"] == "text-classification" and one["set"] in gains
    ]
    if classified:
        median = float(np.median(classified))
        figures["median classification set: best fine-tune minus zero_shot"] = figure(median, "points", 20.0)
    print(closing_line(figures))


if __name__ == "__main__":
    main()
