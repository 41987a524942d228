"""lm-evaluation-harness: log-likelihood of every option after every prompt; one line of JSON."""

import json
import sys
import time
from pathlib import Path

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
torch.set_num_threads(task["threads"])
harness = HFLM(
    pretrained=task["model"],
    device="cuda" if torch.cuda.is_available() else "cpu",
    dtype="float32",
    batch_size=task["batch"],
    add_bos_token=False,
)
requests = [
    Instance(request_type="loglikelihood", doc={}, arguments=(prompt, option), idx=0)
    for prompt in task["prompts"]
    for option in task["options"]
]
started = time.perf_counter()
answers = harness.loglikelihood(requests, disable_tqdm=True)
seconds = time.perf_counter() - started
width = len(task["options"])
scores = [[float(score) for score, _ in answers[i : i + width]] for i in range(0, len(answers), width)]
print(json.dumps({"seconds": seconds, "scores": scores}))
