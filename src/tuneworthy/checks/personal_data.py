"""TW015: data about persons, and secrets, that should not be in a training table."""

import re
from collections import Counter
from collections.abc import Callable, Iterator

from tuneworthy.checks import Examined, noted, say
from tuneworthy.checks._national_ids import at_hand, national_ids
from tuneworthy.core.finding import Finding, RowNote

_DATES = re.compile(r"\b\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d{2}\b|\b(?:19|20)\d{2}[./-]\d{1,2}[./-]\d{1,2}\b")


def luhn(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1)."""
    doubled = [int(d) * (2 if i % 2 else 1) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def mod_97(account: str) -> bool:
    """The check digits of an IBAN (ISO 7064, MOD 97-10)."""
    turned = account[4:] + account[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _card(text: str) -> bool:
    digits = _digits(text)
    return 13 <= len(digits) <= 19 and digits[0] in "23456" and len(set(digits)) > 1 and luhn(digits)


def _iban(text: str) -> bool:
    account = re.sub(r"\s", "", text).upper()
    return 15 <= len(account) <= 34 and mod_97(account)


def _phone(text: str) -> bool:
    digits = _digits(text)
    if not 8 <= len(digits) <= 15 or len(set(digits)) < 3:
        return False
    if _DATES.search(text):
        return False
    return text.strip().startswith(("+", "00", "(")) or bool(re.search(r"\d[ ./-]\d", text))


def _password(text: str) -> bool:
    """ "password: x" gives one away; "my password is wrong" does not, "is hunter2" does."""
    if re.search(r"[:=]", text):
        return True
    return bool(re.search(r"[\d!#$%&*+@^_]", text.split()[-1].rstrip(".!,?")))


def _address(text: str) -> bool:
    return all(int(part) < 256 for part in text.split(".")) and not text.startswith("0.")


def _social(text: str) -> bool:
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


# Each with what it is called, what it looks like, and what must hold besides; in the order in which they
# claim their characters: a card number is no phone number.
PATTERNS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), bool),
    (
        "access key",
        re.compile(
            r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}\b|\bsk-[A-Za-z0-9_-]{20,}\b"
            r"|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAIza[0-9A-Za-z_-]{35}\b|\bglpat-[A-Za-z0-9_-]{20,}"
            r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+"
        ),
        bool,
    ),
    (
        "password",
        re.compile(
            r"\b(?:password|passwort|passwd|pwd|mot de passe|contrase\u00f1a)"
            r"(?:\s*[:=]\s*|\s+(?:is|ist)\s+)\S{4,}",
            re.I,
        ),
        _password,
    ),
    ("mail address", re.compile(r"\b[\w.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b"), bool),
    ("bank account (IBAN)", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}\b"), _iban),
    ("payment card", re.compile(r"(?<![\w.,-])\d(?:[ -]?\d){12,18}(?![\w-])"), _card),
    ("social security number (US)", re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"), _social),
    (
        "national insurance number (UK)",
        re.compile(r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b"),
        bool,
    ),
    ("network address", re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])"), _address),
    (
        "phone number",
        re.compile(r"(?<![\w.,/-])(?:\+|00)?\(?\d{1,4}\)?(?:[ ./-]?\(?\d{2,5}\)?){2,5}(?![\w/-])"),
        _phone,
    ),
)


class PersonalData:
    """Patterns with check digits where there are any; names and addresses are not looked for."""

    code = "TW015"
    title = "personal data and secrets"
    slow = False
    needs = None
    of_labels = False

    def examine(self, data: Examined) -> Finding:
        """An issue that names kinds and rows; what was found is not repeated."""
        notes, kinds = [], Counter[str]()
        for row, test in data.both:
            found = Counter(kind for kind, _ in personal(row.input))
            if found:
                kinds.update(found.keys())
                notes.append(RowNote(row=row.row, test=test, note=", ".join(found)))
        more = "" if at_hand() else "For national ids of more countries: pip install 'tuneworthy[presidio]'."
        if not notes:
            return say(self, "passed", "No mail address, number, key or password was recognised.", more)
        shown = ", ".join(f"{kind} ({n})" for kind, n in kinds.most_common())
        return say(
            self,
            "issue",
            f"{noted(notes, 'holds', 'hold')} what looks like personal data or a secret: {shown}.",
            "Replace it by a placeholder before a model learns it; names and addresses are not looked for. "
            f"{more}".strip(),
            notes=notes,
        )


def personal(text: str) -> Iterator[tuple[str, str]]:
    """Kind and characters of each find; every character is claimed once by the patterns here, and what they
    leave is shown to presidio's.
    """
    for kind, pattern, holds in PATTERNS:
        for match in pattern.finditer(text):
            if holds(match.group()):
                yield kind, match.group()
                text = text[: match.start()] + "\0" * len(match.group()) + text[match.end() :]
    for kind, start, end in national_ids(text):
        yield kind, text[start:end]


def masked(text: str) -> str:
    """The text with every find replaced by what it is, in brackets."""
    for kind, found in list(personal(text)):
        text = text.replace(found, f"[{kind}]")
    return text


PLUGIN = PersonalData()
