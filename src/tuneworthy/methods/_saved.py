"""A fitted scikit-learn estimator as a skops file: no pickle, so that reading it runs nothing.

skops imports the whole of scikit-learn, which takes 0.6 s: only where such a file is written or read.
"""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from tuneworthy.core.errors import ModelError


def save_fitted(estimator: Any, file: Path) -> None:
    """Writes the estimator."""
    import skops.io

    skops.io.dump(estimator, file)


def load_fitted(file: Path) -> Any:
    """Reads a skops file; only what skops itself knows to be harmless is built, and ours hold nothing else.

    Raises:
        ModelError: the file holds something else, or is damaged: nothing of it was built.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops.io.load(file, trusted=[])
    except (UntrustedTypesFoundException, TypeError, KeyError, ValueError, OSError, BadZipFile) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ModelError(
            f"{file} is no classifier that was saved by a run ({first}): it is refused; run the job again."
        ) from error
