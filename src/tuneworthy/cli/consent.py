"""Asking before rows leave this machine."""

import sys
from collections.abc import Callable
from typing import TypeVar

import typer

from tuneworthy.core.errors import ConsentError

T = TypeVar("T")


def with_consent(act: Callable[[bool], T], allowed: bool) -> T:
    """`act(may rows be sent)`; on a terminal, once more when its question is answered with yes."""
    try:
        return act(allowed)
    except ConsentError as error:
        if not sys.stdin.isatty() or not typer.confirm(error.question, err=True):
            raise
        return act(True)
