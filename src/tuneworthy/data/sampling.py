"""A table too long to hold: rows of it, each as likely as any other, in one reading and bounded memory."""

from dataclasses import replace
from pathlib import Path
from random import Random

from tuneworthy.data.readers import read_parts
from tuneworthy.data.table import Table

PART = 10_000  # rows read at a time


def sampled_table(path: Path, most: int, seed: int = 0) -> tuple[Table, int]:
    """The table, or `most` rows of a longer one, in the file's order; and how many rows it has.

    Drawn as the file is read (reservoir sampling, algorithm R: Vitter 1985, doi:10.1145/3147.3165).

    Args:
        path: of the table.
        most: rows that are kept.
        seed: of the draw.

    Raises:
        NotFoundError, DataError: as `read_table`.
    """
    draw, count = Random(seed), 0
    kept: list[tuple[int, dict[str, str | None]]] = []
    columns: dict[str, None] = {}
    for part in read_parts(path, PART):
        columns.update(dict.fromkeys(part.columns))
        for one in zip(part.numbers, part.rows, strict=True):
            if count < most:
                kept.append(one)
            elif (place := draw.randrange(count + 1)) < most:
                kept[place] = one
            count += 1
    kept.sort(key=lambda one: one[0])
    rows = [{column: row.get(column) for column in columns} for _, row in kept]
    numbers = [number for number, _ in kept]
    return replace(part, columns=tuple(columns), rows=rows, numbers=numbers, lines=()), count
