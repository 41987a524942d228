"""One line of `events.jsonl`: what happened, and a sum by which a torn or edited line is known."""

import json
import re
import zlib
from typing import Any

Event = dict[str, Any]
SUM = "crc32"  # of the line's bytes without it; the last field
_ENDING = re.compile(rb', "crc32": "([0-9a-f]{8})"\}$')


def event_line(event: Event) -> bytes:
    """The line, with its sum and its end."""
    line = json.dumps(event, ensure_ascii=False).encode()
    return line[:-1] + f', "{SUM}": "{zlib.crc32(line):08x}"}}\n'.encode()


def read_event(line: bytes) -> Event:
    """The event of a line; one from before lines had sums is taken as it is.

    Raises:
        ValueError: the line is torn, edited, or no event.
    """
    line = line.rstrip(b"\n")
    if (ending := _ENDING.search(line)) is not None:
        line = line[: ending.start()] + b"}"
        if zlib.crc32(line) != int(ending[1], 16):
            raise ValueError("the line's sum is not that of what was written")
    event = json.loads(line)
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise ValueError("no event")
    event.pop(SUM, None)
    return event
