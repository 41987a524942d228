"""TW011: texts too short to say anything, or too long to be read."""

import re

import numpy as np

from tuneworthy.checks import Examined, say
from tuneworthy.core.counting import counted
from tuneworthy.core.finding import Finding, RowNote

LETTERS = 3  # fewer letters or digits than this say nothing, except where that is usual for the table
LONGEST = 1024  # tokens: what the prompting arms and the fine-tune read of a text by default
LONGEST_ANSWER = 512  # tokens: an answer that is a text ends there
OFTEN = 0.05


class InputLength:
    """Lengths in the decoder's own tokens where it is at hand, else in words."""

    code = "TW011"
    title = "empty, tiny and over-long texts"
    slow = False
    needs = None
    of_labels = False

    def examine(self, data: Examined) -> Finding:
        """A tip with the rows; an issue when many texts are cut."""
        rows = data.examples
        letters = [len(re.findall(r"\w", row.input)) for row in rows]
        tiny = [i for i, n in enumerate(letters) if n < LETTERS]
        if np.median(letters) < 2 * LETTERS:
            tiny = [i for i in tiny if letters[i] == 0]
        lengths, unit = _lengths(data, [row.input for row in rows])
        long = [i for i, n in enumerate(lengths) if n > LONGEST]
        measured = f"{int(np.median(lengths))} {unit} is the median, {max(lengths)} the most"
        answers = _lengths(data, [str(row.target) for row in rows])[0] if data.open else []
        cut = [i for i, n in enumerate(answers) if n > LONGEST_ANSWER]
        if not tiny and not long and not cut:
            return say(self, "passed", f"Every text has a usable length ({measured}).")
        few, many = counted(len(tiny), "text has", "texts have"), counted(len(long), "text is", "texts are")
        ends = (
            f"{counted(len(cut), 'answer is', 'answers are')} longer than the {LONGEST_ANSWER} {unit} written"
        )
        parts = [
            *([f"{few} fewer than {LETTERS} letters"] if tiny else []),
            *([f"{many} longer than {LONGEST:,} {unit}"] if long else []),
            *([ends] if cut else []),
        ]
        return say(
            self,
            "issue" if cut or len(long) > OFTEN * len(rows) else "tip",
            f"{' and '.join(parts)} ({measured}).",
            "Look at the tiny ones; long ones are cut unless you shorten them or set max_input_tokens.",
            notes=[
                *(RowNote(row=rows[i].row, note=f"{letters[i]} letters") for i in tiny),
                *(RowNote(row=rows[i].row, note=f"an answer of {answers[i]} {unit}") for i in cut),
                *(RowNote(row=rows[i].row, note=f"{lengths[i]} {unit}", doubt=0.5) for i in long),
            ],
        )


def _lengths(data: Examined, texts: list[str]) -> tuple[list[int], str]:
    if "decoder" in data.models:
        from tuneworthy.models.token_counts import count_tokens

        return count_tokens(data.models["decoder"], texts), "tokens"
    return [len(text.split()) for text in texts], "words"


PLUGIN = InputLength()
