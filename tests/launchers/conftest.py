"""The job that was run elsewhere, once for all tests."""

from launched import elsewhere, unexamined

__all__ = ["elsewhere", "unexamined"]
