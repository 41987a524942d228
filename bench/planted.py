"""Faults to plant: six ways to edit a text, and twelve formats of personal data."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tuneworthy.core.example import Example

Rng = np.random.Generator
Edit = Callable[[str, Rng], str | None]
SYNONYMS = ("however", "really", "today", "again", "simply", "certain")


def _case(text: str, rng: Rng) -> str:
    return f"{text.upper() if rng.random() < 0.5 else text.title()} ."


def _punctuation(text: str, rng: Rng) -> str:
    bare = re.sub(r"[^\w\s]", "", text)
    return re.sub(r"(\w)\s", lambda m: m.group(1) + (", " if rng.random() < 0.3 else " "), bare) + "!"


def _white_space(text: str, rng: Rng) -> str:
    return re.sub(r" ", lambda _: str(rng.choice([" ", "  ", "\n", "\t"])), text).replace(" .", ".") + " ;"


def _one_word(text: str, rng: Rng) -> str | None:
    words = text.split()
    if len(words) < 4:
        return None
    words[int(rng.integers(len(words)))] = str(rng.choice(SYNONYMS))
    return " ".join(words)


def _order(text: str, rng: Rng) -> str | None:
    sentences = re.split(r"(?<=[.!?;])\s+", text.strip())
    if len(sentences) < 2:
        return None
    return " ".join([*sentences[1:], sentences[0]])


def _boilerplate(text: str, rng: Rng) -> str:
    return f"Dear team, please see the message below. {text} Kind regards, sent from my phone."


EDITS: dict[str, Edit] = {
    "case": _case,
    "punctuation": _punctuation,
    "white space": _white_space,
    "one word": _one_word,
    "sentence order": _order,
    "boilerplate": _boilerplate,
}


def _digits(rng: Rng, count: int) -> str:
    return "".join(str(d) for d in rng.integers(0, 10, count))


def _with_luhn(stem: str) -> str:
    for last in "0123456789":
        doubled = [int(d) * (2 if i % 2 else 1) for i, d in enumerate(reversed(stem + last))]
        if sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0:
            return stem + last
    raise AssertionError


def _iban(rng: Rng) -> str:
    body = _digits(rng, 18)
    check = 98 - int(body + "131400") % 97  # DE00 moved behind: D is 13, E is 14
    return re.sub(r"(.{4})", r"\1 ", f"DE{check:02d}{body}").strip()


PERSONAL: dict[str, Callable[[Rng], str]] = {
    "mail": lambda rng: f"jane.doe{rng.integers(99)}@example-{rng.integers(9)}.co.uk",
    "phone, international": lambda rng: f"+49 30 {rng.integers(1000, 9999)} {rng.integers(1000, 9999)}",
    "phone, US": lambda rng: (
        f"({rng.integers(200, 999)}) {rng.integers(200, 999)}-{rng.integers(1000, 9999)}"
    ),
    "card, spaces": lambda rng: re.sub(r"(.{4})", r"\1 ", _with_luhn("4" + _digits(rng, 14))).strip(),
    "card, plain": lambda rng: _with_luhn("5" + _digits(rng, 14)),
    "iban": _iban,
    "ssn": lambda rng: f"{rng.integers(100, 600)}-{rng.integers(10, 99)}-{rng.integers(1000, 9999)}",
    "nino": lambda rng: f"AB {rng.integers(10, 99)} {rng.integers(10, 99)} {rng.integers(10, 99)} C",
    "ip": lambda rng: f"192.168.{rng.integers(256)}.{rng.integers(256)}",
    "access key": lambda rng: "AKIA" + "".join(rng.choice(list("ABCDEFGHIJKLMNOP234567"), 16)),
    "token": lambda rng: "ghp_" + "".join(rng.choice(list("abcdefghijkLMNOP0123456789"), 36)),
    "password": lambda rng: f"password: hunter{rng.integers(1000)}!",
}


@dataclass(frozen=True)
class Planted:
    """Rows of which some carry personal data, and the source rows of those."""

    rows: list[Example]
    where: list[int]


def planted(rows: list[Example], rng: Rng) -> Planted:
    """Every sixth row gets one find, each format in turn, inside its text."""
    makers = list(PERSONAL.values())
    out, where = [], []
    for number, row in enumerate(rows):
        if number % 6:
            out.append(row)
            continue
        words = row.input.split()
        at = int(rng.integers(len(words) + 1))
        words.insert(at, makers[(number // 6) % len(makers)](rng))
        out.append(row.model_copy(update={"input": " ".join(words)}))
        where.append(row.row)
    return Planted(out, where)
