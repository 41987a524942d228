"""Settings that make a whole run a matter of seconds."""

from pathlib import Path
from typing import Any


def quick_settings(decoder_folder: Path, embedder_folder: Path) -> dict[str, Any]:
    """Those settings, for fixtures that outlive a test."""
    return {
        "base_model": str(decoder_folder),
        "embedding_model": str(embedder_folder),
        "protocol": "holdout",
        "workers": 1,
        "threads": 1,
        "resamples": 500,
        "few_shot": {"k": 3, "calibration_rows": 6},
        "knn_shot": {"k": 2, "calibration_rows": 6},
        "zero_shot": {"calibration_rows": 6},
        "lora": {"max_steps": 6, "learning_rate": 0.01},
        "encoder": {"max_steps": 4},
        "tagger": {"max_steps": 4},
        "span": {"max_steps": 4},
        "setfit": {"pairs_per_row": 1},
        "decision": {"orders": 2},
        "curve": {"arms": []},
        "forgetting": False,
    }
