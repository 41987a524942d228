"""Numbers of things in words."""


def counted(number: int, noun: str, nouns: str = "") -> str:
    """ "1 row", "1,200 rows"; with `nouns` any words that follow the number: "1 row holds", "2 rows hold"."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def about(number: int) -> str:
    """Rounded up to two figures, so that an estimate looks like one: 847 -> "850"."""
    scale = 10 ** max(0, len(str(abs(number))) - 2)
    return f"{-(-number // scale) * scale:,}"
