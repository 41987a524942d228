"""The one error tree.

A user's mistake is a `TuneworthyError`: one sentence that says what is wrong, what was found and what to
type next. The command line prints it and exits with code 2, without a traceback. Anything else is a bug.
"""


class TuneworthyError(Exception):
    """Base of every error that is the user's to mend."""

    exit_code = 2


class DataError(TuneworthyError, ValueError):
    """The table cannot be used as it is."""


class JobError(TuneworthyError, ValueError):
    """The job (file, option or argument) says something impossible."""


class ConsentError(JobError):
    """Rows would leave this machine, and nobody has said that they may.

    Attributes:
        question: what to ask whoever may say so.
    """

    def __init__(self, message: str, question: str = "") -> None:
        super().__init__(message)
        self.question = question


class NotFoundError(TuneworthyError, FileNotFoundError):
    """A file, folder, model or plugin that was named does not exist."""


class ModelError(TuneworthyError, RuntimeError):
    """A model cannot be fetched, loaded or used."""


class DivergedError(ModelError):
    """A fine-tune went wrong again and again, with lower rates too."""


class RunFolderError(TuneworthyError, OSError):
    """A run folder is busy, damaged, or belongs to another job."""


class MissingExtraError(TuneworthyError, ImportError):
    """An optional dependency is needed; the message carries the pip line."""


class TrackingError(TuneworthyError, RuntimeError):
    """A tracker could not be told of a run; the run folder has everything."""


class LaunchError(TuneworthyError, RuntimeError):
    """A job cannot be sent elsewhere, watched there, or brought back."""


class AuditError(TuneworthyError, ValueError):
    """The training rows would not teach what they should (masking, stop token, truncation)."""


class ParityError(TuneworthyError, AssertionError):
    """An exported model does not answer as the fit that it was made from."""

    exit_code = 1
