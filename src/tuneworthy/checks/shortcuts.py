"""TW018: what a model gets right without reading."""

import re

import numpy as np
from numpy.typing import NDArray

from tuneworthy.checks import Examined, say
from tuneworthy.core.example import label_counts
from tuneworthy.core.finding import Finding

FEWEST = 60
WORTH = 0.15  # over the most frequent label, at the lower end of a 95% interval
FEATURES = (
    "length",
    "capitals",
    "digits",
    "punctuation",
    "line breaks",
    "links and handles",
    "last character",
)


class Shortcuts:
    """The score of a model that sees the form of a text only: its length, capitals, digits, punctuation."""

    code = "TW018"
    title = "shortcuts"
    slow = False
    needs = None
    of_labels = True

    def examine(self, data: Examined) -> Finding:
        """A tip when form alone goes far; it names the features that do it."""
        counts = label_counts(data.examples)
        common = {label for label, n in counts.items() if n >= 10}
        rows = [row for row in data.examples if row.target in common]
        if len(rows) < FEWEST or len(common) < 2:
            return say(self, "not_applicable", f"It takes {FEWEST} rows and two labels of ten rows.")
        y = np.array([str(row.target) for row in rows])
        x = np.array([_form(row.input) for row in rows])
        usual = max(float((y == label).mean()) for label in common)
        score = _score(x, y)
        low = score - 1.96 * float(np.sqrt(score * (1 - score) / len(y)))
        said = f"The form of texts alone scores {score:.0%}; the most frequent label {usual:.0%}."
        if low < usual + WORTH:
            return say(self, "passed", said)
        alone = {name: _score(x[:, [i]], y) for i, name in enumerate(FEATURES)}
        telling = [name for name, s in sorted(alone.items(), key=lambda item: -item[1])[:2] if s > usual]
        return say(
            self,
            "tip",
            f"{said} Most of it is in: {', '.join(telling)}.",
            "See whether rows of one label came from one source; a model may learn form in place of sense.",
            rows=[row.row for row in rows],
        )


def _form(text: str) -> list[float]:
    letters = max(1, len(text))
    return [
        float(np.log1p(len(text))),
        sum(c.isupper() for c in text) / letters,
        sum(c.isdigit() for c in text) / letters,
        sum(not c.isalnum() and not c.isspace() for c in text) / letters,
        float(np.log1p(text.count("\n"))),
        float(len(re.findall(r"https?://|www\.|@\w|#\w", text))),
        float("?!.".find(text.strip()[-1:] or " ")),
    ]


def _score(x: NDArray[np.float64], y: NDArray[np.str_]) -> float:
    """Out-of-bag accuracy of a shallow forest: trees judge the rows they have not seen (Breiman 2001)."""
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(100, max_depth=6, min_samples_leaf=5, oob_score=True, random_state=0)
    return float(model.fit(x, y).oob_score_)


PLUGIN = Shortcuts()
