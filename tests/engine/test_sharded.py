"""A fit over two processes is the fit of one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_models import save_decoder

TESTS = Path(__file__).parents[1]
SCRIPT = """
import json, sys
from pathlib import Path
import torch
from accelerate import Accelerator
from torch import distributed
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from engine.test_training import RECIPE, fresh
from tuneworthy.engine.batches import batch_rows
from tuneworthy.engine.checkpoint import Progress
from tuneworthy.engine.optimizer import make_optimizer
from tuneworthy.engine.sharded import shard
from tuneworthy.engine.trainee import Writer
from tuneworthy.engine.training import update

folder, rank, processes, meeting = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
torch.set_num_threads(1)
decoder, rows = fresh(folder)
trainee = Writer(decoder)
if processes > 1:
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes)
    trainee = shard(trainee)
    wrapped = [type(m).__name__ for m in decoder.model.modules() if isinstance(m, FSDPModule)]
    assert all(isinstance(p, DTensor) for p in decoder.model.parameters()), "a weight is whole in a process"
model = trainee.model
model.train()
parameters = [p for p in model.parameters() if p.requires_grad]
optimizer = make_optimizer(parameters, RECIPE)
facts = []
for step in range(1, 6):
    batch = [rows[i] for i in batch_rows(len(rows), RECIPE, step)]
    progress = Progress(step=step, tokens_per_batch=int(sys.argv[5]))
    facts.append(update(trainee, Accelerator(cpu=True), optimizer, parameters, batch, RECIPE, progress))
found = {"loss": [f["loss"] for f in facts], "norm": [f["gradient_norm"] for f in facts]}
found["wrapped"] = wrapped if processes > 1 else []
found["held"] = sum((p.to_local() if processes > 1 else p).numel() for p in model.parameters())
Path(f"{meeting}.{rank}.json").write_text(json.dumps(found))
if processes > 1:
    distributed.destroy_process_group()
"""


def trained(folder: Path, meeting: Path, processes: int, tokens: int) -> list[dict[str, list[float]]]:
    """What each process saw."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(folder), str(rank), str(processes), str(meeting), str(tokens)],
            cwd=TESTS,
            stderr=subprocess.PIPE,
        )
        for rank in range(processes)
    ]
    told = [process.communicate(timeout=240)[1].decode() for process in started]
    assert not any(process.returncode for process in started), "\n".join(told)
    return [json.loads(Path(f"{meeting}.{rank}.json").read_text()) for rank in range(processes)]


@pytest.mark.slow
def test_two_processes_that_share_the_weights_see_the_losses_of_one(tmp_path: Path) -> None:
    folder = save_decoder(tmp_path / "model")
    [one] = trained(folder, tmp_path / "alone", 1, 256)
    both = trained(folder, tmp_path / "together", 2, 128)
    for process in both:
        assert process["loss"] == pytest.approx(one["loss"], rel=1e-5)
        assert process["norm"] == pytest.approx(one["norm"], rel=1e-4)
        assert {"FSDPLlamaDecoderLayer", "FSDPPeftModelForCausalLM"} <= set(process["wrapped"])
        assert process["held"] < 0.55 * one["held"]
