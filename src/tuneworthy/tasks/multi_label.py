"""Multi-label classification: any number of labels out of a closed set, none among them."""

import re
from collections.abc import Sequence

from tuneworthy.core.errors import DataError
from tuneworthy.core.example import Example
from tuneworthy.core.outline import outline
from tuneworthy.data.forms import Form
from tuneworthy.metrics._sets import NONE, labels_of, written
from tuneworthy.tasks import Message
from tuneworthy.tasks._turns import chat, enough

MOST_LABELS = 100
LONGEST_LABEL = 1000  # characters: every prompt lists the labels


class MultiLabel:
    """A target is a JSON list of labels, or labels between semicolons or bars; models write "a; b" or "none".

    Which labels a row has is written, not scored: an answer may hold any of them.
    """

    name = "multi-label"
    title = "multi-label classification"
    metrics = ("set_micro_f1", "set_macro_f1", "exact_set")
    arms = (
        "majority",
        "tfidf_one_vs_rest",
        "probe_one_vs_rest",
        "nearest",
        "zero_shot",
        "few_shot",
        "knn_shot",
        "setfit",
        "encoder",
        "lora",
    )
    open = True
    form = Form(nothing="[]", as_json=labels_of, target="list of labels")

    def check_examples(self, examples: Sequence[Example]) -> None:
        """Raises DataError when there are too few rows, or labels are one, too many or too long."""
        enough(examples)
        labels = self.labels(examples)
        longest = max(labels, key=len, default="")
        if len(longest) > LONGEST_LABEL:
            raise DataError(
                f"a label of {len(longest)} characters ({outline(longest)}) is a text: check --target, or "
                "part the labels of a row by semicolons."
            )
        if not 2 <= len(labels) <= MOST_LABELS:
            raise DataError(
                f"the target has {len(labels)} distinct labels, not 2 to {MOST_LABELS}: labels of a row are "
                "parted by semicolons or bars, or are a JSON list; check --target."
            )

    def labels(self, examples: Sequence[Example]) -> tuple[str, ...]:
        """The labels that occur, in alphabetical order."""
        return tuple(sorted({label for row in examples for label in labels_of(str(row.target))}))

    def primary_metric(self, examples: Sequence[Example]) -> str:
        """Micro-F1: every label of every row counts once."""
        return "set_micro_f1"

    def instruction(self, labels: Sequence[str]) -> str:
        """One sentence and the label list: shared by every row, so the engine computes it once."""
        return (
            "Which of these labels fit the text? Answer with all that do, separated by semicolons, or with "
            f"{NONE}: {'; '.join(labels)}."
        )

    def messages(self, instruction: str, input: str, demonstrations: Sequence[Example] = ()) -> list[Message]:
        """System turn with the instruction, demonstrations as earlier turns, then the text."""
        shown = [(d.input, self.format(d.target or NONE)) for d in demonstrations]
        return chat(instruction, input, shown)

    def format(self, target: str) -> str:
        """The labels in alphabetical order."""
        return written(labels_of(target))

    def parse(self, text: str, labels: Sequence[str]) -> str | None:
        """The known labels that the text lists, case forgiven; None when it lists none of them."""
        known = {label.casefold(): label for label in labels}
        named = [" ".join(part.split()).casefold() for part in re.split(r"[;|,\n]", text) if part.strip()]
        found = sorted({known[name] for name in named if name in known})
        return written(found) if found or named == [NONE] else None


PLUGIN = MultiLabel()
