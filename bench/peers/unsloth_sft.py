"""Unsloth under TRL's trainer: it patches the others, so it has to be imported before them."""

import runpy
from pathlib import Path

import unsloth  # noqa: F401

runpy.run_path(str(Path(__file__).with_name("trl_sft.py")), run_name="__main__")
