"""Plugins: the file name is the plugin's name.

A registry lists a folder without importing it and imports one file on use. Outsiders register a Python entry
point of the group `tuneworthy.<room>`. A plugin file exposes one object called `PLUGIN`.
"""

import difflib
import importlib
import importlib.util
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar, cast

from tuneworthy.core.errors import JobError

T = TypeVar("T")

_COMPARED, _LONGEST = 1000, 200  # names, and characters of one, that are compared with a misspelt one
_LISTED, _SHOWN = 60, 60  # names, and characters of one, that stand in a sentence


def did_you_mean(name: str, known: list[str]) -> str:
    """' Did you mean "macro_f1"?' when something close is known, else the list of what there is."""
    near = [one for one in known[:_COMPARED] if len(one) <= _LONGEST]  # likeness takes time of their product
    close = difflib.get_close_matches(name[:_LONGEST], near, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"known: {listed(known)}."


def listed(names: Sequence[str]) -> str:
    """The names in a sentence: the first few where there are many, and the beginning of long ones.

    >>> listed(["a", "b"]), listed(["x" * 80]) == "x" * 59 + "…"
    ('a, b', True)
    """
    shown = [name if len(name) <= _SHOWN else f"{name[: _SHOWN - 1]}…" for name in names[:_LISTED]]
    return ", ".join([*shown, *([f"and {len(names) - _LISTED} more"] if len(names) > _LISTED else [])])


class Registry(Generic[T]):
    """The plugins of one room, by name."""

    def __init__(self, room: str, noun: str) -> None:
        self.room = room
        self.noun = noun
        self._brought: dict[str, tuple[T, Path]] = {}

    @cached_property
    def _files(self) -> dict[str, str]:
        package = f"tuneworthy.{self.room}"
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            return {}
        folder = Path(next(iter(spec.submodule_search_locations)))
        found = {}
        for path in sorted(folder.glob("*.py")):
            if not path.stem.startswith("_") and "\nPLUGIN" in path.read_text(encoding="utf-8"):
                found[path.stem.replace("_", "-") if self.room == "tasks" else path.stem] = (
                    f"{package}.{path.stem}"
                )
        return found

    @cached_property
    def _outside(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=f"tuneworthy.{self.room}")}

    def names(self) -> list[str]:
        """Every known name, sorted; nothing is imported."""
        return sorted({*self._files, *self._outside})

    def bring(self, name: str, plugin: T, source: Path) -> None:
        """Adds a plugin that a job brings along; raises JobError where the name is taken."""
        if name in self._files or name in self._outside:
            raise JobError(f"{self.noun} '{name}' is there already: give yours another name.")
        self._brought[name] = (plugin, source)

    def source(self, name: str) -> Path | None:
        """The file of a plugin that was brought along; None for any other."""
        return self._brought[name][1] if name in self._brought else None

    def module_name(self, name: str) -> str:
        """The module that holds the plugin; raises JobError for an unknown name."""
        if name in self._files:
            return self._files[name]
        if name in self._outside:
            return self._outside[name].module
        raise JobError(f"unknown {self.noun} '{name}': {did_you_mean(name, self.names())}")

    def get(self, name: str) -> T:
        """Imports one plugin. Raises JobError with the nearest name when there is none."""
        if name in self._brought:
            return self._brought[name][0]
        module = self.module_name(name)
        if name in self._outside and name not in self._files:
            return cast(T, self._outside[name].load())
        return cast(T, importlib.import_module(module).PLUGIN)
