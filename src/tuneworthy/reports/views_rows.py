"""What the page says about labels and single rows: confusion, classes, disagreements, raw samples."""

from collections.abc import Sequence
from typing import Any

from tuneworthy.core.evidence import Estimate
from tuneworthy.reports import formats
from tuneworthy.reports.contents import Confusion, Contents, Disagreement
from tuneworthy.reports.views_scores import Notes, View, score

MATRIX_LABELS = 15
PAIRS = 15
SHOWN_ROWS = 8
SHOWN_CLASSES = 20
SHORT_TEXT = 280
LONG_TEXT = 5_000
NO_LABEL = "no label"

_CLASS_METRICS = {"precision": 0, "recall": 1, "f1": 2, "macro_f1": 2}


def excerpt(text: str, length: int = SHORT_TEXT) -> View:
    """A text's beginning, cut at a word, and the whole of it where that is longer."""
    text = text.strip()
    if len(text) <= length:
        return {"short": text, "full": "", "length": len(text), "cut": False}
    short = text[:length]
    words = short.rsplit(None, 1)
    if len(words) == 2 and len(words[0]) > length // 2:
        short = words[0]
    whole = text[:LONG_TEXT]
    return {
        "short": short.rstrip(" .,;:") + "\N{HORIZONTAL ELLIPSIS}",
        "full": whole,
        "length": len(text),
        "cut": len(text) > LONG_TEXT,
    }


def confusion_view(contents: Contents) -> View | None:
    """The recommended method's confusion matrix: as a heat map, or its largest cells when it is too wide."""
    confusion = contents.details.confusion.get(contents.verdict.recommended_method)
    if confusion is None or not confusion.labels:
        return None
    columns = (*confusion.labels, NO_LABEL)
    width = len(columns) if any(len(row) >= len(columns) and row[-1] for row in confusion.matrix) else -1
    columns = columns if width > 0 else columns[:-1]
    if len(confusion.labels) > MATRIX_LABELS:
        return {"pairs": _pairs(confusion, columns), "rows": [], "columns": []}
    rows = []
    for place, (label, counts) in enumerate(zip(confusion.labels, confusion.matrix, strict=False)):
        total = sum(counts)
        cells = [
            {"n": n, "shade": round(45 * n / total) if total else 0, "right": place == column}
            for column, n in enumerate(counts[: len(columns)])
        ]
        rows.append({"label": label, "cells": cells, "total": total})
    return {"pairs": [], "rows": rows, "columns": columns}


def _pairs(confusion: Confusion, columns: Sequence[str]) -> list[View]:
    wrong: list[View] = [
        {"truth": confusion.labels[row], "answer": columns[column], "n": n, "total": sum(counts)}
        for row, counts in enumerate(confusion.matrix)
        for column, n in enumerate(counts[: len(columns)])
        if row != column and n
    ]
    return sorted(wrong, key=lambda pair: (-pair["n"], pair["truth"], pair["answer"]))[:PAIRS]


def classes_view(contents: Contents) -> View | None:
    """Scores of the recommended method for each label, weakest first."""
    mine = [
        estimate
        for estimate in contents.estimates
        if estimate.method == contents.verdict.recommended_method and estimate.label is not None
    ]
    if not mine:
        return None
    notes = Notes()
    found = dict.fromkeys((estimate.metric, estimate.split) for estimate in mine)
    columns = sorted(found, key=lambda column: (_CLASS_METRICS.get(column[0], 9), column))
    by_label: dict[str, dict[tuple[str, str], Estimate]] = {}
    for estimate in mine:
        by_label.setdefault(str(estimate.label), {})[estimate.metric, estimate.split] = estimate
    ranking = next((column for column in columns if column[0] in ("f1", "macro_f1")), columns[0])

    def weakest_first(label: str) -> tuple[float, str]:
        ranked = by_label[label].get(ranking)
        return (ranked.value if ranked else 2.0, label)

    rows: list[View] = []
    for label in sorted(by_label, key=weakest_first):
        found_here = by_label[label]
        cells = [score(found_here[column], notes) if column in found_here else None for column in columns]
        rows.append({"label": label, "cells": cells})
    splits = {split for _, split in columns}
    titles = [
        ("F1" if metric == "macro_f1" else formats.metric_title(metric))
        + (f" ({split})" if len(splits) > 1 else "")
        for metric, split in columns
    ]
    return {
        "columns": titles,
        "rows": rows[:SHOWN_CLASSES],
        "more": rows[SHOWN_CLASSES:],
        "notes": notes.lines,
    }


def groups_view(contents: Contents) -> View | None:
    """Error rates of the recommended method by the group column, the highest first."""
    found = contents.details.groups.get(contents.verdict.recommended_method)
    if found is None:
        return None
    return {
        "column": contents.dataset.group_column or "group",
        "rows": [
            {
                "group": row.group,
                "n": row.n,
                "wrong": row.wrong,
                "rate": formats.percent(row.wrong / row.n),
                "range": f"{formats.percent(row.low)} to {formats.percent(row.high)}",
            }
            for row in found.groups[:SHOWN_CLASSES]
        ],
        "more": max(0, len(found.groups) - SHOWN_CLASSES),
        "left": found.left,
        "p": formats.p_value(found.p),
        "differ": found.p < contents.verdict.thresholds.alpha,
    }


def slices_view(contents: Contents) -> View | None:
    """Parts of the rows on which the best fine-tune is worse than the best other arm."""
    found = contents.details.slices
    if found is None:
        return None
    return {
        "method": found.method,
        "against": found.against,
        "metric": formats.metric_title(found.metric),
        "tested": found.tested,
        "rate": formats.percent(found.rate, 0),
        "rows": [
            {
                "by": contents.dataset.group_column or "group" if row.by == "group" else row.by,
                "name": row.name,
                "n": row.n,
                "difference": formats.points(row.difference, found.metric),
                "range": formats.signed_range(row.low, row.high, found.metric),
                "q": formats.p_value(row.q),
            }
            for row in found.worse[:SHOWN_CLASSES]
        ],
        "more": max(0, len(found.worse) - SHOWN_CLASSES),
    }


def wording_view(contents: Contents) -> list[View]:
    """How each arm writes, the reference first, then the best arm; empty where answers are no prose."""
    found = contents.details.wording
    order = ["reference", *(arm.method for arm in contents.arms)]
    return [
        {
            "name": name,
            "words": f"{found[name].words:.1f}",
            "novel": formats.percent(found[name].novel, 0),
            "copied": formats.percent(found[name].copied, 0),
        }
        for name in order
        if name in found
    ]


def won_view(contents: Contents) -> View | None:
    """Rows that only the winner has right, and rows that only the best untuned arm has right."""
    won = contents.details.won
    if won is None or not (won.only_winner or won.only_against):
        return None
    compared = contents.compared(won.winner, won.against)
    wins, losses = (compared.wins, compared.losses) if compared else (None, None)  # the lists may be cut
    open = not contents.details.confusion  # answers are texts: better or worse, not right or wrong
    return {
        "winner": won.winner,
        "against": won.against,
        "open": open,
        "sides": [
            {
                "title": f"{won.winner} is ahead" if open else f"Only {won.winner} is right",
                "total": wins,
                "rows": _disagreements(contents, won.only_winner),
            },
            {
                "title": f"{won.against} is ahead" if open else f"Only {won.against} is right",
                "total": losses,
                "rows": _disagreements(contents, won.only_against),
            },
        ],
    }


def _disagreements(contents: Contents, rows: Sequence[Disagreement]) -> list[View]:
    shown = []
    for item in rows[:SHOWN_ROWS]:
        row = contents.rows.get(item.id)
        shown.append(
            {
                "id": item.id,
                "number": row.row if row else 0,
                "part": row.part if row else "",
                "text": excerpt(row.input if row else "(this row is not in rows.jsonl)"),
                "target": item.target,
                "winner": item.winner,
                "against": item.against,
            }
        )
    return shown


def samples_view(contents: Contents) -> list[View]:
    """Raw outputs of the arms at chance or below, so that a broken parser shows."""
    return [
        {"method": method, "outputs": [_sample(contents, output) for output in outputs]}
        for method, outputs in contents.details.samples.items()
        if outputs
    ]


def _sample(contents: Contents, output: Any) -> View:
    """A sample is raw text, or an object with `raw`, where the arm wrote text, and what was made of it."""
    if not isinstance(output, dict):
        return {"about": [], "input": None, "text": excerpt(formats.plain(output))}
    row, raw = contents.rows.get(str(output.get("id"))), output.get("raw")
    about = [(key, output[key]) for key in ("value", "status") if output.get(key) is not None]
    if row is not None and row.target is not None:
        about.insert(0, ("truth", row.target))
    return {
        "about": [(key, formats.plain(value)) for key, value in about],
        "input": excerpt(row.input) if row is not None else None,
        "text": None if raw is None else excerpt(formats.plain(raw)),
    }
