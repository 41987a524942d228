"""TW003: rows of the user's test file that are also in the labelled table."""

from tuneworthy.checks import Examined
from tuneworthy.core.finding import Finding
from tuneworthy.data.splits import normalised


class TestLeak:
    """A model that has seen a test row is not tested by it."""

    code = "TW003"
    title = "test rows inside the training table"

    def examine(self, data: Examined) -> Finding:
        """An issue when there are any; the main job leaves those rows out of training."""
        common = {"code": self.code, "check": "test_leak", "title": self.title}
        if not data.test:
            return Finding(**common, outcome="not_applicable", message="There is no test file.")
        held = {normalised(example.input) for example in data.test}
        leaked = tuple(example.row for example in data.examples if normalised(example.input) in held)
        if not leaked:
            return Finding(**common, outcome="passed", message="No training text is in the test file.")
        return Finding(
            **common,
            outcome="issue",
            message=f"{len(leaked)} training rows are also in the test file; they were left out of training.",
            advice="Remove them from the training table.",
            rows=leaked,
        )


PLUGIN = TestLeak()
