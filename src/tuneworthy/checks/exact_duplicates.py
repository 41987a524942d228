"""TW001: the same text more than once."""

from tuneworthy.checks import Examined
from tuneworthy.core.finding import Finding
from tuneworthy.data.splits import normalised


class ExactDuplicates:
    """Rows whose text is the same but for case and white space; the split keeps them together."""

    code = "TW001"
    title = "exact duplicates"

    def examine(self, data: Examined) -> Finding:
        """A tip when there are any: they count double, in training and in the score."""
        seen: set[str] = set()
        repeated = []
        for example in data.examples:
            key = normalised(example.input)
            if key in seen:
                repeated.append(example.row)
            seen.add(key)
        if not repeated:
            return Finding(
                code=self.code,
                check="exact_duplicates",
                title=self.title,
                outcome="passed",
                message="No text occurs twice.",
            )
        return Finding(
            code=self.code,
            check="exact_duplicates",
            title=self.title,
            outcome="tip",
            message=f"{len(repeated)} of {len(data.examples)} rows repeat an earlier text.",
            advice="Remove repeats that are no independent observations; the split keeps them on one side.",
            rows=tuple(repeated),
        )


PLUGIN = ExactDuplicates()
