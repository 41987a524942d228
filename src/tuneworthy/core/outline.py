"""The form of a text without its words: what an error says of a cell that may hold anybody's data."""

LONGEST = 40


def outline(text: str) -> str:
    """Letters become x and X, digits 9, all else stays: "Ann Lee, 041" is 'Xxx Xxx, 999'.

    Enough to see what a cell looks like and why it cannot be read; the row is named beside it. At most
    `LONGEST` characters, then an ellipsis.
    """
    shape = "".join(map(_sign, text[:LONGEST]))
    return f"'{shape}…'" if len(text) > LONGEST else f"'{shape}'"


def _sign(character: str) -> str:
    if character.isdigit():
        return "9"
    if character.isalpha():
        return "X" if character.isupper() else "x"
    return character if character.isprintable() else " "
