"""Telemetry: there is none of ours, and that of libraries is switched off before they are imported."""

import os

OFF = {
    "DO_NOT_TRACK": "true",  # https://consoledonottrack.com, which several libraries follow
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "RAY_USAGE_STATS_ENABLED": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",  # its own crash reports; what a run logs is another matter
    "VLLM_NO_USAGE_STATS": "1",
    "SKYPILOT_DISABLE_USAGE_COLLECTION": "1",
}


def switch_off() -> None:
    """Sets what libraries look for, where the user has not said otherwise; child processes inherit it."""
    for name, value in OFF.items():
        os.environ.setdefault(name, value)
