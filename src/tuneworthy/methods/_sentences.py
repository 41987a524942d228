"""Sentences of a text, by punctuation."""

import re

_END = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9\u00c0-\uffff])|\n+")


def sentences(text: str) -> list[str]:
    """Sentences and lines of a text, in order, none of them empty.

    >>> sentences("It rained. Nobody came! See Fig. 2 for more.")
    ['It rained.', 'Nobody came!', 'See Fig.', '2 for more.']
    """
    return [piece.strip() for piece in _END.split(text) if piece and piece.strip()]
