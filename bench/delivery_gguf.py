"""GGUF files of trained models, asked through xllamacpp where nothing else of ours is installed.

Two fits: a lora that names the clause types of the set, and one that writes a support team's answers. Each is
the fit that its run has measured, looked at by the gate on many rows; one that fails is told.
"""

from pathlib import Path
from typing import Any

from common import figure
from delivery_common import PLACE, environment, keep_as_final, measured_fit, run_of_set
from delivery_lm_eval import answering_run
from tuneworthy.core.parity import Parity
from tuneworthy.exporters import EXPORTERS, Subject
from tuneworthy.exporters.gate import choose_rows, examine
from tuneworthy.refitting import final_fit

ARM = "lora"
XLLAMACPP = "xllamacpp==2026.10.11549"
ROWS, QUICK_ROWS = 300, 120  # that the run is made of
STEPS, QUICK_STEPS = 150, 30  # of the fit that names labels
ASKED, QUICK_ASKED = 200, 48
STEPS_TEXTS, QUICK_STEPS_TEXTS = 100, 16


def measured(
    data: Path | None, quick: bool, quantizer: Path | None, run: Path | None, asked: int | None
) -> dict[str, Any]:
    """How many answers of each file are the fit's, and how far its log-probabilities are from the fit's.

    Args:
        data: where the set is.
        quick: fewer rows and steps.
        quantizer: llama-quantize, for four bits.
        run: one with a lora that was measured once, in place of those that are made here.
        asked: rows.
    """
    python = environment("gguf", [XLLAMACPP])
    tools = {"llamacpp": python, **({"quantizer": quantizer} if quantizer else {})}
    variants = ("f16", "q8_0", *(("q4_k_m",) if quantizer else ()))
    figures: dict[str, Any] = {}
    for what in ("labels", "texts") if run is None else (run.resolve().parent.name,):
        made = run or (labelling_run(data, quick) if what == "labels" and data else writing_run(quick))
        keep_as_final(made, measured_fit(made, ARM))
        fit = final_fit(made)
        rows = choose_rows(fit, asked or (QUICK_ASKED if quick else ASKED))
        for variant in variants:
            folder = PLACE / "gguf" / what / variant
            folder.mkdir(parents=True, exist_ok=True)
            subject = Subject(fit, variant, tools)
            exporter = EXPORTERS.get("gguf")
            exporter.write(subject, folder)
            figures |= figures_of(what, variant, examine(subject, exporter, folder, rows))
    return figures


def labelling_run(data: Path, quick: bool) -> Path:
    """A lora that was trained on clauses for long enough to name their types."""
    rows, steps = (QUICK_ROWS, QUICK_STEPS) if quick else (ROWS, STEPS)
    settings = {"protocol": "holdout", "test_fraction": 0.3, "train_anyway": True}
    settings["lora"] = {"max_steps": steps}
    return run_of_set(data, f"gguf-{steps}", rows, ["majority", ARM], settings)


def writing_run(quick: bool) -> Path:
    """The run that lm-evaluation-harness evaluates."""
    steps = QUICK_STEPS_TEXTS if quick else STEPS_TEXTS
    return answering_run(PLACE / f"lm_eval-{steps}", steps)


def figures_of(what: str, variant: str, parity: Parity) -> dict[str, Any]:
    """A file's line, and its figures."""
    name = f"gguf {variant} of {what}"
    causes = "; ".join(parity.causes)
    if parity.expected is None or parity.found is None:
        print(f"{name}: {causes}")
        return {f"{name}: gate passed": figure(0, "", 1, n=parity.rows)}
    drop, nats = parity.expected - parity.found, parity.nats or 0.0
    print(
        f"{name}: {f'FAILED: {causes}' if causes else 'passed'}; {parity.same} of {parity.rows} answers the "
        f"same, {parity.metric} {parity.expected:.4f} became {parity.found:.4f}, {nats:.3g} nats apart"
    )
    return {
        f"{name}: gate passed": figure(parity.passed, "", 1, n=parity.rows),
        f"{name}: answers that are the fit's": figure(parity.same, "answers", n=parity.rows),
        f"{name}: drop in {parity.metric}": figure(drop, "", n=parity.rows),
        f"{name}: log-probability": figure(nats, "nats", n=parity.rows),
    }
