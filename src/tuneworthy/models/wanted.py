"""What a user asks of a base model before anything is measured: licence, domain, language, memory."""

from tuneworthy.core.frozen import Frozen
from tuneworthy.models.catalogue import Domain, Entry
from tuneworthy.models.fitting import fits


class Wanted(Frozen):
    """Conditions on a catalogue entry; what is None is not asked.

    Attributes:
        commercial: only models that may be used commercially, with or without conditions.
        licence: the beginning of the licence's name, whatever the case: "apache", "llama".
        domain: what the model was trained for.
        language: ISO 639-1 code that its card has to list.
        memory_gib: of the device that fine-tunes it.
    """

    commercial: bool = False
    licence: str | None = None
    domain: Domain | None = None
    language: str | None = None
    memory_gib: float | None = None


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
    if wanted.memory_gib is not None and fits(entry, wanted.memory_gib) is None:
        return f"it cannot be fine-tuned in {wanted.memory_gib:.3g} GiB"
    return ""
