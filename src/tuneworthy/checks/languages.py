"""TW014: texts in several languages."""

from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from tuneworthy.checks import Examined, say
from tuneworthy.core.example import Example
from tuneworthy.core.finding import Finding, RowNote
from tuneworthy.runfolder.disk import writing

SHORTEST = 40  # characters; of shorter texts a language is a guess
SURE = 0.95
SHARE = 0.02  # of the texts that are long enough
FEWEST = 3


class Languages:
    """What py3langid makes of the longer texts; most models are weaker outside their main language."""

    code = "TW014"
    title = "mixed languages"
    slow = True
    needs = None
    of_labels = False

    def examine(self, data: Examined) -> Finding:
        """A tip when a second language has a share that counts."""
        found = _recognised([row for row in data.examples if len(row.input) >= SHORTEST])
        counts = Counter(found.values()).most_common()
        others = [(name, n) for name, n in counts[1:] if n >= max(FEWEST, SHARE * len(found))]
        if not counts:
            return say(self, "not_applicable", f"No text of {SHORTEST} characters whose language is clear.")
        if not others:
            return say(self, "passed", f"The longer texts are in one language ({counts[0][0]}).")
        shown = ", ".join(f"{name} ({n})" for name, n in others[:5])
        return say(
            self,
            "tip",
            f"Most texts are in '{counts[0][0]}' ({counts[0][1]}), some in others: {shown}.",
            "Choose models that know all of them, and look at the score of each language.",
            notes=[
                RowNote(row=row, note=f"in '{language}'")
                for row, language in found.items()
                if language in dict(others)
            ],
        )


def _recognised(rows: list[Example]) -> dict[int, str]:
    """The language by row, where it is clear."""
    if not rows:
        return {}
    judged = [(row.row, *_identifier().classify(row.input)) for row in rows]
    return {row: language for row, language, chance in judged if chance >= SURE}


@cache
def _identifier() -> Any:
    """The model, which is half a second to load: once a process, and not for no row."""
    from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier

    with writing(Path(gettempdir())):  # it unpacks its model there
        return LanguageIdentifier.from_modelpath(MODEL_DIR / MODEL_FILE, norm_probs=True)


PLUGIN = Languages()
