"""The hash of the code that decides a unit's output."""

from functools import lru_cache
from pathlib import Path

from tuneworthy.core.hashing import address, text_digest
from tuneworthy.methods import METHODS
from tuneworthy.metrics import METRICS
from tuneworthy.tasks import TASKS


@lru_cache(maxsize=64)
def implementation(method: str, task: str, metric: str) -> str:
    """Sixteen hex digits over the sources of method, engine, models, task, metric and what they share.

    A change there gives units new addresses, so that no run mixes outputs of two versions of the code.
    """
    room = Path(__file__).parent.parent
    files = [
        *_module_files(METHODS.module_name(method)),
        *_module_files(TASKS.module_name(task)),
        *_module_files(METRICS.module_name(metric)),
        *sorted(room.glob("metrics/_*.py")),
        *sorted(room.glob("methods/_*.py")),
        *sorted(room.glob("engine/*.py")),
        *sorted(room.glob("models/*.py")),
        Path(__file__).with_name("execute.py"),
    ]
    return address([(file.name, text_digest(file.read_text(encoding="utf-8"))) for file in files])


def _module_files(module: str) -> list[Path]:
    import importlib.util

    spec = importlib.util.find_spec(module)
    return [Path(spec.origin)] if spec is not None and spec.origin else []
