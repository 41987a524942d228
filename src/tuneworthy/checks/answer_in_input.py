"""TW016: the answer stands in the text."""

import re

from tuneworthy.checks import Examined, say
from tuneworthy.core.finding import Finding

SHARE = 0.5  # of the rows that name their own label
RIGHT = 0.95  # of the rows that name exactly one label


class AnswerInInput:
    """Texts that name their label: a rule of one line would do, or a form field has leaked into the text."""

    code = "TW016"
    title = "the answer in the text"
    slow = False
    needs = None
    of_labels = True

    def examine(self, data: Examined) -> Finding:
        """A tip when most rows name one label, their own."""
        labels = sorted({str(row.target) for row in data.examples}, key=len, reverse=True)
        words = {label: _words(label) for label in labels}
        named, right = [], 0
        for row in data.examples:
            text = _words(row.input)
            found = [label for label in labels if words[label] in text]
            if len(found) == 1:
                right += found[0] == row.target
                if found[0] == row.target:
                    named.append(row.row)
        share = len(named) / len(data.examples)
        if share < SHARE or right < RIGHT * max(1, len(named)):
            return say(self, "passed", f"{share:.0%} of the rows name their own label and no other.")
        return say(
            self,
            "tip",
            f"{share:.0%} of the rows name their own label in the text, and no other.",
            "Remove a field that leaked into the text, or use a rule in place of a model.",
            rows=named,
        )


def _words(text: str) -> str:
    words = re.findall(r"[^\W_]+", text.casefold())
    return f" {' '.join(words)} "


PLUGIN = AnswerInInput()
