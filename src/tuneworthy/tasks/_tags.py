"""BIO, IOB2 and BIOES tags beside tokens: the entities they mark."""

import re
from collections.abc import Sequence
from typing import Any

from tuneworthy.core.errors import DataError
from tuneworthy.core.outline import outline

Entity = tuple[str, str]  # type and words
_TAG = re.compile(r"([BIESLU])-(.+)")  # L and U are the E and S of BILOU
_ENDS = ("E", "L", "S", "U")


def tags_in(value: Any) -> list[str | int] | None:
    """A list of tags, or a text of tags between white space; None when it is neither.

    >>> tags_in(["B-city", "O"]), tags_in("B-city O"), tags_in("city: Rome"), tags_in([0, 3])
    (['B-city', 'O'], ['B-city', 'O'], None, [0, 3])
    """
    if isinstance(value, list) and value and all(isinstance(tag, str | int) for tag in value):
        return value
    pieces: list[str | int] = [*value.split()] if isinstance(value, str) else []
    like = sum(like_a_tag(str(piece)) for piece in pieces)
    return pieces if 2 * like > len(pieces) else None


def like_a_tag(piece: str) -> bool:
    """Whether it may be a tag, by name or by number; "B-cell:" begins the written form of an entity."""
    return piece == "O" or piece.isdecimal() or bool(_TAG.fullmatch(piece) and not piece.endswith(":"))


def tagged(tokens: Sequence[str], tags: Sequence[str | int]) -> tuple[list[Entity], bool]:
    """The entities in their order, and whether one of them began without a B- (or S-).

    An I- or E- that does not go on an entity of its type begins one, as the script of the CoNLL shared tasks
    has it (Tjong Kim Sang and De Meulder 2003).

    Raises:
        DataError: other numbers of tokens and tags, or a tag that is none.
    """
    if len(tokens) != len(tags):
        raise DataError(
            f"{len(tokens)} tokens and {len(tags)} tags: there has to be one tag for each token; check "
            "--input and --target."
        )
    found: list[tuple[str, list[str]]] = []
    going_on = loose = False
    for token, tag in zip(tokens, tags, strict=True):
        sign, kind = _parted(tag, tags)
        if sign == "O":
            going_on = False
            continue
        if sign not in ("I", "E", "L") or not going_on or found[-1][0] != kind:
            loose = loose or sign in ("I", "E", "L")
            found.append((kind, []))
        found[-1][1].append(token)
        going_on = sign not in _ENDS
    return [(kind, " ".join(words)) for kind, words in found], loose


def _parted(tag: str | int, tags: Sequence[str | int]) -> tuple[str, str]:
    """The sign and the type of a tag."""
    if tag == "O":
        return "O", ""
    match = _TAG.fullmatch(str(tag))
    if match is not None:
        return match.group(1), match.group(2)
    if all(str(one).lstrip("-").isdecimal() for one in tags):
        shown = ", ".join(str(one)[:20] for one in tags[:3])
        raise DataError(
            f"the tags are numbers ({shown}, ...), whose names the table does not hold: write names such as "
            "B-PER in their place (in datasets: features[...].feature.int2str)."
        )
    raise DataError(
        f"the tag {outline(str(tag))} is neither O nor one such as B-city, I-city, E-city or S-city."
    )
