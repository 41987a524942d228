"""The lockbox: the targets of the test rows, handed out to score arms of a frozen plan and written down.

Units get the rows they predict without targets; only the lockbox can score them. Before an arm is scored it
is recorded in the workspace's ledger under the fingerprint of the test rows, so that a new output folder is
not a fresh test set, and an arm that was planned and never ran is no look. A run has a copy.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from os import SEEK_END
from pathlib import Path

from filelock import FileLock

from tuneworthy.core.errors import RunFolderError
from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.hashing import address
from tuneworthy.runfolder.workspace import workspace

PARTS = ("arms", "tuned")  # of an opening: names of methods


class Opening(Frozen):
    """One opening of one set of test rows.

    Attributes:
        time: UTC, ISO 8601.
        fingerprint: of the test rows (order does not matter).
        plan: address of the frozen plan that asked.
        arms: the methods scored.
        tuned: those of them that are fine-tuned.
        run: name of the run folder.
    """

    time: str
    fingerprint: str
    plan: str
    arms: tuple[str, ...]
    tuned: tuple[str, ...]
    run: str


def ledger_path() -> Path:
    """`ledger.jsonl` in the workspace."""
    return workspace() / "ledger.jsonl"


def record(ledger: Path, openings: Sequence[Opening]) -> int:
    """Writes down openings, here or elsewhere, each arm of a plan once; returns how many were new."""
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(ledger.with_suffix(".lock")):
        known = read_openings(ledger)
        new = [one for one in (_unseen(one, known) for one in openings) if one.arms]
        _append(ledger, new)
    return len(new)


def _unseen(opening: Opening, known: Sequence[Opening]) -> Opening:
    """What of an opening is not among those that are known: the arms that they do not name."""
    seen = {
        arm
        for one in known
        if (one.fingerprint, one.plan) == (opening.fingerprint, opening.plan)
        for arm in one.arms
    }
    left = {part: tuple(arm for arm in getattr(opening, part) if arm not in seen) for part in PARTS}
    return opening.model_copy(update=left)


def check_ledger(ledger: Path) -> None:
    """Raises RunFolderError where openings could not be written down, before anything is fitted for one."""
    try:
        ledger.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(ledger.with_suffix(".lock")):
            _append(ledger, ())
    except OSError as error:
        raise RunFolderError(
            f"{ledger}, which counts how often test rows are used, cannot be written "
            f"({error.strerror or error}): name a folder that can be in TUNEWORTHY_WORKSPACE."
        ) from error


def _append(ledger: Path, openings: Sequence[Opening]) -> None:
    """Adds openings to a locked ledger, on lines of their own: one that a crash tore is ended first."""
    with ledger.open("a+b") as file:
        if file.tell():
            file.seek(-1, SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.writelines(f"{one.model_dump_json()}\n".encode() for one in openings)


def read_openings(ledger: Path) -> list[Opening]:
    """Every opening in a ledger, oldest first; lines torn by a crash are passed over."""
    found = []
    for line in ledger.read_text(encoding="utf-8").split("\n") if ledger.exists() else ():
        try:
            found.append(Opening.model_validate(json.loads(line)))
        except ValueError:
            continue
    return found


class Lockbox:
    """Holds the test rows' targets until a frozen plan opens it."""

    def __init__(self, rows: Sequence[Example], ledger: Path) -> None:
        self._rows = {row.id: row for row in rows}
        self._ledger = ledger
        self.fingerprint = address(sorted(self._rows))

    def open(self, plan: str, arms: Sequence[str], tuned: Sequence[str], run: str) -> dict[str, Example]:
        """The test rows with their targets, by id; records the arms that this plan has not scored before."""
        opening = Opening(
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            fingerprint=self.fingerprint,
            plan=plan,
            arms=tuple(arms),
            tuned=tuple(tuned),
            run=run,
        )
        record(self._ledger, [opening])
        return dict(self._rows)

    def openings(self) -> list[Opening]:
        """The recorded openings of these test rows, one for each plan with all its arms, oldest first."""
        found: dict[str, Opening] = {}
        for one in read_openings(self._ledger):
            if one.fingerprint == self.fingerprint:
                before = found.get(one.plan)
                joined = {part: (*getattr(before, part), *getattr(one, part)) for part in PARTS if before}
                found[one.plan] = (before or one).model_copy(update=joined)
        return list(found.values())

    def past_tuned_arms(self, plan: str) -> int:
        """How many fine-tuned arms other plans have scored on these rows: they enlarge Holm's family."""
        return sum(len(opening.tuned) for opening in self.openings() if opening.plan != plan)
