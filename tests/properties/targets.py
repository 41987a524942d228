"""Every target by name, and how many of a hundred cases of a long run are its own."""

from collections.abc import Callable

from properties.promise import Target

GROUPS = {
    "readers": ("files_changed", "files_valid", "files_raw", "documents", "cells"),
    "job": ("jobs", "overrides", "written_jobs", "proposed_jobs"),
    "prompting": ("prompts", "chat_templates", "label_sets", "json_schemas"),
    "pages": ("uploads", "edited_jobs", "requests"),
    "http": ("http_documented", "http_bodies"),
}
SHARES = {
    "files_changed": 18,
    "files_valid": 6,
    "files_raw": 18,
    "documents": 8,
    "cells": 20,
    "jobs": 3,
    "overrides": 4,
    "written_jobs": 1,
    "proposed_jobs": 2,
    "prompts": 1,
    "chat_templates": 1,
    "label_sets": 2,
    "json_schemas": 4,
    "uploads": 2,
    "edited_jobs": 1,
    "requests": 5,
    "http_documented": 2,
    "http_bodies": 2,
}


def _readers() -> list[Target]:
    from properties.reading import READERS

    return READERS


def _jobs() -> list[Target]:
    from properties.jobs import JOBS

    return JOBS


def _prompting() -> list[Target]:
    from properties.prompting import PROMPTING

    return PROMPTING


def _pages() -> list[Target]:
    from properties.pages import PAGES

    return PAGES


_LOADED: dict[str, Callable[[], list[Target]]] = {
    "readers": _readers,
    "job": _jobs,
    "prompting": _prompting,
    "pages": _pages,
}


def target_of(name: str) -> Target:
    """A target that needs no server, by name."""
    [group] = [group for group, names in GROUPS.items() if name in names]
    return next(target for target in _LOADED[group]() if target.name == name)
