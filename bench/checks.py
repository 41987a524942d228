"""The data doctor on real tables with planted and with real faults.

    python bench/checks.py --data FOLDER [--only TABLE ...]

FOLDER holds `tos_clause_type/` (terms of service: clause, clause_type), `trec/` (question, label),
`tweet_sentiment/` (tweet, sentiment), `banking77/` (text, category) and `imdb_label_errors/` (review, label;
what reviewers confirmed is in its `truth.csv`, read for scoring only), each with train.csv and test.csv.
Faults are planted by seed; nothing here chooses a threshold.
"""

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from common import closing_line, figure
from peers.peak import peak_gib
from planted import EDITS, PERSONAL, planted
from tuneworthy.checking import check_job
from tuneworthy.checks import CHECKS, Examined, run_checks
from tuneworthy.checks.label_errors import label_doubts
from tuneworthy.core.example import Example
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.models.resolve import resolve
from tuneworthy.repairing import apply_review, fix

COLUMNS = {
    "tos_clause_type": ("clause", "clause_type"),
    "trec": ("question", "label"),
    "tweet_sentiment": ("tweet", "sentiment"),
    "banking77": ("text", "category"),
    "imdb_label_errors": ("review", "label"),
}
FLIPPED = 0.08
SEEDS = range(5)
ROUNDS = 3  # of fixing a table, the last of which only looks
Figures = dict[str, Any]


def examples(data: Path, name: str, part: str = "train") -> list[Example]:
    """The rows of a set."""
    text, label = COLUMNS[name]
    with (data / name / f"{part}.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        Example(id=f"{part}{i}", input=row[text], target=row[label], row=i + 2) for i, row in enumerate(rows)
    ]


def examined(rows: list[Example], test: list[Example] | None = None) -> Examined:
    """What the main job would show the checks."""
    models = {"embedder": resolve("minilm"), "decoder": resolve("smollm2-135m")}
    return Examined(rows, test or [], 5, models=models)


def flipped(rows: list[Example], seed: int) -> tuple[list[Example], np.ndarray]:
    """The rows with a share of labels changed at random, and which."""
    rng = np.random.default_rng(seed)
    labels = sorted({str(row.target) for row in rows})
    wrong = np.zeros(len(rows), dtype=bool)
    wrong[rng.choice(len(rows), round(FLIPPED * len(rows)), replace=False)] = True
    out = []
    for row, changed in zip(rows, wrong, strict=True):
        others = [label for label in labels if label != row.target]
        out.append(row.model_copy(update={"target": str(rng.choice(others))}) if changed else row)
    return out, wrong


def noise(data: Path, figures: Figures) -> None:
    """Planted label errors: recall among the first 1.5 k rows, and average precision against cleanlab's."""
    from cleanlab.rank import get_label_quality_scores

    print(f"\n{'8% of labels flipped':24} {'recall at 1.5k':>15} {'AP ours':>9} {'cleanlab':>9}")
    for name in ("tos_clause_type", "trec", "tweet_sentiment", "banking77"):
        recalls, ours, theirs = [], [], []
        vectors = examined(examples(data, name)).measured.vectors
        for seed in SEEDS:
            rows, wrong = flipped(examples(data, name), seed)
            measured = examined(rows).measured
            measured.__dict__["vectors"] = vectors  # the texts are the same
            given = np.array([measured.labels.index(str(row.target)) for row in rows])
            doubts = label_doubts(measured.probabilities, given)
            first = np.argsort(-doubts, kind="stable")[: round(1.5 * wrong.sum())]
            recalls.append(wrong[first].sum() / wrong.sum())
            ours.append(average_precision_score(wrong, doubts))
            theirs.append(
                average_precision_score(wrong, 1 - get_label_quality_scores(given, measured.probabilities))
            )
        print(f"{name:24} {mean(recalls):15.3f} {mean(ours):9.3f} {mean(theirs):9.3f}")
        goal = 0.8 if name in ("tos_clause_type", "trec") else None
        figures[f"{name}: recall of planted label errors at 1.5k"] = figure(
            mean(recalls), "share", goal, n=len(SEEDS)
        )
        figures[f"{name}: average precision over cleanlab's"] = figure(
            mean(ours) / mean(theirs), "x", 1.0, n=len(SEEDS)
        )


def confirmed(data: Path, figures: Figures) -> None:
    """Real errors that reviewers confirmed, against cleanlab's defaults on a probe of the same embeddings."""
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    rows = examples(data, "imdb_label_errors")
    with (data / "imdb_label_errors" / "truth.csv").open(newline="", encoding="utf-8") as file:
        wrong = np.array([row["is_error"] == "1" for row in csv.DictReader(file)])
    measured = examined(rows).measured
    given = np.array([measured.labels.index(str(row.target)) for row in rows])
    usual = cross_val_predict(
        LogisticRegression(max_iter=500), measured.vectors, given, method="predict_proba"
    )
    ours = average_precision_score(wrong, label_doubts(measured.probabilities, given))
    theirs = average_precision_score(wrong, 1 - get_label_quality_scores(given, usual))
    print(
        f"\nimdb_label_errors: average precision {ours:.3f}, cleanlab {theirs:.3f}, chance {wrong.mean():.3f}"
    )
    figures["imdb_label_errors: average precision over cleanlab's"] = figure(ours / theirs, "x", 1.0)


def near(data: Path, figures: Figures) -> None:
    """Near duplicates by six kinds of edit, planted in half of the sets' rows; false alarms on the others."""
    check = CHECKS.get("near_duplicates")
    found: dict[str, list[bool]] = {kind: [] for kind in EDITS}
    false = total = 0
    for name in ("tos_clause_type", "trec", "tweet_sentiment", "banking77"):
        rows = examples(data, name)
        already = set(check.examine(Examined(rows, [], 5)).rows)
        false, total = false + len(already), total + len(rows)
        for kind, edit in EDITS.items():
            rng = np.random.default_rng(0)
            copies: list[Example] = []
            for i in rng.choice(len(rows), 50, replace=False):
                text = edit(rows[i].input, rng)
                if text is not None and text.lower().split() != rows[i].input.lower().split():
                    copies.append(
                        rows[i].model_copy(update={"input": text, "row": 10_000 + len(copies), "id": f"c{i}"})
                    )
            flagged = set(check.examine(Examined([*rows, *copies], [], 5)).rows)
            found[kind] += [copy.row in flagged for copy in copies]
    recalls = {kind: mean(hits) if hits else 1.0 for kind, hits in found.items()}
    print("\nnear duplicates: " + ", ".join(f"{kind} {recall:.3f}" for kind, recall in recalls.items()))
    everything = [hit for hits in found.values() for hit in hits]
    print(f"recall {mean(everything):.3f} of {len(everything)}; {false} of {total} rows flagged as they are")
    figures["near duplicates: recall"] = figure(mean(everything), "share", 0.95, n=len(everything))
    figures["near duplicates: false alarms"] = figure(false / total, "share", 0.01, True, n=total)


def leaks(data: Path, figures: Figures) -> None:
    """Training rows planted in the test part, as they are and edited."""
    exact, edited = [], []
    for name in ("tos_clause_type", "trec", "tweet_sentiment", "banking77"):
        rows, test = examples(data, name), examples(data, name, "test")
        rng = np.random.default_rng(1)
        chosen = rng.choice(len(rows), 60, replace=False)
        whole = [rows[i].model_copy(update={"row": 20_000 + int(i)}) for i in chosen[:30]]
        kinds = list(EDITS.values())
        changed = []
        for number, i in enumerate(chosen[30:]):
            text = kinds[number % len(kinds)](rows[i].input, rng)
            if text is not None:
                changed.append(rows[i].model_copy(update={"input": text, "row": 30_000 + int(i)}))
        data_seen = Examined(rows, [*test, *whole, *changed], 5)
        same = CHECKS.get("test_leak").examine(data_seen)
        like = CHECKS.get("near_leak").examine(data_seen)
        marked = {note.other for note in (*same.notes, *like.notes)}
        exact += [row.row in marked for row in whole]
        edited += [row.row in marked for row in changed]
    print(f"\nleaks: exact {mean(exact):.3f} of {len(exact)}, edited {mean(edited):.3f} of {len(edited)}")
    figures["leaks: exact ones found"] = figure(mean(exact), "share", 1.0, n=len(exact))
    figures["leaks: edited ones found"] = figure(mean(edited), "share", 0.95, n=len(edited))


def private(data: Path, figures: Figures) -> None:
    """Personal data in twelve formats, planted in every sixth row of real text."""
    check = CHECKS.get("personal_data")
    hits, flagged_right, flagged = [], 0, 0
    for name in ("tos_clause_type", "trec", "tweet_sentiment", "banking77"):
        rows = examples(data, name)
        before = set(check.examine(Examined(rows, [], 5)).rows)
        rng = np.random.default_rng(2)
        carrying = planted(rows, rng)
        found = set(check.examine(Examined(carrying.rows, [], 5)).rows) - before
        hits += [row in found for row in carrying.where]
        flagged_right += len(found & set(carrying.where))
        flagged += len(found | before)
    precision = flagged_right / max(1, flagged)
    print(f"\npersonal data, {len(PERSONAL)} formats: recall {mean(hits):.3f}, precision {precision:.3f}")
    figures["personal data: recall"] = figure(mean(hits), "share", 0.95, n=len(hits))
    figures["personal data: precision"] = figure(precision, "share", 0.9, n=flagged)


def clean(data: Path, figures: Figures) -> None:
    """Real tables after their own fixes, every proposal taken: a doctor who cries wolf is muted."""
    issues = 0
    for name in ("tos_clause_type", "trec", "tweet_sentiment", "banking77"):
        text, label = COLUMNS[name]
        path = data / name / "train.csv"
        with TemporaryDirectory() as folder:
            for round in range(ROUNDS):
                job = Job(data=DataSpec(path=str(path), input=(text,), target=label))
                found = check_job(job)
                if round == ROUNDS - 1:
                    break
                place = Path(folder) / str(round)
                fix(found, place / "fixed")
                path = place / "fixed" / "clean.csv"
                if len((place / "fixed" / "review.csv").read_text().splitlines()) < 2:
                    continue
                agreed = _agreed(place / "fixed" / "review.csv", place / "agreed.csv")
                job = Job(data=DataSpec(path=str(path), input=(text,), target=label))
                apply_review(check_job(job), agreed, place / "applied")
                path = place / "applied" / "reviewed.csv"
        left = [each for each in found.findings if each.outcome == "issue"]
        issues += len(left)
        print(f"{name}: {'; '.join(f'{each.code} {each.message}' for each in left) or 'no issue'}")
    figures["clean tables: issues left after their own fixes"] = figure(issues, "issues", 0.0, True, n=4)


def _agreed(review: Path, path: Path) -> Path:
    """The review with yes to every proposal of a value; one for each cell."""
    with review.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    done = set[tuple[str, str]]()
    for row in rows:
        cell = (row["row"], row["column"])
        row["decision"] = "yes" if row["proposed"] and cell not in done else ""
        done.add(cell)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def speed(data: Path, figures: Figures) -> None:
    """Seconds for 500 rows with every check, and for 100,000 without the slow ones."""
    rows = examples(data, "trec")[:500]
    run_checks(examined(rows[:60]))  # models and libraries are loaded
    started = time.perf_counter()
    run_checks(examined(rows))
    few = time.perf_counter() - started
    words = [word for row in examples(data, "banking77") for word in row.input.split()]
    rng = np.random.default_rng(3)
    many = [
        Example(id=str(i), input=" ".join(rng.choice(words, 14)), target=f"label {i % 7}", row=i + 2)
        for i in range(100_000)
    ]
    run_checks(examined(many[:20_000]))
    before = peak_gib()
    started = time.perf_counter()
    run_checks(examined(many))
    lots = time.perf_counter() - started
    print(
        f"\n500 rows {few:.1f} s; 100,000 rows {lots:.0f} s; "
        f"peak memory at 20,000 rows {before:.2f} GiB, at 100,000 {peak_gib():.2f} GiB"
    )
    figures["peak memory at 20,000 rows, models included"] = figure(before, "GiB")
    figures["peak memory at 100,000 rows, models included"] = figure(peak_gib(), "GiB")
    figures["500 rows, every check"] = figure(few, "s", 10.0, True)
    figures["100,000 rows, without the slow checks"] = figure(lots, "s", 300.0, True)


TABLES: dict[str, Callable[[Path, Figures], None]] = {
    "noise": noise,
    "confirmed": confirmed,
    "near": near,
    "leaks": leaks,
    "private": private,
    "clean": clean,
    "speed": speed,
}


def main() -> None:
    """Runs the tables asked for and prints the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    options = parser.parse_args()
    figures: Figures = {}
    for name in options.only:
        TABLES[name](options.data, figures)
    print(closing_line(figures))


if __name__ == "__main__":
    main()
