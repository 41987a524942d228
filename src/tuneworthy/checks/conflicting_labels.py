"""TW002: the same text with different labels."""

from collections import defaultdict

from tuneworthy.checks import Examined
from tuneworthy.core.finding import Finding
from tuneworthy.data.splits import normalised

BLOCKING_SHARE = 0.05  # of all rows: from here on the labels, not the model, limit every arm


class ConflictingLabels:
    """Texts that carry two labels or more: no model can have them all right."""

    code = "TW002"
    title = "same text, different labels"

    def examine(self, data: Examined) -> Finding:
        """An issue when there are any, blocking from 5% of the rows on."""
        rows: dict[str, list[int]] = defaultdict(list)
        labels: dict[str, set[str]] = defaultdict(set)
        for example in data.examples:
            key = normalised(example.input)
            rows[key].append(example.row)
            labels[key].add(str(example.target))
        found = sorted(row for key, names in labels.items() if len(names) > 1 for row in rows[key])
        if not found:
            return Finding(
                code=self.code,
                check="conflicting_labels",
                title=self.title,
                outcome="passed",
                message="No text has two labels.",
            )
        share = len(found) / len(data.examples)
        return Finding(
            code=self.code,
            check="conflicting_labels",
            title=self.title,
            outcome="issue",
            message=f"{len(found)} rows ({share:.1%}) share their text with a row of another label.",
            advice="Decide which label is right, or remove the rows.",
            blocking=share >= BLOCKING_SHARE,
            rows=tuple(found),
        )


PLUGIN = ConflictingLabels()
