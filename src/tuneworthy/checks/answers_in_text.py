"""TW025: answers that their text does not hold, and targets that cannot be read."""

from collections.abc import Callable

from tuneworthy.checks import Examined, noted, say
from tuneworthy.core.finding import Finding, RowNote
from tuneworthy.data.repeats import normalised
from tuneworthy.metrics._answers import NO_ANSWER, alternatives
from tuneworthy.metrics._entities import entities_of
from tuneworthy.metrics._records import record_of

USUAL = 0.8  # share of the answers in their text from which one that is not looks like a slip


class AnswersInText:
    """Answers out of a context, entities and their words: what is not in the text cannot be found there.

    Records may hold what the text says in other words, so only ones that are no JSON object are named.
    """

    code = "TW025"
    title = "answers that the text does not hold"
    slow = False
    needs = None
    of_labels = False

    def examine(self, data: Examined) -> Finding:
        """An issue where targets cannot be read; a tip with the rows where answers usually are there."""
        read = READERS.get(data.task)
        if read is None:
            return say(self, "not_applicable", "It is for answers, entities and records out of a text.")
        unreadable, absent, looked_for = [], [], 0
        for row, test in data.both:
            wanted = read(str(row.target))
            if wanted is None:
                unreadable.append(RowNote(row=row.row, test=test, note="cannot be read"))
                continue
            text = normalised(row.input)
            for choices in wanted:
                looked_for += 1
                if not any(normalised(choice) in text for choice in choices):
                    absent.append(RowNote(row=row.row, test=test, note=f"'{choices[0][:60]}' is not there"))
        if unreadable:
            return say(
                self,
                "issue",
                f"{noted(unreadable, 'has', 'have')} a target that cannot be read as this task asks.",
                "Correct them; a row that cannot be read is an error when the job runs.",
                notes=unreadable,
            )
        if not absent or len(absent) > (1 - USUAL) * looked_for:
            free = "Answers are in words of their own." if absent else "Every answer stands in its text."
            return say(self, "passed", free)
        return say(
            self,
            "tip",
            f"{noted(absent, 'has', 'have')} an answer that does not stand in the text, where most do.",
            "Look for slips of the pen and for texts that were cut.",
            notes=absent,
        )


def _answer(target: str) -> list[list[str]] | None:
    found = alternatives(target)
    return [] if found == [NO_ANSWER] else [found]


def _entities(target: str) -> list[list[str]] | None:
    found = entities_of(target)
    return None if found is None else [[text] for _, text in found]


def _record(target: str) -> list[list[str]] | None:
    return None if record_of(target) is None else []


READERS: dict[str, Callable[[str], list[list[str]] | None]] = {
    "question-answering": _answer,
    "token-classification": _entities,
    "structured-extraction": _record,
}

PLUGIN = AnswersInText()
