"""Text classification: one label out of a closed set."""

from collections.abc import Sequence

from tuneworthy.core.errors import DataError
from tuneworthy.core.example import Example, label_counts
from tuneworthy.core.outline import outline
from tuneworthy.tasks import Message
from tuneworthy.tasks._turns import chat, enough

MOST_LABELS = 200
LONGEST_LABEL = 1000  # characters: every prompt lists the labels
IMBALANCE = 0.8  # one label's share from which accuracy says little and macro-F1 decides


class TextClassification:
    """One label out of two to two hundred."""

    name = "text-classification"
    title = "text classification"
    metrics = (
        "accuracy",
        "macro_f1",
        "macro_precision",
        "macro_recall",
        "mcc",
        "auroc",
        "log_loss",
        "calibration_error",
    )
    arms = (
        "majority",
        "tfidf",
        "probe",
        "probe_decoder",
        "decision",
        "zero_shot",
        "few_shot",
        "knn_shot",
        "setfit",
        "encoder",
        "lora",
    )
    open = False

    def check_examples(self, examples: Sequence[Example]) -> None:
        """Raises DataError when rows are too few, or labels one, too many, too long, or of a single row."""
        enough(examples)
        counts = label_counts(examples)
        longest = max(examples, key=lambda row: len(row.target or ""))
        if len(longest.target or "") > LONGEST_LABEL:
            raise DataError(
                f"row {longest.row}: a label of {len(longest.target or '')} characters "
                f"({outline(longest.target or '')}) is a text: check --target, or name the task, such as "
                "--task text-generation."
            )
        if len(counts) == 1:
            raise DataError(
                f"every row has the same label '{next(iter(counts))[:60]}': "
                "a classification needs at least two; check --target."
            )
        if len(counts) > MOST_LABELS:
            raise DataError(
                f"{len(counts)} distinct labels in {len(examples)} rows are more than {MOST_LABELS}: "
                "is --target the right column?"
            )
        single = [label for label, count in counts.items() if count == 1]
        if single:
            shown = ", ".join(f"'{label[:60]}'" for label in single[:5]) + (" ..." if len(single) > 5 else "")
            noun = "label has" if len(single) == 1 else "labels have"
            if len(single) > len(counts) / 2:
                raise DataError(
                    f"{len(single)} of {len(counts)} labels have a single row (as has {outline(single[0])}), "
                    "so these are hardly labels: name the task, such as --task regression for numbers, "
                    "structured-extraction for records or text-generation for texts."
                )
            raise DataError(
                f"{len(single)} {noun} a single row ({shown}), which cannot be both learned and tested: "
                "add a row, merge the label or remove it."
            )

    def labels(self, examples: Sequence[Example]) -> tuple[str, ...]:
        """The labels in alphabetical order, so that the prompt does not depend on the order of rows."""
        return tuple(sorted(label_counts(examples)))

    def primary_metric(self, examples: Sequence[Example]) -> str:
        """Accuracy, or macro-F1 when one label holds 80% of the rows."""
        counts = label_counts(examples)
        share = next(iter(counts.values())) / sum(counts.values())
        return "macro_f1" if share >= IMBALANCE else "accuracy"

    def instruction(self, labels: Sequence[str]) -> str:
        """One sentence and the label list: shared by every row, so the engine computes it once."""
        return "Classify the text. Answer with exactly one of these labels: " + "; ".join(labels) + "."

    def messages(self, instruction: str, input: str, demonstrations: Sequence[Example] = ()) -> list[Message]:
        """System turn with the instruction, demonstrations as earlier turns, then the text."""
        return chat(instruction, input, [(d.input, self.format(d.target or "")) for d in demonstrations])

    def format(self, target: str) -> str:
        """The label itself."""
        return target

    def parse(self, text: str, labels: Sequence[str]) -> str | None:
        """The label this text is, after trimming; case is forgiven when that is unambiguous."""
        answer = text.strip()
        for exact in (text, answer):
            if exact in labels:
                return exact
        folded = [label for label in labels if label.strip().casefold() == answer.casefold()]
        return folded[0] if len(folded) == 1 else None


PLUGIN = TextClassification()
