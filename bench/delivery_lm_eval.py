"""A run that writes texts, evaluated by lm-evaluation-harness through its model for OpenAI's chat protocol.

What is served is the very fit that the run has measured, on the rows it was measured on, so the harness has
to come to the run folder's own chrF. It serves a merged 16-bit model and the run computes in float32: an
answer may turn where two tokens are all but equally likely, and how many do is told.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import tuneworthy as tw
from common import estimates, figure
from delivery_common import PLACE, alone, environment, keep_as_final, measured_fit, serve
from tuneworthy.exporters.gate import USUAL_ROWS
from tuneworthy.exporting import Wanted, export_run
from tuneworthy.runfolder.unit_output import read_predictions
from tuneworthy.units.execute import run_rows

TABLE = Path(__file__).parents[1] / "examples" / "support_answers" / "answers.csv"
HARNESS = ("lm_eval[api]==0.4.13",)
ARM, TASK = "lora", "answers_of_a_run"
STEPS, QUICK_STEPS = 100, 16
QUICK_GATE = 6  # rows that the export is asked before it is served
CONFIG = {
    "task": TASK,
    "dataset_path": "json",
    "test_split": "test",
    "output_type": "generate_until",
    "doc_to_text": "{{input}}",
    "doc_to_target": "{{target}}",
    "metric_list": [{"metric": "chrf"}],
}


def measured(quick: bool) -> dict[str, Any]:
    """The harness's chrF against the run folder's, and how many answers are the same to the letter."""
    steps = QUICK_STEPS if quick else STEPS
    place = PLACE / f"lm_eval-{steps}"
    run = answering_run(place, steps)
    fit = measured_fit(run, ARM)
    keep_as_final(run, fit)
    own = {one.example_id: one.value or "" for one in read_predictions(run / "units" / fit.address)}
    rows, _ = run_rows(str(run))
    lines = [{"id": id, "input": rows[id].input, "target": rows[id].target} for id in own]
    export_run(run, Wanted(to=("merged",), rows=QUICK_GATE if quick else USUAL_ROWS), print)
    python = environment("lm_eval", HARNESS)
    with serve(run, place / "serve.log") as server:
        [model] = server.ask("/v1/models")["data"]
        url = f"http://127.0.0.1:{server.port}/v1/chat/completions"
        score, written = evaluated(python, place, lines, url, model)
    kept = estimates(run, "chrf")[ARM]
    same = sum(own[id] == text for id, text in written.items())
    print(
        f"lm_eval: chrF {score:.4f}, the run folder {kept['value']:.4f} [{kept['low']:.4f}, "
        f"{kept['high']:.4f}], {same} of {len(own)} answers the same to the letter"
    )
    inside = kept["low"] <= score <= kept["high"]
    apart = figure(abs(score - kept["value"]), "chrF", kept["high"] - kept["value"], True, len(own))
    return {
        "lm_eval: chrF of lm-evaluation-harness": figure(score, "share", n=len(own)),
        "lm_eval: chrF of the run folder": {
            **figure(kept["value"], "share", n=len(own)),
            "low": kept["low"],
            "high": kept["high"],
        },
        "lm_eval: apart, goal within the interval": {**apart, "met": inside},
        "lm_eval: answers that are the run's to the letter": figure(same, "answers", n=len(own)),
    }


def answering_run(place: Path, steps: int) -> Path:
    """A run on the example of a support team's answers, its lora trained for so many steps."""
    return tw.run(
        TABLE,
        task="text-generation",
        input="question",
        target="answer",
        output=place / "run",
        instruction="Answer the customer's question as the support team of Parcel & Co.",
        protocol="holdout",
        test_fraction=0.3,
        arms=["majority", ARM],
        lora={"max_steps": steps},
        train_anyway=True,
        resamples=2000,
        curve={"arms": []},
        forgetting=False,
    ).path


def evaluated(
    python: Path, place: Path, lines: list[dict[str, Any]], url: str, model: dict[str, Any]
) -> tuple[float, dict[str, str]]:
    """The harness's chrF as a share, and each row's answer as the harness has read it."""
    task, out = place / "task", place / "harness"
    task.mkdir(exist_ok=True)
    rows = task / "rows.jsonl"
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    how = {"max_gen_toks": model["longest_answer_tokens"], "until": ["<|im_end|>"], "do_sample": False}
    config = {**CONFIG, "dataset_kwargs": {"data_files": {"test": str(rows)}}, "generation_kwargs": how}
    (task / f"{TASK}.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    before = set(out.rglob("*.json*"))
    command = [str(python), "-P", "-m", "lm_eval", "run", "--model", "local-chat-completions"]
    command += ["--model_args", f"model={model['id']},base_url={url},num_concurrent=2,max_retries=1"]
    command += ["--tasks", TASK, "--include_path", str(task), "--apply_chat_template", "--log_samples"]
    command += ["--output_path", str(out)]
    caches = {"HF_HOME": str(place / "cache"), "OPENAI_API_KEY": "none"}
    done = subprocess.run(command, env=alone(**caches), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-3000:])
    fresh = set(out.rglob("*.json*")) - before
    [results] = [file for file in fresh if file.name.startswith("results")]
    [samples] = [file for file in fresh if file.name.startswith("samples")]
    found = json.loads(results.read_text(encoding="utf-8"))["results"][TASK]
    answers = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    written = {one["doc"]["id"]: one["resps"][0][0] for one in answers}
    return float(found["chrf,none"]) / 100, written
