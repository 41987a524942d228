"""What happens after the verdict, measured: exports asked by strangers, a served run, its clients, many runs.

    python bench/delivery.py --data FOLDER [--only PART ...] [--requests 10000] [--threads N] [--quick]

| part | measured |
|---|---|
| probe, lora | `tuneworthy serve` under 50 clients against one by one: rate, p99, lost or wrong, memory |
| calibration | log-loss and debiased calibration error of the probe, before and after its temperature |
| decision | its export under `transformers serve`, where tuneworthy is not installed: `/v1/systemone` |
| lm_eval | a run that writes texts, evaluated by lm-evaluation-harness over `/v1/chat/completions` |
| gguf | GGUF files of a trained lora, asked through xllamacpp in an environment of its own |
| runs | `tuneworthy runs` in a workspace of 10,000 runs |

FOLDER holds `tos_clause_type/train.csv` and `test.csv` (columns company, clause, clause_type): clauses of
github.com/nlp-unibo/Multilingual-Unfair-Clause-Detection (English, CC BY 4.0); lm_eval and runs need no set.
Runs, environments and logs lie in `.bench/delivery/` and are taken again.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import delivery_decision as decision
import delivery_gguf as gguf
import delivery_lm_eval as lm_eval
import delivery_load as load
import delivery_runs as runs
from common import closing_line
from tuneworthy.refitting import final_fit

QUICK_REQUESTS = 1000
Part = Callable[[argparse.Namespace], dict[str, Any]]


def calibration(options: argparse.Namespace) -> dict[str, Any]:
    """Of the probe, from out-of-fold scores."""
    run = load.made("probe", options.data)
    return decision.calibration(run, final_fit(run), "probe")


PARTS: dict[str, Part] = {
    "probe": lambda options: load.measured("probe", options.data, options.requests, options.threads),
    "lora": lambda options: load.measured("lora", options.data, options.requests, options.threads),
    "calibration": calibration,
    "decision": lambda options: decision.measured(options.data, options.quick),
    "lm_eval": lambda options: lm_eval.measured(options.quick),
    "gguf": lambda options: gguf.measured(
        options.data, options.quick, options.quantizer, options.run, options.rows
    ),
    "runs": lambda options: runs.measured(options.quick),
}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=0, help="of the served model; 0: all cores")
    parser.add_argument("--quantizer", type=Path, help="llama.cpp's llama-quantize: q4_k_m is measured too")
    parser.add_argument(
        "--run", type=Path, help="a run whose lora becomes the GGUF files, in place of new ones"
    )
    parser.add_argument("--rows", type=int, help="that GGUF files are asked")
    parser.add_argument("--quick", action="store_true", help="1,000 requests, fewer rows and steps")
    options = parser.parse_args()
    needless = {"lm_eval", "runs"} | ({"gguf"} if options.run else set())
    if options.data is None and set(options.only) - needless:
        parser.error("--data FOLDER is needed for this")
    options.data = options.data and options.data.resolve()
    if options.quick:
        options.requests = min(options.requests, QUICK_REQUESTS)
    figures: dict[str, Any] = {}
    for name in options.only:
        figures |= PARTS[name](options)
    print(closing_line(figures))


if __name__ == "__main__":
    main()
