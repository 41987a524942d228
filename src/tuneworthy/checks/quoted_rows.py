"""TW023: rows that the instruction quotes."""

from tuneworthy.checks import Examined, noted, say
from tuneworthy.core.finding import Finding, RowNote
from tuneworthy.data.repeats import normalised

FEWEST_WORDS = 4  # shorter texts stand in an instruction by chance


class QuotedRows:
    """Demonstrations written into the instruction are seen by every model that is asked; a row among them is
    no test of those. Demonstrations that the arms choose come from training rows only.
    """

    code = "TW023"
    title = "rows quoted in the instruction"
    slow = False
    needs = None
    of_labels = False

    def examine(self, data: Examined) -> Finding:
        """An issue with the rows."""
        if not data.instruction:
            return say(self, "not_applicable", "The instruction is the tool's own.")
        told = f" {normalised(data.instruction)} "
        notes = [
            RowNote(row=row.row, test=test, note="in the instruction")
            for row, test in data.both
            if len((text := normalised(row.input)).split()) >= FEWEST_WORDS and text in told
        ]
        if not notes:
            return say(self, "passed", "The instruction quotes no row.")
        return say(
            self,
            "issue",
            f"{noted(notes, 'is', 'are')} quoted in the instruction, which flatters every arm that reads it.",
            "Write other examples into the instruction, or remove those rows from the table.",
            notes=notes,
        )


PLUGIN = QuotedRows()
