"""`tuneworthy`: the verbs, and what happens to errors."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tuneworthy import __version__
from tuneworthy.core.ending import EXIT_CODE, Ended
from tuneworthy.core.errors import TuneworthyError
from tuneworthy.runfolder.disk import NO_SPACE, unwritable

GOES_ON = "the same command again continues where this one was."
INTERRUPTED = 130  # what typer turns Ctrl-C into, as shells do: 128 + SIGINT

app = typer.Typer(
    name="tuneworthy",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Is fine-tuning an open LLM worth it on your few hundred labelled examples? Measured, with intervals."""


def _register() -> None:
    from tuneworthy.cli import (
        adapt,
        audit,
        baseline,
        check,
        deploy,
        export,
        fetch,
        init,
        launch,
        models,
        plan,
        predict,
        report,
        run,
        runs,
        schema,
        serve,
        track,
        ui,
        verify,
    )

    verbs = (
        run,
        check,
        plan,
        baseline,
        init,
        audit,
        adapt,
        predict,
        export,
        verify,
        serve,
        launch,
        fetch,
        deploy,
        report,
        runs,
        track,
        ui,
        schema,
    )
    for verb in verbs:
        app.command(name=verb.__name__.rsplit(".", 1)[1])(verb.command)
    app.add_typer(models.app, name="models")


_register()


def main() -> None:
    """The console script: a user's mistake is one sentence and exit code 2; a bug keeps its traceback."""
    try:
        app()
    except TuneworthyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:  # of a library that was writing anywhere, to a temporary file say
        if error.errno not in NO_SPACE:
            raise
        print(f"error: {unwritable(Path(error.filename or 'a file'), error)}", file=sys.stderr)
        sys.exit(TuneworthyError.exit_code)
    except Ended as ended:
        print(f"\n{ended}; {GOES_ON}", file=sys.stderr)
        sys.exit(EXIT_CODE)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            print(f"\nstopped; {GOES_ON}", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()
