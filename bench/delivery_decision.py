"""The decision export behind a stranger's server: `transformers serve`, where tuneworthy is not installed."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from common import figure
from delivery_common import PLACE, Server, alone, as_here, environment, run_of_set, serve, unseen_texts
from tuneworthy.exporting import Wanted, export_run
from tuneworthy.methods._options import lettered
from tuneworthy.refitting import final_fit
from tuneworthy.serving.served import load_served
from tuneworthy.units.calibration import calibration_of
from tuneworthy.units.predictor import Predictor
from tuneworthy.units.refit import Refit

ARM = "lora"
MOST_APART = 1e-3  # of two probabilities
GOAL_CALIBRATION = 0.05
ROWS, FOLDS, STEPS, ASKED = 300, 5, 100, 200
QUICK_ROWS, QUICK_FOLDS, QUICK_STEPS, QUICK_ASKED = 100, 2, 24, 48
READY = r"running on http://[^:]+:(\d+)"
Shares = dict[str, float]


def measured(data: Path, quick: bool) -> dict[str, Any]:
    """Three answers to the same texts: the run's in this process, `tuneworthy serve`'s, the stranger's."""
    rows, folds, steps = (QUICK_ROWS, QUICK_FOLDS, QUICK_STEPS) if quick else (ROWS, FOLDS, STEPS)
    name = "decision-quick" if quick else "decision"
    settings = {"protocol": "crossfit", "folds": folds, "train_anyway": True}
    settings["lora"] = {"max_steps": steps, "answer_format": "option"}
    run = run_of_set(data, name, rows, ["majority", ARM], settings)
    fit = final_fit(run, ARM, print)
    [exported] = export_run(run, Wanted(to=("decision",), arm=ARM))
    texts = unseen_texts(data, QUICK_ASKED if quick else ASKED)
    question = question_of(fit)
    own = own_shares(fit, texts)
    fit.release()
    python = environment("decision", as_here("torch", "transformers[serving]", "peft", "accelerate"))
    command = [str(python), "-P", "-m", "transformers.cli.transformers", "serve", str(exported.folder)]
    command += ["--dtype", "float32", "--host", "127.0.0.1", "--port", "0"]
    with Server(command, PLACE / name / "stranger.log", READY, alone()) as server:
        theirs = asked(server, texts, question)
    with serve(run, PLACE / name / "ours.log", "--arm", ARM) as server:
        ours = asked(server, texts, question)
    figures: dict[str, Any] = {}
    for who, shares in (("transformers serve", theirs), ("tuneworthy serve", ours)):
        same, apart = compared(own, shares)
        print(f"{who}: {same} of {len(texts)} labels the run's, probabilities at most {apart:.2g} apart")
        figures[f"decision: labels of {who} that are the run's"] = figure(
            same, "texts", len(texts), n=len(texts)
        )
        figures[f"decision: probabilities of {who}, furthest apart"] = figure(
            apart, "", MOST_APART, True, len(texts)
        )
    return {**figures, **calibration(run, fit, f"decision, {ARM}")}


def question_of(fit: Refit) -> dict[str, Any]:
    """The question as the export's README asks it."""
    setting = lettered(fit.setting)
    criteria = dict.fromkeys(setting.labels)
    return {"type": "choice", "instructions": setting.instruction, "criteria": criteria}


def own_shares(fit: Refit, texts: list[str]) -> list[Shares]:
    """The run folder's calibrated probabilities, computed in this process."""
    served = load_served(fit, ARM, 8192, False)
    answers = Predictor(fit.run, refit=fit).predict(texts)
    return [served.probabilities(one) or {} for one in answers]


def asked(server: Server, texts: list[str], question: dict[str, Any]) -> list[Shares]:
    """Probabilities of each text over `/v1/systemone`; the choice first."""
    found = []
    for text in texts:
        body = {"state": text, "questions": {"label": question}}
        answer = server.ask("/v1/systemone", body)["answers"]["label"]
        chosen, shares = answer["choice"], answer["probabilities"]
        found.append({chosen: shares[chosen], **shares})
    return found


def compared(own: list[Shares], other: list[Shares]) -> tuple[int, float]:
    """On how many texts the likeliest label is the same, and the largest distance of two probabilities."""
    same = sum(max(a, key=lambda name: a[name]) == next(iter(b)) for a, b in zip(own, other, strict=True))
    apart = max(abs(a[label] - b[label]) for a, b in zip(own, other, strict=True) for label in a)
    return same, float(np.round(apart, 9))


def calibration(run: Path, fit: Refit, name: str) -> dict[str, Any]:
    """What the temperature does to probabilities of rows that neither fit nor temperature have seen."""
    found = calibration_of(run, fit.unit)
    figures = {}
    for one in found.estimates:
        ends = f"[{one.low or 0:.3f}, {one.high or 0:.3f}]"
        print(f"{name}, {one.method}: {one.metric} {one.value:.3f} {ends} n={one.n}")
        last = one.method == "calibrated" and one.metric == "debiased_calibration_error"
        goal = GOAL_CALIBRATION if last else None
        title = re.sub("_", " ", f"{name}: {one.metric}, {one.method}")
        figures[title] = {**figure(one.value, "", goal, True, one.n), "low": one.low, "high": one.high}
    return {**figures, f"{name}: temperature": figure(found.temperature, "", n=found.rows)}
