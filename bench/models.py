"""The ranking of base models against what fine-tuning them gives, on candidates whose order is known.

    python bench/models.py --data FOLDER [--only SET ...] [--rows 300] [--test-rows 200] [--quick]

Six candidates are made on this machine from the two embedded models: each whole, and two copies damaged on
purpose. FOLDER holds the sets as `bench/tasks.py` describes them. Each candidate is fine-tuned through the
main job's units (`lora` for decoders, `encoder` for encoders) on the same training rows and scored on the
same test rows; the ranking reads the training rows alone. A decoder of 135 million parameters takes about
four minutes of one Zen 4 core on short rows. Everything is kept: a bench that is stopped goes on
where it was. Figures go to bench/results/models/, one file a set: scores and orders, no text.
"""

import argparse
import json
import os
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau

from common import closing_line, figure, kept, parser_of
from one_arm import drawn_job, one_arm, ranked
from tuneworthy.core.job import Job
from tuneworthy.models.resolve import resolve

PLACE = Path(__file__).parent.parent / ".bench" / "models"
RESULTS = Path(__file__).parent / "results" / "models"
OURS = ("trec", "tos_clause_type", "tweet_sentiment", "tos_unfair_binary")
Row = dict[str, Any]


def candidates() -> dict[str, Path]:
    """The six folders by name; made once, from seed 0."""
    found = {}
    for name, (source, damage) in CANDIDATES.items():
        target = PLACE / "candidates" / name
        if not (target / "config.json").exists():
            make_candidate(resolve(source), target, damage)
        found[name] = target
    return found


def make_candidate(source: Path, target: Path, damage: Any) -> None:
    """A copy of a model folder with its weights changed by `damage`."""
    from transformers import AutoModel, AutoTokenizer
    from transformers.models.auto.modeling_auto import AutoModelForCausalLM

    decoder = "CausalLM" in (source / "config.json").read_text(encoding="utf-8")
    kind = AutoModelForCausalLM if decoder else AutoModel
    model = kind.from_pretrained(source, local_files_only=True, use_safetensors=True)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        damage(model)
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    AutoTokenizer.from_pretrained(source, local_files_only=True).save_pretrained(partial)
    for extra in ("1_Pooling", "sentence_bert_config.json"):
        if (source / extra).is_dir():
            shutil.copytree(source / extra, partial / extra)
        elif (source / extra).exists():
            shutil.copy2(source / extra, partial / extra)
    partial.rename(target)


def keep_layers(model: Any, count: int) -> None:
    """The first `count` blocks of a decoder."""
    model.model.layers = model.model.layers[:count]
    model.config.num_hidden_layers = count


def add_noise(model: Any, share: float) -> None:
    """Gaussian noise on every matrix of the blocks, `share` of the matrix's own standard deviation."""
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and "embed" not in name:
            weight.add_(share * weight.std() * torch.randn_like(weight))


def shuffle_embeddings(model: Any) -> None:
    """The word vectors dealt out to other words."""
    words = model.get_input_embeddings().weight
    words.copy_(words[torch.randperm(len(words))])


def fine_tuned(job: Job, folder: Path, output: Path) -> Row:
    """The candidate's score on the test rows after fine-tuning, by the main job's own units and defaults."""
    decoder = "CausalLM" in (folder / "config.json").read_text(encoding="utf-8")
    arm, model = ("lora", "base_model") if decoder else ("encoder", "embedding_model")
    found = one_arm(job.model_copy(update={model: str(folder)}), arm, output)
    return {"arm": arm, **found.score, "seconds": round(60 * found.minutes, 1)}


CANDIDATES: dict[str, tuple[str, Any]] = {
    "smollm2": ("smollm2-135m", lambda model: None),
    "smollm2-half": ("smollm2-135m", lambda model: keep_layers(model, 15)),
    "smollm2-noise": ("smollm2-135m", lambda model: add_noise(model, 1.0)),
    "minilm": ("minilm", lambda model: None),
    "minilm-noise": ("minilm", lambda model: add_noise(model, 0.5)),
    "minilm-shuffled": ("minilm", shuffle_embeddings),
}


def measure(name: str, options: argparse.Namespace) -> Row:
    """One set: every candidate fine-tuned, then ranked; what is kept of it."""
    place = PLACE / f"{name}-{options.rows}-{options.test_rows}-{options.seed}"
    os.environ["TUNEWORTHY_WORKSPACE"] = str(place)
    job, rows = drawn_job(name, options.data, place, options.rows, options.test_rows, options.seed)
    folders = {key: folder for key, folder in candidates().items() if key in options.candidates}
    known = (PLACE / "quick" if options.quick else RESULTS) / f"{name}.json"
    if options.rank_again and known.exists():
        tuned = json.loads(known.read_text(encoding="utf-8"))["fine_tuned"]
    else:
        tuned = {key: fine_tuned(job, folder, place / key) for key, folder in folders.items()}
    started = time.perf_counter()
    ranking = ranked(job, folders.values())
    order = [Path(model.name).name for model in ranking.models]
    values = [tuned[key]["value"] for key in order]
    return {
        "set": name,
        "rows": rows,
        "fine_tuned": tuned,
        "ranking": [
            {
                "name": name,
                "probe": {key: getattr(model.score, key) for key in ("value", "low", "high", "n")},
                "logme": round(model.evidence, 4),
                "layer": model.layer,
                "bits_per_byte": model.bits_per_byte,
                "zero_shot": model.zero_shot and model.zero_shot.value,
            }
            for name, model in zip(order, ranking.models, strict=True)
        ],
        "place_of_best": 1 + values.index(max(values)),
        "kendall_tau": float(kendalltau([-place for place in range(len(order))], values).statistic),
        "ranking_s": round(time.perf_counter() - started, 1),
    }


def main() -> None:
    """Measures the sets asked for and prints a line for each and the figures."""
    parser = parser_of(__doc__, OURS, test_rows=200)
    parser.add_argument("--candidates", nargs="+", default=list(CANDIDATES))
    parser.add_argument(
        "--rank-again", action="store_true", help="rank anew, against the fine-tunes there are"
    )
    parser.add_argument("--quick", action="store_true", help="two sets, 150 rows, the encoders alone")
    options = parser.parse_args()
    if options.quick:
        options.only, options.rows = ["trec", "tweet_sentiment"], 150
        options.candidates = [name for name in CANDIDATES if name.startswith("minilm")]
    results = PLACE / "quick" if options.quick else RESULTS
    found = []
    for name in options.only:
        again = options.again or options.rank_again
        one = kept(results / f"{name}.json", again, partial(measure, name, options))
        found.append(one)
        scores = ", ".join(
            f"{each['name']} {100 * one['fine_tuned'][each['name']]['value']:.1f}" for each in one["ranking"]
        )
        print(
            f"{name}: tau {one['kendall_tau']:.2f}, best is in place {one['place_of_best']}: {scores}",
            flush=True,
        )
    worst = max(one["place_of_best"] for one in found)
    taus = [one["kendall_tau"] for one in found]
    print(
        closing_line(
            {
                "worst place of the fine-tuned best": figure(worst, "place", 2, True, len(found)),
                "Kendall tau, mean over sets": figure(float(np.mean(taus)), "tau", 0.7, n=len(found)),
                "Kendall tau, lowest": figure(min(taus), "tau", n=len(found)),
            }
        )
    )


if __name__ == "__main__":
    main()
