"""Reads a W&B run file: the client's own reader is no longer written in Python, its messages are."""

from pathlib import Path
from typing import Any

BLOCK, HEADER = 32768, 7
MAGIC = 7  # ":W&B", two bytes, version


def records(path: Path) -> list[Any]:
    """The records of a LevelDB log, parsed by the client's own protocol buffers."""
    from wandb.proto.wandb_internal_pb2 import Record

    content = path.read_bytes()
    assert content[:4] == b":W&B"
    place, parts, found = MAGIC, b"", []
    while place + HEADER <= len(content):
        if BLOCK - place % BLOCK < HEADER:  # the rest of a block that is too short for a header
            place += BLOCK - place % BLOCK
            continue
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        if kind == 0:
            break
        parts += content[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (1, 4):  # a whole record, or the last part of one
            record = Record()
            record.ParseFromString(parts)
            found.append(record)
            parts = b""
    return found
