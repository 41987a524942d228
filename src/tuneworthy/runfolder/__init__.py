"""Atomic writes, events, locks: the only code that writes a run."""
