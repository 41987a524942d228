"""Prompts that a user wrote: rendered in little time, or not at all.

A sandbox keeps a template from files and from Python, not from going on for ever. So a template that does
more than fill in is first tried out in a process of its own, which may take little time and memory; and every
later rendering is watched, for texts that the trial did not think of (decision 0130).
"""

import ctypes
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import nodes
from jinja2.sandbox import SandboxedEnvironment

from tuneworthy.tasks import _template_trial

LONGEST_S = 5.0  # processor time of one rendering
LONGEST_TRIAL_S = 120.0  # by the clock, on a machine that is busy with other work
_PLAIN: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.For,
)
_PLAIN += (nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Filter)
_PLAIN_FILTERS = (
    "upper",
    "lower",
    "trim",
    "title",
    "capitalize",
    "length",
    "join",
    "first",
    "last",
    "tojson",
)
_TEXT = "A text of some words, 12.5 of them in numbers.\n"


class TooMuchError(Exception):
    """A template takes too long, too much memory, or writes too much."""

    def __init__(self) -> None:
        super().__init__("it goes on too long, or takes too much memory")


def try_prompt(template: str, labels: tuple[str, ...]) -> None:
    """Tries a prompt out on a short and a long text.

    Raises:
        TooMuchError: it takes too much.
        jinja2.TemplateSyntaxError: it is no template.
    """
    if _ends(SandboxedEnvironment().parse(template)):  # without computing anything, as compiling would
        return
    known: dict[str, Any] = {"instruction": _TEXT, "labels": labels}
    _try_out(template, json.dumps([{"input": _TEXT * times, **known} for times in (1, 200)]))


def _ends(tree: nodes.Node, loops: int = 0) -> bool:
    """Whether a template plainly writes little more than it is given: no arithmetic, no loop in a loop."""
    if not isinstance(tree, _PLAIN) or (isinstance(tree, nodes.For) and (loops or tree.recursive)):
        return False
    if isinstance(tree, nodes.Filter):
        given = [*tree.args, *tree.kwargs, tree.dyn_args, tree.dyn_kwargs]
        if tree.name not in _PLAIN_FILTERS or any(given):
            return False
    loops += isinstance(tree, nodes.For)
    return all(_ends(child, loops) for child in tree.iter_child_nodes())


@lru_cache(maxsize=64)
def _try_out(template: str, variables: str) -> None:
    """Renders a template with several sets of variables, a JSON list, in another process."""
    asked = f'{{"template": {json.dumps(template)}, "variables": {variables}}}'
    command = [sys.executable, "-I", str(Path(_template_trial.__file__))]
    try:
        done = subprocess.run(command, input=asked.encode(), capture_output=True, timeout=LONGEST_TRIAL_S)
    except subprocess.TimeoutExpired:
        raise TooMuchError from None
    if done.returncode == _template_trial.TOO_MUCH or done.returncode < 0:
        raise TooMuchError


@contextmanager
def watched(seconds: float = LONGEST_S) -> Iterator[None]:
    """Ends what this thread does in it once it has taken so much processor time.

    It ends between two steps of Python, so an endless loop ends and one long computation does not: that is
    for the trial to find.

    Raises:
        TooMuchError: it took longer.
    """
    thread, lock, over = threading.get_ident(), threading.Lock(), threading.Event()
    began, stop = _taken(thread), ctypes.pythonapi.PyThreadState_SetAsyncExc

    def look() -> None:
        while not over.wait(seconds):
            with lock:
                if not over.is_set() and _taken(thread) - began >= seconds:
                    stop(ctypes.c_ulong(thread), ctypes.py_object(TooMuchError))
                    return

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        with lock:
            over.set()
            stop(ctypes.c_ulong(thread), None)  # one that was not delivered yet


def _taken(thread: int) -> float:
    """Processor time of a thread where the system tells it, else the time by the clock, in seconds."""
    if hasattr(time, "pthread_getcpuclockid"):
        return time.clock_gettime(time.pthread_getcpuclockid(thread))
    return time.monotonic()
