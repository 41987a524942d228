"""Times as people write them: "10m", "1h30m", "90s"."""

import re

SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
EXPECTED = "a time such as 10m, 1h30m or 90s"
WRITTEN = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+")


def seconds_of(text: str) -> float:
    """The seconds of a duration.

    >>> seconds_of("10m"), seconds_of("1h30m"), seconds_of("90s")
    (600.0, 5400.0, 90.0)

    Raises:
        ValueError: it is none, or no time at all; the message says what is expected.
    """
    plain = text.replace(" ", "").lower()
    if not WRITTEN.fullmatch(plain):
        raise ValueError(EXPECTED)
    found = sum(float(n) * SECONDS[unit] for n, unit in re.findall(r"([\d.]+)([dhms])", plain))
    if found <= 0:
        raise ValueError(EXPECTED)
    return float(found)


def brief(seconds: float) -> str:
    """A duration in a sentence.

    >>> brief(42.3), brief(100), brief(4000)
    ('42 s', '1.7 min', '1.1 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
