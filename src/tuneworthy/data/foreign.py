"""Files that a library parses for us: whatever it makes of a damaged one becomes a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuneworthy.core.errors import DataError, TuneworthyError


@contextmanager
def parsed(path: Path, what: str, advice: str) -> Iterator[None]:
    """Turns every error of a parser into a DataError that names the file.

    Parsers written in Rust end in a panic, which is not an `Exception`.

    Args:
        path: the file.
        what: it should be, such as "an XLSX".
        advice: what to do, in a clause.

    Raises:
        DataError: the parser failed.
    """
    try:
        yield
    except TuneworthyError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise  # Ctrl-C and the like
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path.name} is not {what} ({said}); {advice}.") from None
