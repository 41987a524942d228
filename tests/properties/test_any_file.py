"""Whatever a file or a cell holds, it is read or refused in a sentence."""

from pathlib import Path

import pytest
from hypothesis import strategies as st

from properties.pieces import ALL
from properties.profile import hold_all
from properties.promise import Target, hold
from properties.reading import READERS, Cell, read_cell
from tuneworthy.tasks import TASKS

CASES = {"files_changed": 400, "files_valid": 200, "files_raw": 400, "documents": 300, "cells": 600}


@pytest.mark.parametrize("target", READERS, ids=[target.name for target in READERS])
def test_it_is_read_or_refused_in_a_sentence(target: Target) -> None:
    hold_all(target, CASES[target.name])


@pytest.mark.parametrize("task", TASKS.names())
def test_every_troublemaker_is_read_or_refused_by_every_task(task: str, tmp_path: Path) -> None:
    target = Target("cells", st.nothing(), read_cell)
    for piece in ALL:
        if piece and "\0" not in piece:
            for cell in (Cell(task, piece, None), Cell(task, "a text", piece), Cell(task, piece, piece)):
                hold(target, cell, tmp_path)
