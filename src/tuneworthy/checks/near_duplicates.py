"""TW006: texts that are nearly the same."""

from tuneworthy.checks import Examined, noted, say
from tuneworthy.checks._similar import near_pairs
from tuneworthy.core.finding import Finding, RowNote
from tuneworthy.data.splits import normalised

ALIKE, CONTAINED = 0.75, 0.92


class NearDuplicates:
    """Copies that were edited, re-cased, reordered or framed by boilerplate; exact ones are TW001's."""

    code = "TW006"
    title = "near duplicates"
    slow = False
    needs = None
    of_labels = False

    def examine(self, data: Examined) -> Finding:
        """A tip with the pairs; a test row whose edited copy was trained on is no test."""
        rows = data.examples
        notes = [
            RowNote(
                row=rows[i].row,
                note=f"{likeness:.0%} like",
                other=rows[j].row,
                doubt=round(likeness, 4),
            )
            for i, j, likeness in near_pairs([row.input for row in rows], ALIKE, CONTAINED)
            if normalised(rows[i].input) != normalised(rows[j].input)
        ]
        if not notes:
            return say(self, "passed", "No two texts are nearly the same.")
        notes.sort(key=lambda note: (-note.doubt, note.row))
        return say(
            self,
            "tip",
            f"{noted(notes, 'is', 'are')} nearly the same as an earlier one, of {len(rows):,}.",
            "Remove copies, or give them a common --group, which keeps them on one side of the split.",
            notes=notes,
        )


PLUGIN = NearDuplicates()
