"""`qlora` beside `lora` on the same rows: what four bits cost in score, and what they save in memory.

    python bench/qlora.py --data FOLDER [--only SET ...] [--rows 300] [--test-rows 500] [--max-steps N]

FOLDER holds the sets as `bench/tasks.py` describes them. Memory is that of the loaded weights, counted over
the tensors; for a model of 7 billion parameters it is the plan's. A bench that is stopped goes on; the result
goes to bench/results/qlora/, scores and no text.
"""

import argparse
import os
from functools import partial
from pathlib import Path
from typing import Any

from common import closing_line, figure, kept, parser_of
from one_arm import drawn_job, one_arm, paired
from tuneworthy.models.decoder import load_decoder
from tuneworthy.models.memory import weight_bytes
from tuneworthy.models.resolve import resolve
from tuneworthy.models.shape import shape_of
from tuneworthy.models.way import HALF

PLACE = Path(__file__).parent.parent / ".bench" / "qlora"
RESULTS = Path(__file__).parent / "results" / "qlora"
Row = dict[str, Any]


def bytes_of(model: Any) -> int:
    """Bytes of a model's tensors, each storage once, the constants of four-bit weights included."""
    tensors = [*model.parameters(), *model.buffers()]
    for weight in model.parameters():
        state = getattr(weight, "quant_state", None)
        while state is not None:
            tensors += [
                part for part in (state.absmax, state.code, state.offset) if hasattr(part, "untyped_storage")
            ]
            state = state.state2
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def measure(name: str, options: argparse.Namespace) -> Row:
    """Both arms on the same rows."""
    place = PLACE / f"{name}-{options.rows}-{options.test_rows}-{options.max_steps}"
    os.environ["TUNEWORTHY_WORKSPACE"] = str(place)
    job, rows = drawn_job(name, options.data, place, options.rows, options.test_rows, options.seed)
    limit = {} if options.max_steps is None else {"max_steps": options.max_steps}
    job = job.model_copy(update={"methods": {"lora": limit, "qlora": limit}})
    ours = {arm: one_arm(job, arm, place / arm) for arm in ("lora", "qlora")}
    loss = paired(ours["lora"], ours["qlora"], ("lora", "qlora"))
    return {
        "set": name,
        "rows": rows,
        "max_steps": options.max_steps,
        "scores": {arm: found.score for arm, found in ours.items()},
        "minutes": {arm: found.minutes for arm, found in ours.items()},
        "loss": {key: getattr(loss, key) for key in ("difference", "low", "high", "p_two_sided", "n")},
    }


def main() -> None:
    """Measures and prints the figures."""
    parser = parser_of(__doc__, ("trec", "tweet_sentiment"), test_rows=500)
    parser.set_defaults(only=["trec"])
    parser.add_argument("--max-steps", type=int, help="most updates of either arm; default: as the main job")
    options = parser.parse_args()
    from transformers import LlamaConfig

    folder = resolve("smollm2-135m")
    share = bytes_of(load_decoder(folder, "bfloat16", four_bits=True).model) / bytes_of(
        load_decoder(folder, "bfloat16").model
    )
    seven = shape_of(LlamaConfig())
    planned = weight_bytes(seven, "nf4", HALF) / weight_bytes(seven, "bfloat16", HALF)
    figures = {
        "weights of SmolLM2-135M, four bits against bfloat16": figure(share, "x", 0.45, True),
        "planned for a Llama of 7 billion": figure(planned, "x", 0.3, True),
    }
    for name in options.only:
        one = kept(RESULTS / f"{name}.json", options.again, partial(measure, name, options))
        loss, scores = one["loss"], one["scores"]
        told = ", ".join(f"{arm} {100 * score['value']:.1f}" for arm, score in scores.items())
        print(f"{name}: {told}; minutes {one['minutes']}", flush=True)
        figures[f"{name}: lora minus qlora"] = figure(100 * loss["difference"], "points", n=loss["n"])
        figures[f"{name}: its upper bound"] = figure(100 * loss["high"], "points", 3.0, True, loss["n"])
    print(closing_line(figures))


if __name__ == "__main__":
    main()
