"""The examples in the docstrings of what reads cells are true."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name", ["tasks._chats", "tasks._tags", "tasks._spans", "data.nested", "data.whole_labels"]
)
def test_the_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"tuneworthy.{name}")).failed == 0
