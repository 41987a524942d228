"""The `encoder` and `setfit` arms beside the libraries they stand for, with the same encoder and rows.

    python bench/libraries.py --data FOLDER [--only SET ...] [--arms encoder setfit] [--rows 300]

FOLDER holds the sets as `bench/tasks.py` describes them. The peers are transformers' Trainer and setfit's own
trainer and head, on all training rows, with as many updates and the learning rate that our arm took; ours
holds validation rows back, as the main job does, and refits nothing. `--seeds` fits of both are averaged.
`--final` asks what is lost to the rows held back and to 16-bit products: each seed's fit is repeated on all
rows, as a run's final model is, in this machine's number format and in float32.
A bench that is stopped goes on; results go to bench/results/libraries/, scores and no text.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from common import closing_line, figure, kept, parser_of
from one_arm import Measured, drawn_job, one_arm, paired
from tuneworthy import steps
from tuneworthy.core.example import Example
from tuneworthy.core.job import Job
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import Unit
from tuneworthy.data.loading import load
from tuneworthy.data.splits import Split
from tuneworthy.evaluation.assemble import ArmOutput
from tuneworthy.models.resolve import resolve
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import read_unit_file
from tuneworthy.units.collect import arm_outputs, unit_metrics
from tuneworthy.units.executors.local import LocalExecutor
from tuneworthy.units.plan import NOTHING, refit_unit

PLACE = Path(__file__).parent.parent / ".bench" / "libraries"
RESULTS = Path(__file__).parent / "results" / "libraries"
Row = dict[str, Any]
Labels = list[str]
Peer = Callable[[Sequence[Example], Sequence[str], Labels, Row, int], Labels]


def by_trainer(
    train: Sequence[Example], texts: Sequence[str], labels: Labels, facts: Row, seed: int
) -> Labels:
    """transformers' Trainer with its own schedule: linear decay, no warm-up, no weight decay."""
    import torch
    from torch.utils.data import Dataset
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    folder = resolve("minilm")
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=len(labels), local_files_only=True, dtype=torch.float32
    )

    class Texts(Dataset[Row]):
        """Tokens, with labels where there are any."""

        def __init__(self, texts: Sequence[str], wanted: Sequence[str] = ()) -> None:
            self.rows = [dict(tokenizer(text, truncation=True, max_length=512)) for text in texts]
            for row, label in zip(self.rows, wanted, strict=False):
                row["labels"] = labels.index(label)

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, index: int) -> Row:
            return self.rows[index]

    with tempfile.TemporaryDirectory() as scratch:
        options = TrainingArguments(
            output_dir=scratch,
            max_steps=facts["planned_steps"],
            learning_rate=facts["learning_rate"],
            per_device_train_batch_size=facts["batch"],
            per_device_eval_batch_size=32,
            seed=seed,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        wanted = [str(row.target) for row in train]
        trainer = Trainer(
            model=model,
            args=options,
            train_dataset=Texts([row.input for row in train], wanted),
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        trainer.train()
        logits = trainer.predict(Texts(texts)).predictions
    return [labels[int(place)] for place in logits.argmax(-1)]


def by_setfit(
    train: Sequence[Example], texts: Sequence[str], labels: Labels, facts: Row, seed: int
) -> Labels:
    """setfit's Trainer and head."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    model = SetFitModel.from_pretrained(str(resolve("minilm")), local_files_only=True, labels=labels)
    rows = Dataset.from_dict(
        {"text": [row.input for row in train], "label": [labels.index(str(row.target)) for row in train]}
    )
    with tempfile.TemporaryDirectory() as scratch:
        options = TrainingArguments(
            output_dir=scratch,
            batch_size=16,
            num_epochs=1,
            num_iterations=facts["pairs_per_row"],
            max_steps=facts["updates"],
            seed=seed,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            show_progress_bar=False,
        )
        trainer = Trainer(model=model, args=options, train_dataset=rows)
        trainer.train()
    return [str(label) for label in model.predict(list(texts))]


PEERS: dict[str, Peer] = {"encoder": by_trainer, "setfit": by_setfit}


def peer_of(ours: Measured, job: Job, seeds: int, place: Path) -> Measured:
    """The library's answers on the same rows, one file per seed."""
    train = load(job).trainable()
    facts = facts_of(ours)
    answers = []
    for seed in range(seeds):
        file = place / f"{ours.arm}-peer-{seed}.json"
        if not file.exists():
            labels = list(ours.question.labels)
            given = PEERS[ours.arm](train, [row.input for row in ours.rows], labels, facts, seed)
            file.write_text(json.dumps(given), encoding="utf-8")
        given = json.loads(file.read_text(encoding="utf-8"))
        answers.append(
            [
                Prediction(example_id=row.id, value=value, raw=value)
                for row, value in zip(ours.rows, given, strict=True)
            ]
        )
    output = ArmOutput("peer", "tuned", answers[0], (), tuple(answers[1:]))
    return Measured("peer", output, ours.rows, ours.question, ours.folder, 0.0)


def facts_of(ours: Measured) -> Row:
    """What our first fit says of itself."""
    facts: Row = unit_metrics(fits_of(ours)[0], ours.folder)["facts"]
    return facts


def fits_of(ours: Measured) -> list[Unit]:
    """The arm's fits with rows held back, by seed."""
    units = [read_unit_file(folder) for folder in (ours.folder / "units").glob("[!.]*")]
    return sorted((unit for unit in units if unit.validation != NOTHING), key=lambda unit: unit.seed)


def final_fits(ours: Measured, job: Job, dtype: str) -> Measured:
    """The arm's fits again on all rows, with as many updates as validation chose, asked the test rows."""
    stored = RunFolder(ours.folder).read("split.json")
    split = Split.model_validate({name: stored[name] for name in Split.model_fields})
    models, _ = steps.bring_models(job.model_copy(update={"arms": (ours.arm,)}), print)
    _, threads = steps.hardware()
    units = []
    for unit in fits_of(ours):
        facts = [unit_metrics(unit, ours.folder)["facts"]]
        whole = refit_unit([unit], facts, split, threads)
        change = {"predict": unit.predict, "dtype": dtype, "seed": unit.seed, "purpose": "evaluate"}
        units.append(whole.model_copy(update=change))
    with RunFolder(ours.folder) as run:
        LocalExecutor(threads).run(units, run, models)
        [found] = arm_outputs(units, run.path)
    return replace(ours, output=found)


def measure(name: str, arm: str, options: argparse.Namespace) -> Row:
    """One arm on one set beside its library."""
    place = PLACE / f"{name}-{options.rows}-{options.test_rows}"
    os.environ["TUNEWORTHY_WORKSPACE"] = str(place)
    job, rows = drawn_job(name, options.data, place, options.rows, options.test_rows, options.seed)
    job = job.model_copy(update={"seeds": options.seeds})
    ours = one_arm(job, arm, place / arm)
    peer = peer_of(ours, job, options.seeds, place)
    reported = ("difference", "low", "high", "p_two_sided", "n")

    def gain_of(fits: Measured) -> Row:
        gain = paired(fits, peer, (arm, "library"))
        return {key: getattr(gain, key) for key in reported}

    formats = dict.fromkeys((fits_of(ours)[0].dtype, "float32")) if options.final else ()
    return {
        "set": name,
        "arm": arm,
        "rows": rows,
        "seeds": options.seeds,
        "ours": ours.score,
        "library": peer.score,
        "gain": gain_of(ours),
        "final": {dtype: gain_of(final_fits(ours, job, dtype)) for dtype in formats},
    }


def points(gain: Row) -> str:
    """A difference in points with its interval."""
    low, high = (None if gain[end] is None else round(100 * gain[end], 1) for end in ("low", "high"))
    return f"{100 * gain['difference']:+.1f} ({low} to {high})"


def main() -> None:
    """Measures what is asked for and prints a line for each and the figures."""
    parser = parser_of(__doc__, ("trec", "tos_clause_type"))
    parser.add_argument("--arms", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--final", action="store_true", help="also fits on all rows, as final models are")
    options = parser.parse_args()
    figures = {}
    for name in options.only:
        for arm in options.arms:
            file = RESULTS / f"{arm}-{name}.json"
            one = kept(file, options.again, partial(measure, name, arm, options))
            gain = one["gain"]
            print(f"{name} {arm}: minus its library {points(gain)}", flush=True)
            for dtype, final in one.get("final", {}).items():
                print(f"  on all rows, {dtype}: {points(final)}", flush=True)
            key = f"{name}: {arm} minus its library"
            figures[key] = figure(100 * gain["difference"], "points", -2.0, n=gain["n"])
    print(closing_line(figures))


if __name__ == "__main__":
    main()
