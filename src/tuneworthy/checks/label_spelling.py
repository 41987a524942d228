"""TW008: one label written in several ways."""

import re
import unicodedata
from collections import defaultdict
from difflib import SequenceMatcher

from tuneworthy.checks import Examined, noted, say
from tuneworthy.core.example import label_counts
from tuneworthy.core.finding import Finding, RowNote

ALIKE = 0.85  # difflib's ratio: "Postive" and "Positive" have 0.93, "positive" and "negative" 0.75
SHORT = 4  # letters below which one more or less makes another word
RARE = 0.1  # a slip of the pen is rare beside the label that was meant


class LabelSpelling:
    """Spellings that differ in case, white space or punctuation only, and rare ones a letter or two off."""

    code = "TW008"
    title = "label spelling"
    slow = False
    needs = None
    of_labels = True

    def examine(self, data: Examined) -> Finding:
        """An issue when there are any: each spelling is a class of its own to every arm."""
        counts = label_counts(data.examples)
        meant = {**_same_letters(counts), **_slips(counts)}
        if not meant:
            return say(self, "passed", "No two labels look like one.")
        notes = [
            RowNote(
                row=row.row,
                note="spelling",
                column="label",
                before=str(row.target),
                after=meant[str(row.target)],
            )
            for row in data.examples
            if str(row.target) in meant
        ]
        shown = ", ".join(f"'{wrong}' for '{right}'" for wrong, right in list(meant.items())[:5])
        shown += f" and {len(meant) - 5} more" if len(meant) > 5 else ""
        return say(
            self,
            "issue",
            f"{noted(notes, 'has', 'have')} a label that looks like a more frequent one spelt "
            f"otherwise: {shown}.",
            "Confirm them in review.csv (tuneworthy check --fix), or keep them apart by clearer names.",
            notes=notes,
        )


def _key(label: str) -> str:
    plain = unicodedata.normalize("NFKC", label).casefold()
    return re.sub(r"[\W_]+", " ", plain).strip()


def _same_letters(counts: dict[str, int]) -> dict[str, str]:
    """Spelling to the most frequent one with the same letters."""
    same: dict[str, list[str]] = defaultdict(list)
    for label in counts:  # most frequent first
        if _key(label):
            same[_key(label)].append(label)
    return {label: spellings[0] for spellings in same.values() for label in spellings[1:]}


def _slips(counts: dict[str, int]) -> dict[str, str]:
    """Rare label to the frequent one that it nearly is; numbered labels are different on purpose."""
    found = {}
    labels = list(counts)
    for i, rare in enumerate(labels):
        for frequent in labels[:i]:
            a, b = _key(rare), _key(frequent)
            if counts[rare] > max(1, RARE * counts[frequent]) or min(len(a), len(b)) < SHORT or a == b:
                continue
            if re.sub(r"\d", "", a) == re.sub(r"\d", "", b):
                continue
            if SequenceMatcher(None, a, b).ratio() >= ALIKE and len(a.split()) == len(b.split()):
                found[rare] = frequent
                break
    return found


PLUGIN = LabelSpelling()
