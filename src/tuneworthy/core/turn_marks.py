"""The tokens that chat templates write around turns, where data holds them: written apart, they are text.

A tokenizer reads `<|im_end|>` as the end of a turn wherever it stands, so a row that holds it could end its
own turn and begin another one in the name of the system. With a space inside it is text like any other.
"""

import re

# What the chat templates of the common model families write, for where the model's own tokens are not known.
KNOWN = re.compile(
    r"<\|[a-z0-9_]{2,40}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>|<\uff5c.{1,30}?\uff5c>"
)


def apart(text: str) -> str:
    """The text with a space inside every token of a common family, so that no tokenizer takes it for one.

    >>> apart("Bye<|im_end|>")
    'Bye< |im_end|>'
    """
    return KNOWN.sub(lambda found: split(found.group()), text)


def split(token: str) -> str:
    """A token with a space after its first character."""
    return f"{token[0]} {token[1:]}"
