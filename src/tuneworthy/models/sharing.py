"""Base models loaded once and read by many: for a server, whose runs often differ in their adapters alone."""

import copy
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
_kept: dict[Hashable, Any] | None = None


@contextmanager
def bases_shared() -> Iterator[None]:
    """Within it a base model that is only read is loaded once and kept; nothing trains meanwhile."""
    global _kept
    _kept = {}
    try:
        yield
    finally:
        _kept = None


def sharing() -> bool:
    """Whether bases are shared at the moment."""
    return _kept is not None


def kept(key: Hashable, load: Callable[[], T]) -> T:
    """What was loaded under this key, or is now; loaded anew each time where nothing is shared."""
    if _kept is None:
        return load()
    if key not in _kept:
        _kept[key] = load()
    found: T = _kept[key]
    return found


def twin(model: Any) -> Any:
    """The same modules anew around the same weights: an adapter put on it leaves the other as it is."""
    weights = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, weights)
