"""Which texts are nearly the same: candidates by MinHash, then how much of the shorter one is in both."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash, RMinHashLSH
from scipy.sparse import csr_matrix

from tuneworthy.core.example import Example
from tuneworthy.core.finding import RowNote
from tuneworthy.data.repeats import normalised
from tuneworthy.tasks._chats import gist

ALL_PAIRS = 3_000  # texts: up to here every pair is compared
PERMUTATIONS, BANDS = 128, 32  # four rows a band: texts with a Jaccard index of 0.6 meet with 0.99
SHINGLE = 4  # characters
LONG = 80  # shingles, about 20 words: what a longer text says is not in another one by chance
FEWEST_WORDS = 4
ALIKE, CONTAINED = 0.75, 0.92  # weighted Jaccard index; share of the shorter text inside the longer
BUT_A_WORD = 0.55  # likeness of texts that differ in a single word, which in a short one weighs much
SEED = 1
CROWD = 100  # candidates of one text that are compared at most
_WORDS = re.compile(r"\w+")


def shingles(text: str) -> set[str]:
    """Runs of four characters of each word: case, punctuation, white space and word order do not count."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return {
        f"_{word}_"[i : i + SHINGLE]
        for word in _WORDS.findall(plain)
        for i in range(max(1, len(word) + 3 - SHINGLE))
    }


def near_notes(rows: Sequence[Example], note: str, test_from: int | None = None) -> list[RowNote]:
    """What a check says of texts that are nearly, not exactly, the same; the likest first.

    Args:
        rows: in the order of the table, then of the test file.
        note: what follows the likeness, such as "like".
        test_from: where test rows start: those alone are looked up, and the note is the labelled row's.
    """
    notes = []
    for later, earlier, likeness in near_pairs([gist(row.input) for row in rows], test_from):
        if normalised(rows[later].input) == normalised(rows[earlier].input):
            continue  # another check's
        named, other = (later, earlier) if test_from is None else (earlier, later)
        said = f"{likeness:.0%} {note}"
        notes.append(RowNote(row=rows[named].row, note=said, other=rows[other].row, doubt=round(likeness, 4)))
    return sorted(notes, key=lambda found: (-found.doubt, found.row))


def near_pairs(texts: Sequence[str], until: int | None = None) -> list[tuple[int, int, float]]:
    """Pairs (later, earlier, likeness) of texts that are nearly the same: each later one's likest partner.

    Shingles weigh by their rarity: what every text of the table says tells none apart. Two texts are nearly
    the same from a weighted Jaccard index of `ALIKE` on; from `BUT_A_WORD` on where a single word was
    replaced, put in or left out (chosen on seven sets apart from the benchmark's: it finds 94 to 100% of such
    copies, and one text more that is none); or where `CONTAINED` of the shorter one's weight is in the other.

    Args:
        texts: in the order of the table.
        until: only texts from this position on are looked up, among those before it.
    """
    numbers: dict[str, int] = {}
    rows: list[NDArray[np.int32]] = []
    for text in texts:
        found = {numbers.setdefault(s, len(numbers)) for s in sorted(shingles(text))}
        rows.append(np.array(sorted(found), dtype=np.int32))
    counts = np.bincount(np.concatenate(rows), minlength=len(numbers)) if numbers else np.zeros(0)
    weight = np.log(1 + len(texts) / np.maximum(counts, 1))
    sizes = np.array([weight[row].sum() for row in rows])
    matrix = csr_matrix(
        (np.ones(sum(map(len, rows))), np.concatenate(rows), np.cumsum([0, *map(len, rows)])),
        shape=(len(rows), len(numbers)),
    )
    weighted = matrix.multiply(weight).tocsr()
    pairs = []
    for i, earlier in _candidates(texts, until):
        if not len(rows[i]) or not len(earlier):
            continue
        shared = np.asarray((weighted[earlier] @ matrix[i].T).todense()).ravel()
        whole = shared / np.maximum(sizes[earlier] + sizes[i] - shared, 1e-9)
        inside = shared / np.maximum(np.minimum(sizes[earlier], sizes[i]), 1e-9)
        likeness = np.where(whole >= ALIKE, whole, 0.0)
        for k in np.flatnonzero(inside >= CONTAINED):
            if min(len(rows[i]), len(rows[earlier[k]])) >= LONG or _framed(texts[i], texts[earlier[k]]):
                likeness[k] = max(likeness[k], inside[k])
        for k in np.flatnonzero((whole >= BUT_A_WORD) & (likeness == 0.0)):
            if _one_word_apart(texts[i], texts[earlier[k]]):
                likeness[k] = whole[k]
        best = int(likeness.argmax())
        if likeness[best] > 0:
            pairs.append((i, int(earlier[best]), float(likeness[best])))
    return pairs


def _framed(a: str, b: str) -> bool:
    """Whether the words of one text stand in a row inside the other."""
    one, other = sorted((_WORDS.findall(a.casefold()), _WORDS.findall(b.casefold())), key=len)
    return len(one) >= FEWEST_WORDS and f" {' '.join(one)} " in f" {' '.join(other)} "


def _one_word_apart(a: str, b: str) -> bool:
    """Whether one word replaced, put in or left out makes one text of the other."""
    one, other = sorted((_WORDS.findall(a.casefold()), _WORDS.findall(b.casefold())), key=len)
    if len(one) < FEWEST_WORDS or len(other) - len(one) > 1:
        return False
    first = next((k for k, (x, y) in enumerate(zip(one, other, strict=False)) if x != y), len(one))
    tail = len(other) - first - 1
    return tail == 0 or one[-tail:] == other[-tail:]


def _candidates(texts: Sequence[str], until: int | None) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Each text to look up and the earlier ones it may be like: all, or what MinHash finds."""
    if len(texts) <= ALL_PAIRS:
        for i in range(until or 1, len(texts)):
            yield i, np.arange(until if until is not None else i)
        return
    index = RMinHashLSH(threshold=0.5, num_perm=PERMUTATIONS, num_bands=BANDS)
    for i, text in enumerate(texts):
        sketch = RMinHash(num_perm=PERMUTATIONS, seed=SEED)
        sketch.update(sorted(shingles(text)))
        if until is None or i >= until:
            yield i, np.array(sorted(index.query(sketch))[:CROWD], dtype=np.intp)
        if until is None or i < until:
            index.insert(i, sketch)
