"""tuneworthy: is fine-tuning an open LLM worth it on a few hundred labelled examples? Measured, not believed.

import tuneworthy as tw

run = tw.run("clauses.csv", target="clause_type")
run.verdict.decision
run.predict(["We may change our fees at any time."])
"""

from typing import TYPE_CHECKING, Any

from tuneworthy.core.spinning import spin_briefly
from tuneworthy.core.telemetry import switch_off

if TYPE_CHECKING:
    from tuneworthy.api import Run, adapt, open_run, plan, rank_models, run

switch_off()
spin_briefly()
__version__ = "0.1.0"
__all__ = ["Run", "__version__", "adapt", "open_run", "plan", "rank_models", "run"]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """Loads the API on first use, so that `import tuneworthy` costs nothing."""
    if name in ("Run", "adapt", "open_run", "plan", "rank_models", "run"):
        from tuneworthy import api

        return getattr(api, name)
    raise AttributeError(f"module 'tuneworthy' has no attribute '{name}'")
