"""The user's unlabelled text as a run may read it: without what is like a row that is predicted."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tuneworthy.checks._similar import ALL_PAIRS, near_pairs
from tuneworthy.core.counting import counted
from tuneworthy.core.example import Example, RowSet, example_id
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.job import Job
from tuneworthy.core.unit import ModelRole, Unit
from tuneworthy.data.documents import read_documents
from tuneworthy.data.splits import Split
from tuneworthy.methods import Adapting
from tuneworthy.methods._adapting import require_enough
from tuneworthy.metrics._answers import alternatives
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.tasks import TASKS
from tuneworthy.units.adaptation import STAGE, told
from tuneworthy.units.executors.local import Executor
from tuneworthy.units.plan import method_of, validated_parameters

RUN = 13  # words in a row that no two texts share by chance (Brown et al. 2020, appendix C)
CHARACTERS = 30  # the same where no space stands between words
SAYING = 20  # characters of an answer that stands in no other text by chance
_WORDS = re.compile(r"\w+")
# Chinese and Japanese, Thai, Lao, Burmese and Khmer: scripts that put no space between words.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]+"
)


class Unlabelled(Frozen):
    """The documents that a run reads, and a sentence on those that it leaves out."""

    documents: tuple[Example, ...] = ()
    told: str = ""

    @property
    def address(self) -> str:
        """Of the documents, as a row set."""
        return RowSet.of(self.documents).address

    def with_rows(self, split: Split) -> Split:
        """The split with the documents as one more row set, which no fold has."""
        if not self.documents:
            return split
        row_sets = {**split.row_sets, self.address: RowSet.of(self.documents).ids}
        return split.model_copy(update={"row_sets": row_sets})


NO_TEXT = Unlabelled()


def asked(job: Job) -> tuple[list[Path], str | None]:
    """The files of unlabelled text that an arm of the job reads, and the column of the text."""
    for arm in job.arms:
        method = method_of(arm, job)
        if isinstance(method, Adapting):
            given = validated_parameters(method, job)
            return [Path(file) for file in given["text"]], given["column"]
    return [], None


def bring(job: Job, tested: Sequence[Example]) -> Unlabelled:
    """The job's unlabelled text, without documents that are nearly, or hold a part of, a row to predict.

    Under crossfit every labelled row is predicted, so that none of them may be read. Where answers are texts
    of their own, such as summaries, no document may be like one of those either.

    Raises:
        TuneworthyError: a file is missing or is no text, or too few documents are left.
    """
    files, column = asked(job)
    if not files:
        return NO_TEXT
    texts = read_documents(files, column)
    hidden = [row.input for row in tested]
    if TASKS.get(job.task).open:
        answers = (answer for row in tested for answer in alternatives(row.target or ""))
        hidden += dict.fromkeys(answer for answer in answers if len(answer) >= SAYING)
    leaking = alike(texts, hidden)
    kept = [text for number, text in enumerate(texts) if number not in leaking]
    rows = (Example(id=example_id(text, None, None, 0), input=text) for text in kept)
    told = f"Unlabelled text: {counted(len(texts), 'document')}"
    if leaking:
        told += f", {len(leaking)} of them left out: like a row to predict, or with a passage of one"
    require_enough(kept)
    return Unlabelled(documents=tuple(rows), told=f"{told}.")


def read(units: Sequence[Unit], folder: RunFolder, executor: Executor, models: dict[ModelRole, Path]) -> None:
    """Lets base models read, and says how that went."""
    folder.emit("stage_started", stage=STAGE, units=[unit.title for unit in units])
    executor.run(units, folder, models)
    for unit in units:
        folder.emit("note", text=told(unit.address, folder.path))


def alike(documents: Sequence[str], tested: Sequence[str]) -> set[int]:
    """Numbers of the documents that are nearly a tested text, or have a run of its words or characters."""
    runs = {run for text in tested for run in _runs(text)}
    found = {number for number, text in enumerate(documents) if not runs.isdisjoint(_runs(text))}
    few = len(tested) < ALL_PAIRS // 2
    room = ALL_PAIRS - len(tested) if few else len(documents)  # at a time: up to there all are compared
    for start in range(0, len(documents), room):
        pairs = near_pairs([*tested, *documents[start : start + room]], until=len(tested))
        found |= {start + later - len(tested) for later, _, _ in pairs}
    return found


def _runs(text: str) -> Iterator[str]:
    """Every `RUN` words in a row, and every `CHARACTERS` in a row of scripts that part no words."""
    words = _WORDS.findall(text.casefold())
    yield from (" ".join(words[at : at + RUN]) for at in range(len(words) - RUN + 1))
    unspaced = "".join(_UNSPACED.findall(text))
    yield from (unspaced[at : at + CHARACTERS] for at in range(len(unspaced) - CHARACTERS + 1))
