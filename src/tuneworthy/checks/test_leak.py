"""TW003: rows of the user's test file that are also in the labelled table."""

from tuneworthy.checks import Examined, say
from tuneworthy.core.counting import counted
from tuneworthy.core.finding import Finding, RowNote
from tuneworthy.data.repeats import normalised


class TestLeak:
    """A model that has seen a test row is not tested by it."""

    code = "TW003"
    title = "test rows inside the training table"
    slow = False
    needs = None
    of_labels = False

    def examine(self, data: Examined) -> Finding:
        """An issue when there are any; the main job leaves those rows out of training."""
        if not data.test:
            return say(self, "not_applicable", "There is no test file.")
        held = {normalised(example.input): example.row for example in data.test}
        notes = [
            RowNote(row=example.row, note="the same as test", other=held[normalised(example.input)])
            for example in data.examples
            if normalised(example.input) in held
        ]
        if not notes:
            return say(self, "passed", "No training text is in the test file.")
        return say(
            self,
            "issue",
            f"{counted(len(notes), 'training row is', 'training rows are')} also in the test file, "
            "and left out of training.",
            "Remove them from the training table.",
            notes=notes,
        )


PLUGIN = TestLeak()
