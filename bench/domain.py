"""Does the ranking of base models see what a domain's text has taught one?

    python bench/domain.py --data FOLDER [--only SET ...] [--rows 300] [--test-rows 200] [--quick]

all-MiniLM reads on in texts of three domains: abstracts, tweets, and terms of service with contracts. FOLDER
holds the sets as `bench/tasks.py` describes them; of each the training part alone is read, without what is
like a test row of any. The four encoders are then fine-tuned on 300 rows of a task of each domain and scored
on the same test rows, and ranked on those 300 rows. The ranking is right where it puts that one of two first
which fine-tuning says is better, if the paired interval tells the two apart; it is asked of no other pair.

On one Zen 4 core about 13 minutes of reading, 45 of fine-tuning (pubmedqa has 35 of them) and 35 of ranking;
--quick takes the two sets of short texts, 100 rows and 60 updates of reading. A bench that was stopped goes
on. Figures go to bench/results/domain/, one file a set: scores, orders and differences, no text.
"""

import argparse
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import tuneworthy as tw
from common import closing_line, figure, kept, parser_of
from one_arm import drawn_job, one_arm, paired, ranked
from tasks import SETS, read
from tuneworthy.models.resolve import resolve
from tuneworthy.unlabelled import alike

PLACE = Path(__file__).parent.parent / ".bench" / "domain"
RESULTS = Path(__file__).parent / "results" / "domain"
OURS = ("pubmedqa", "tweet_sentiment", "tos_clause_type")
Row = dict[str, Any]
TEXTS: dict[str, dict[str, Callable[[Row], str]]] = {
    "biomedical": {"pubmedqa": lambda row: row["context"]},
    "tweets": {"tweet_sentiment": lambda row: row["tweet"]},
    "legal": {"tos_clause_type": lambda row: row["clause"], "cuad_contract_type": lambda row: row["text"]},
}


def documents(data: Path, domain: str) -> list[str]:
    """The domain's texts, line by line, without what is like a test row of a task."""
    lines = {
        line.strip(): None
        for name, text in TEXTS[domain].items()
        for row in read(data / name, "train")
        for line in text(row).splitlines()
        if line.strip()
    }
    tested = [
        "\n".join(str(row[column]) for column in SETS[name].input)
        for name in OURS
        for row in read(data / name, "test")
    ]
    texts = list(lines)
    leaking = alike(texts, tested)
    return [text for number, text in enumerate(texts) if number not in leaking]


def models(options: argparse.Namespace) -> tuple[dict[str, Path], dict[str, Row]]:
    """The encoders by name, and how reading went; made once for so many updates."""
    found, told = {"minilm": resolve("minilm")}, dict[str, Row]()
    for domain in TEXTS:
        place = PLACE / f"minilm-{domain}-{options.steps}-{options.seed}"
        facts = place / "facts.json"
        if not facts.exists():
            place.mkdir(parents=True, exist_ok=True)
            file = place / "text.jsonl"
            lines = (json.dumps({"text": text}) for text in documents(options.data, domain))
            file.write_text("\n".join(lines), encoding="utf-8")
            read_it = tw.adapt(file, place / f"minilm-{domain}", seed=options.seed, max_steps=options.steps)
            facts.write_text(json.dumps(read_it), encoding="utf-8")
        told[domain] = json.loads(facts.read_text(encoding="utf-8"))
        if told[domain]["kept"]:
            found[f"minilm-{domain}"] = place / f"minilm-{domain}"
        print(f"{domain}: {told[domain]['told']}", flush=True)
    return found, told


def measure(name: str, options: argparse.Namespace) -> Row:
    """One task: every encoder fine-tuned, then ranked, and each pair compared."""
    folders, told = models(options)
    place = PLACE / f"{name}-{options.rows}-{options.test_rows}-{options.steps}-{options.seed}"
    os.environ["TUNEWORTHY_WORKSPACE"] = str(place)
    job, rows = drawn_job(name, options.data, place, options.rows, options.test_rows, options.seed)
    tuned = {
        key: one_arm(job.model_copy(update={"embedding_model": str(folder)}), "encoder", place / key)
        for key, folder in folders.items()
    }
    ranking = ranked(job, folders.values())
    order = [Path(model.name).name for model in ranking.models]
    pairs = []
    for first, second in combinations(order, 2):
        found = paired(tuned[first], tuned[second], (first, second))
        kept = found.model_dump(include={"method", "against", "difference", "low", "high", "p_two_sided"})
        apart = found.low is not None and found.high is not None and not found.low <= 0 <= found.high
        pairs.append({**kept, "apart": apart, "agrees": found.difference > 0 if apart else None})
    return {
        "set": name,
        "rows": rows,
        "read": {key: {k: v for k, v in one.items() if k != "told"} for key, one in told.items()},
        "fine_tuned": {key: one.score for key, one in tuned.items()},
        "ranking": [
            {"name": key, "probe": model.score.value, "logme": model.evidence, "bits": model.bits_per_byte}
            for key, model in zip(order, ranking.models, strict=True)
        ],
        "pairs": pairs,
    }


def main() -> None:
    """Measures the sets asked for and prints a line for each and the figure."""
    parser = parser_of(__doc__, OURS, test_rows=200)
    parser.add_argument("--steps", type=int, default=300, help="updates of reading")
    parser.add_argument(
        "--quick", action="store_true", help="the sets of short texts, fewer rows and updates"
    )
    options = parser.parse_args()
    if options.quick:
        options.only, options.rows, options.steps = list(OURS[1:]), 100, 60
    os.environ["TUNEWORTHY_WORKSPACE"] = str(PLACE)
    results = PLACE / "quick" if options.quick else RESULTS
    pairs: list[Row] = []
    for name in options.only:
        one = kept(results / f"{name}.json", options.again, partial(measure, name, options))
        pairs += one["pairs"]
        print(f"{name}: {_line(one)}", flush=True)
    apart = [pair for pair in pairs if pair["apart"]]
    agreed = sum(pair["agrees"] for pair in apart)
    share = agreed / len(apart) if apart else 1.0
    print(
        closing_line(
            {
                "pairs told apart by fine-tuning that the ranking has right": figure(
                    share, "share", 1.0, n=len(apart)
                )
            }
        )
    )


def _line(one: Row) -> str:
    """The encoders in the order of the ranking, with what fine-tuning them gave."""
    names: Sequence[str] = [each["name"] for each in one["ranking"]]
    scores = (f"{name} {100 * one['fine_tuned'][name]['value']:.1f}" for name in names)
    return ", ".join(scores)


if __name__ == "__main__":
    main()
