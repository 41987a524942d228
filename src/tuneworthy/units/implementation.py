"""The hash of the code that decides a unit's output."""

import ast
import importlib.util
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from tuneworthy.core.hashing import address, text_digest
from tuneworthy.methods import METHODS
from tuneworthy.metrics import METRICS
from tuneworthy.tasks import TASKS

# Whose code a prediction depends on.
ROOMS = ("methods", "metrics", "tasks", "engine", "models", "search", "capabilities")


def implementation(method: str, task: str, metric: str) -> str:
    """The digest over the sources of `modules_of`.

    A change there gives units new addresses, so that no run mixes outputs of two versions of the code; a new
    method, or a change of another one, leaves finished units as they are.
    """
    sources = _digests(modules_of(method, task, metric))
    own = METRICS.source(metric)
    if own is not None:  # its copy in the run folder has another name
        sources.append((metric, text_digest(own.read_text(encoding="utf-8"))))
    return address(sources)


def digest_of(module: str) -> str:
    """The digest over the sources of one module and all that it imports from the rooms."""
    return address(_digests(reached([module])))


def _digests(modules: Sequence[str]) -> list[tuple[str, str]]:
    """Name and digest of each module's source."""
    files = [_source(module) for module in modules]
    return [(file.name, text_digest(file.read_text(encoding="utf-8"))) for file in files]


def modules_of(method: str, task: str, metric: str) -> list[str]:
    """What runs a unit, its method, task and metric, and all that they import from the rooms; sorted."""
    named = ["tuneworthy.units.execute", METHODS.module_name(method), TASKS.module_name(task)]
    if METRICS.source(metric) is None:  # one that the job brings along is no module of ours
        named.append(METRICS.module_name(metric))
    return reached(named)


def reached(modules: Sequence[str]) -> list[str]:
    """The modules and all that they import from the rooms; sorted."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += imported(module)
    return sorted(found)


@lru_cache(maxsize=512)
def imported(module: str) -> tuple[str, ...]:
    """The modules of the rooms that a module's source imports anywhere, inside functions too."""
    tree = ast.parse(_source(module).read_text(encoding="utf-8"))
    return tuple(dict.fromkeys(name for node in ast.walk(tree) for name in _named(node) if _in_rooms(name)))


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)  # `from package import module`


def _in_rooms(name: str) -> bool:
    parts = name.split(".")
    return len(parts) > 1 and parts[0] == "tuneworthy" and parts[1] in ROOMS and _exists(name)


def _exists(name: str) -> bool:
    """Whether the name is a module: in `from module import name` it may be anything."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _source(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    return Path(spec.origin)
