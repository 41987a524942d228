"""What a user asks of a base model before anything is measured: licence, domain, language, memory."""

from dataclasses import replace
from typing import get_args

from tuneworthy.core.frozen import Frozen
from tuneworthy.models.catalogue import Domain, Entry
from tuneworthy.models.machines import Machine
from tuneworthy.models.memory import GIB, peak
from tuneworthy.models.shape import Shape, shape_of_entry
from tuneworthy.models.way import Method, Pass, Way, way_of

TOKENS, ANSWER, RANK = 1024, 16, 16  # of the row that a model has to be fine-tuned on, and of its adapters
PIECES = 8  # rows of an update, one after the other


class Wanted(Frozen):
    """Conditions on a catalogue entry; what is None is not asked.

    Attributes:
        commercial: only models that may be used commercially, with or without conditions.
        licence: the beginning of the licence's name, whatever the case: "apache", "llama".
        domain: what the model was trained for.
        language: ISO 639-1 code that its card has to list.
        machine: that fine-tunes it.
    """

    commercial: bool = False
    licence: str | None = None
    domain: Domain | None = None
    language: str | None = None
    machine: Machine | None = None


def objection(entry: Entry, wanted: Wanted) -> str:
    """The first condition that the entry does not meet, in a clause; empty when it meets all."""
    if wanted.commercial and entry.commercial not in ("yes", "conditions"):
        told = "states none" if entry.licence == "unstated" else f"is {entry.licence}"
        return f"its licence {told}, which does not allow commercial use"
    if wanted.licence and not entry.licence.lower().startswith(wanted.licence.lower()):
        return f"its licence is {entry.licence}"
    if wanted.domain and entry.domain != wanted.domain:
        return f"its domain is {entry.domain}"
    if wanted.language and not entry.reads(wanted.language.lower()):
        return f"its card does not list the language '{wanted.language}'"
    return too_small(shape_of_entry(entry), wanted.machine)


def too_small(shape: Shape, machine: Machine | None) -> str:
    """That a machine cannot fine-tune a model of this shape, in a clause; empty when it can."""
    if machine is None or most_precise_of(shape, machine) is not None:
        return ""
    size = f"{machine.memory / GIB:.4g} GiB"
    return f"{machine.name} ({size}) cannot fine-tune it: --memory AMOUNT asks for another"


def unknown(wanted: Wanted) -> str:
    """Of a model that the catalogue does not have: what was asked for and is not known, in a clause."""
    asked = {
        "licence": wanted.commercial or wanted.licence,
        "domain": wanted.domain,
        "languages": wanted.language,
    }
    names = [name for name, value in asked.items() if value]
    if not names:
        return ""
    *others, last = names
    listed = f"{', '.join(others)} and {last}" if others else last
    return f"the catalogue does not have it, so that nothing is known here of its {listed}"


def most_precise(entry: Entry, machine: Machine) -> Method | None:
    """The most precise way to fine-tune a model of the catalogue, as `most_precise_of` finds it."""
    return most_precise_of(shape_of_entry(entry), machine)


def most_precise_of(shape: Shape, machine: Machine) -> Method | None:
    """The most precise way to fine-tune a model that the machine holds: full, lora or qlora; None for none.

    On one row of `TOKENS` tokens at a time, a decoder with gradient checkpointing; encoders only whole.
    `tuneworthy plan` says more, for a job's own rows.
    """
    tokens = min(TOKENS, shape.context)
    pairs = tokens**2 if machine.device == "cpu" else 0
    answer = 0 if shape.encoder else ANSWER
    one = Pass(tokens=tokens, pairs=pairs, widest=pairs, supervised=answer, pieces=PIECES)
    half = machine.precision == "bfloat16"
    ways: dict[Method, Way] = {"full": way_of("full", half)}
    if not shape.encoder:
        ways = {
            method: replace(way_of(method, half, RANK), checkpointing=True) for method in get_args(Method)
        }
    for method, way in ways.items():
        if peak(shape, way, one, machine.device).fits(machine.memory):
            return method
    return None
