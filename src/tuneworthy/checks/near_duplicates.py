"""TW006: texts that are nearly the same."""

from tuneworthy.checks import Examined, noted, say
from tuneworthy.checks._similar import near_notes
from tuneworthy.core.finding import Finding


class NearDuplicates:
    """Copies that were edited, re-cased, reordered or framed by boilerplate; exact ones are TW001's."""

    code = "TW006"
    title = "near duplicates"
    slow = False
    needs = None
    of_labels = False

    def examine(self, data: Examined) -> Finding:
        """A tip with the pairs; a test row whose edited copy was trained on is no test."""
        notes = near_notes(data.examples, "like")
        if not notes:
            return say(self, "passed", "No two texts are nearly the same.")
        return say(
            self,
            "tip",
            f"{noted(notes, 'is', 'are')} nearly the same as an earlier one, of {len(data.examples):,}.",
            "Remove copies, or give them a common --group, which keeps them on one side of the split.",
            notes=notes,
        )


PLUGIN = NearDuplicates()
