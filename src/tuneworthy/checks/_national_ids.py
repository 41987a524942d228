"""National identity, tax and health numbers of some twenty countries, by presidio's recognisers (an extra).

Only those with a check digit, and only where it holds. One string of digits in ten passes by chance, so
digits alone count only beside a word that says what they are; numbers with letters in them count as they are.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

RECOGNISERS = {
    "AuMedicareRecognizer": "Medicare number (Australia)",
    "AuTfnRecognizer": "tax file number (Australia)",
    "DeHealthInsuranceRecognizer": "health insurance number (Germany)",
    "DeIdCardRecognizer": "identity card (Germany)",
    "DeSocialSecurityRecognizer": "pension insurance number (Germany)",
    "DeTaxIdRecognizer": "tax number (Germany)",
    "EsNieRecognizer": "foreigner's number (Spain)",
    "EsNifRecognizer": "identity number (Spain)",
    "FiPersonalIdentityCodeRecognizer": "identity code (Finland)",
    "InAadhaarRecognizer": "Aadhaar number (India)",
    "ItFiscalCodeRecognizer": "fiscal code (Italy)",
    "KrRrnRecognizer": "registration number (South Korea)",
    "MedicalLicenseRecognizer": "medical licence (US)",
    "NgNinRecognizer": "identity number (Nigeria)",
    "NhsRecognizer": "NHS number (UK)",
    "PlPeselRecognizer": "PESEL number (Poland)",
    "SePersonnummerRecognizer": "personal number (Sweden)",
    "ThTninRecognizer": "identity number (Thailand)",
    "TrNationalIdRecognizer": "identity number (Turkey)",
    "UsNpiRecognizer": "provider number (US)",
    "ZaIdNumberRecognizer": "identity number (South Africa)",
}
HOLDS = 1.0  # the score presidio gives a match whose check digit is right
SHORTEST_WORD = 3  # of the words beside a number: "id" stands everywhere


def at_hand() -> bool:
    """Whether presidio is installed."""
    return find_spec("presidio_analyzer") is not None


def national_ids(text: str) -> Iterator[tuple[str, int, int]]:
    """Kind, start and end of each number found; nothing where presidio is not installed."""
    for recogniser, kind, beside in _loaded() if re.search(r"\d{4}|\d{2}.?\d{3}", text) else ():
        for found in recogniser.analyze(text, recogniser.supported_entities) or ():
            number = text[found.start : found.end]
            said = re.search(r"[A-Za-z]", number) or (beside and beside.search(text))
            if found.score >= HOLDS and said:
                yield kind, found.start, found.end


@lru_cache(maxsize=1)
def _loaded() -> tuple[tuple[Any, str, re.Pattern[str] | None], ...]:
    """Each recogniser, what its numbers are called, and the words that announce one."""
    if not at_hand():
        return ()
    from presidio_analyzer import predefined_recognizers as known

    made = []
    for name, kind in RECOGNISERS.items():
        if hasattr(known, name):
            recogniser = getattr(known, name)()
            words = [re.escape(w) for w in recogniser.context or () if len(w) >= SHORTEST_WORD]
            beside = re.compile(rf"\b(?:{'|'.join(words)})\b", re.I) if words else None
            made.append((recogniser, kind, beside))
    return tuple(made)
