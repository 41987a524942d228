"""A small table of three easy labels, for tests that need rows and not a real data set."""

import csv
from pathlib import Path

import numpy as np

WORDS = {
    "refund": ["refund", "money back", "reimburse", "return my payment"],
    "delivery": ["late", "parcel", "courier", "shipping"],
    "account": ["password", "login", "profile", "email address"],
}
FILLER = ["please", "today", "I", "need", "help", "with", "my", "the", "order", "again", "you", "thanks"]


def toy_rows(count: int = 60, seed: int = 0) -> list[dict[str, str]]:
    """Rows of three easy labels: a keyword among filler words, no two texts alike."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        label = list(WORDS)[i % 3]
        words = [*rng.choice(FILLER, size=5), str(rng.choice(WORDS[label])), f"n{i}"]
        rng.shuffle(words)
        rows.append({"text": " ".join(words), "label": label})
    return rows


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    """A CSV with the rows' keys as header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
