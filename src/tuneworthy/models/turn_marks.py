"""`TurnMarks`: the special tokens of one tokenizer, and texts in which they are written apart."""

from dataclasses import dataclass
from typing import Any

from tuneworthy.core.turn_marks import split

MOST_ROUNDS = 8  # of looking again: a text whose marks are apart has none


@dataclass(frozen=True, slots=True)
class TurnMarks:
    """What a tokenizer reads as one token wherever it stands, and a chat's turns are made of.

    These are its special tokens, and other added tokens that its chat template writes, such as `<tool_call>`.
    Markup that a vocabulary merely holds in one piece, such as `<table>`, stays as it is.

    Attributes:
        ids: of the tokens.
        texts: how they are spelt.
        folded: whether one is found in text that was changed first, in case for instance, so that no spelling
            rules it out.
        unknown: the token of what is in no vocabulary, which is a mark only where it is spelt out.
    """

    ids: frozenset[int]
    texts: tuple[str, ...]
    folded: bool
    unknown: tuple[int, str] | None = None

    def apart(self, tokenizer: Any, text: str) -> str:
        """The text with a space inside each of them: the tokenizer itself says where it sees one."""
        if not self.folded and not any(mark in text for mark in self.texts):
            return text
        for _ in range(MOST_ROUNDS):
            seen = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
            spans = [
                span
                for token, span in zip(seen["input_ids"], seen["offset_mapping"], strict=True)
                if token in self.ids and span[1] > span[0] and self._spelt(token, text[slice(*span)])
            ]
            if not spans:
                break
            for start, end in reversed(spans):
                start += len(text[start:end]) - len(text[start:end].lstrip())  # some take white space along
                text = f"{text[: start + 1]} {text[start + 1 :]}"
        return text

    def _spelt(self, token: int, text: str) -> bool:
        return self.unknown is None or token != self.unknown[0] or self.unknown[1] in text

    def together(self, text: str) -> str:
        """What `apart` was given: for texts that a model has written."""
        for mark in self.texts:
            text = text.replace(split(mark), mark)
        return text


def marks_of(tokenizer: Any) -> TurnMarks:
    """The marks of a tokenizer."""
    template = tokenizer.chat_template
    written = template if isinstance(template, str) else " ".join((template or {}).values())
    found = {
        number: token.content
        for number, token in tokenizer.added_tokens_decoder.items()
        if len(token.content.strip()) > 1 and (token.special or token.content in written)
    }
    unknown = tokenizer.unk_token_id
    return TurnMarks(
        ids=frozenset(found),
        texts=tuple(found.values()),
        folded=any(token.normalized for token in tokenizer.added_tokens_decoder.values() if token.special),
        unknown=(unknown, found[unknown]) if unknown in found else None,
    )
