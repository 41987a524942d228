"""The engine against its peers: training against TRL with PEFT, label scoring against lm-evaluation-harness.

    python bench/engine.py --data FOLDER [--only TABLE ...] [--repeats 3] [--threads N]
    python bench/engine.py --data FOLDER --peers defaults best flash unsloth --only ... qlora    (with a GPU)

FOLDER holds `banking77/` (PolyAI banking77, CC BY 4.0: columns text and category) and `imdb_label_errors/`
(IMDb reviews, column review). Peers run in an environment of their own, `.bench/trl`, made on first use.
On a machine with a GPU everything runs there; --peer-python names an environment that has the peers already.
Runs alternate, ours and theirs; figures are ratios of medians of the same session. Results are kept in
`.bench/engine/` as they come, so a bench that was stopped goes on; --again measures anew.
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import torch

from common import closing_line, figure
from peers.random_llama import SHAPES, write_random_llama
from tuneworthy.core.example import Example
from tuneworthy.core.hashing import address
from tuneworthy.models.decoder import load_decoder
from tuneworthy.models.hardware import cores
from tuneworthy.models.resolve import resolve
from tuneworthy.tasks import TASKS

HERE = Path(__file__).parent
PLACE = HERE.parent / ".bench"
PEER = PLACE / "trl" / "bin" / "python"
PEER_PACKAGES = ("trl==1.16.0", "peft==0.21.2", "transformers==5.23.0", "lm-eval==0.4.13", "datasets")
BATCH = 8
STOP = "<|im_end|>"
CARD_GB = 16
CURVE = 24  # steps of the loss curves
WARM = 1  # first steps that are not counted: kernels are generated once per process
Task = dict[str, Any]


class PeerError(RuntimeError):
    """A side did not finish; the message ends with its own."""


def prepare_peer(python: Path) -> None:
    """Makes the peers' environment when it is not there."""
    if python.exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(PLACE / "trl")], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "torch==2.13.0"], check=True)
    subprocess.run([*pip, *PEER_PACKAGES], check=True)


def measure(python: Path | str, script: str, task: Task, repeat: int, again: bool) -> dict[str, Any]:
    """One run in a process of its own; remembered by its task."""
    folder = PLACE / "engine"
    folder.mkdir(parents=True, exist_ok=True)
    machine = [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
    name = address([script, {**task, "model": Path(task["model"]).name}, repeat, *machine])
    kept = folder / f"{name}.json"
    if kept.exists() and not again:
        found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return found
    asked = folder / f"{name}.task"
    asked.write_text(json.dumps(task), encoding="utf-8")
    done = subprocess.run([str(python), str(HERE / script), str(asked)], capture_output=True, text=True)
    asked.unlink()
    if done.returncode:
        raise PeerError(f"{script} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    kept.write_text(json.dumps(result), encoding="utf-8")
    return result


def read(path: Path) -> list[dict[str, str]]:
    """A CSV's rows."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Texts:
    """Prompts and completions as every side gets them: the same strings, the chat template applied."""

    def __init__(self, data: Path) -> None:
        self.model = resolve("smollm2-135m")
        self.decoder = load_decoder(self.model, "float32")
        self.task = TASKS.get("text-classification")
        self.banking = [
            (row["text"], row["category"].replace("_", " ")) for row in read(data / "banking77" / "train.csv")
        ]
        self.labels = sorted({label for _, label in self.banking})
        self.reviews = [row["review"] for row in read(data / "imdb_label_errors" / "train.csv")]

    def prompt(self, instruction: str, text: str) -> str:
        """The rendered chat up to the answer."""
        return self.decoder.render(self.task.messages(instruction, text))

    def shared(self, rows: int) -> list[dict[str, str]]:
        """Short texts after an instruction of some 374 tokens that lists 77 labels."""
        instruction = self.task.instruction(self.labels)
        pairs = self.banking[:rows]
        return [
            {"prompt": self.prompt(instruction, text), "completion": label + STOP} for text, label in pairs
        ]

    def plain(self, rows: int) -> list[dict[str, str]]:
        """Reviews cut so that a row has 120 tokens, with an instruction of a few words."""
        made = []
        for number, review in enumerate(self.reviews):
            ids = self.decoder.encode(review)[:90]
            text = self.decoder.tokenizer.decode(ids)
            label = "positive" if number % 2 else "negative"
            row = {"prompt": self.prompt("Positive or negative?", text), "completion": label + STOP}
            if len(ids) == 90:
                made.append(row)
            if len(made) == rows:
                break
        return made


def against_trl(
    texts: Texts,
    rows: str,
    ours: str,
    peers: list[str],
    options: argparse.Namespace,
    batch: int = BATCH,
    extra: Task | None = None,
) -> Task:
    """Seconds per step, losses and peak memory of ours and of TRL at some settings, alternating.

    A peer that does not run (a kernel not installed, memory) is said and left out; ours has to.
    """
    steps = WARM + options.steps
    task = {
        "kind": "training",
        "model": str(texts.model),
        "rows": getattr(texts, rows)(steps * batch),
        "batch": batch,
        "accumulate": batch // BATCH,  # the peer's; ours cuts by tokens
        "steps": steps,
        "learning_rate": 3e-4,
        "threads": options.threads,
        **(extra or {}),
    }
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], **{name: [] for name in peers}}
    for repeat in range(options.repeats):
        mine = {**task, "settings": ours}
        runs["ours"].append(measure(sys.executable, "engine_ours.py", mine, repeat, options.again))
        for name in peers if repeat == 0 or options.all_peers else []:
            theirs = {**task, "settings": name, "kind": "trl"}
            script = "peers/unsloth_sft.py" if name == "unsloth" else "peers/trl_sft.py"
            try:
                runs[name].append(measure(options.peer_python, script, theirs, repeat, options.again))
            except PeerError as failure:
                print(f"TRL {name} did not run: {str(failure).strip().splitlines()[-1][:200]}")
    return {
        name: {
            "seconds": median(s for run in found for s in run["seconds"][WARM:]),
            "peak_gib": median(run["peak_gib"] for run in found),
            "losses": found[0]["losses"],
        }
        for name, found in runs.items()
        if found
    } | {"tokens": runs["ours"][0]["tokens_per_batch"], "products": runs["ours"][0]["products"]}


def training_table(title: str, found: Task, goals: dict[str, float | None], figures: Task) -> None:
    """Prints one comparison and notes its figures."""
    ours = found["ours"]
    print(f"\n{title}: {found['tokens']} tokens a batch")
    print(f"{'':28} {'s/step':>8} {'GiB':>6} {'ratio':>7}  losses")
    print(f"{'ours':28} {ours['seconds']:8.2f} {ours['peak_gib']:6.2f} {'':>7}  {shown(ours['losses'])}")
    figures[f"{title}: seconds per step"] = figure(ours["seconds"], "s")
    for name, peer in found.items():
        if name in ("ours", "tokens", "products"):
            continue
        goal = goals.get(name)
        ratio = peer["seconds"] / ours["seconds"]
        print(
            f"{'TRL ' + name:28} {peer['seconds']:8.2f} {peer['peak_gib']:6.2f} {ratio:6.1f}x  "
            f"{shown(peer['losses'])}"
        )
        figures[f"{title}: against TRL {name}"] = figure(ratio, "x", goal)
        figures[f"{title}: memory against TRL {name}"] = figure(
            ours["peak_gib"] / peer["peak_gib"], "x", 0.5, lower_is_better=True
        )
        figures[f"{title}: first loss, ours minus TRL {name}"] = figure(
            ours["losses"][0] - peer["losses"][0], "nats"
        )


def shown(losses: list[float]) -> str:
    """A few losses."""
    return " ".join(f"{loss:.4f}" for loss in losses[:6])


def scoring_table(texts: Texts, few_shot: bool, options: argparse.Namespace, figures: Task) -> None:
    """All labels' scores and the best label alone, against one request per option."""
    title = "scoring, 8 demonstrations, 3 labels" if few_shot else "scoring, 77 labels"
    count = options.texts
    labels = texts.labels[:3] if few_shot else texts.labels
    instruction = texts.task.instruction(labels)

    known = [Example(id=text, input=text, target=label) for text, label in texts.banking if label in labels]
    shown_rows = known[:8] if few_shot else []
    asked = [text for text, _ in texts.banking[100 : 100 + count]]
    prompts = [texts.decoder.render(texts.task.messages(instruction, text, shown_rows)) for text in asked]
    answers = [label + STOP for label in labels]
    base = {"model": str(texts.model), "options": answers, "threads": options.threads, "kind": "scoring"}
    few = options.peer_texts * (4 if few_shot else 1)
    found: dict[str, dict[str, Any]] = {}
    for name, extra in {
        "all scores": {"dtype": "float32", "search": False},
        "best label": {"dtype": "float32", "search": True},
        "all scores, bfloat16": {"dtype": "bfloat16", "search": False},
        "best label, bfloat16": {"dtype": "bfloat16", "search": True},
    }.items():
        task = {**base, "prompts": prompts, **extra}
        found[name] = measure(sys.executable, "engine_ours.py", task, 0, options.again)
    asked_of_peer = prompts[:few]
    peers = {
        batch: measure(
            options.peer_python,
            "peers/lm_eval_options.py",
            {**base, "prompts": asked_of_peer, "batch": batch},
            0,
            options.again,
        )
        for batch in options.peer_batches
    }
    batch, peer = min(peers.items(), key=lambda item: item[1]["seconds"])
    rate = few / peer["seconds"]
    print(f"\n{title}: {len(prompts)} texts, prompts of {len(texts.decoder.encode(prompts[0]))} tokens")
    print(f"{'lm-eval, batch ' + str(batch):28} {rate:8.4f} texts/s")
    goals = {"all scores": 8.0 if few_shot else 250.0, "best label": None if few_shot else 600.0}
    worst = max(
        abs(a - b)
        for mine, theirs in zip(found["all scores"]["scores"], peer["scores"], strict=False)
        for a, b in zip(mine, theirs, strict=True)
    )
    best = [max(range(len(row)), key=row.__getitem__) for row in peer["scores"]]
    agree = sum(a == b for a, b in zip(found["best label"]["best"], best, strict=False))
    print(f"largest difference of a score: {worst:.1e} nats; same best label on {agree} of {few}")
    figures[f"{title}: lm-eval"] = figure(rate, "texts/s", n=few)
    figures[f"{title}: largest score difference"] = figure(worst, "nats", n=few)
    figures[f"{title}: same labels as lm-eval"] = figure(agree / few, "share", 1.0, n=few)
    reference = found["all scores"]["best"]
    for name, run in found.items():
        speed = len(prompts) / run["seconds"]
        other = sum(a != b for a, b in zip(run["best"], reference, strict=True))
        print(f"{'ours, ' + name:28} {speed:8.2f} texts/s {speed / rate:7.0f}x  {other} labels differ")
        figures[f"{title}: {name}"] = figure(speed / rate, "x", goals.get(name), n=len(prompts))
        figures[f"{title}: {name}, labels that differ"] = figure(other, "texts", n=len(prompts))


def matrix_share(found: Task, options: argparse.Namespace, figures: Task) -> None:
    """What share of the machine's matrix rate the plain training step reaches, by the products it needs."""
    peak = measure(
        sys.executable,
        "engine_ours.py",
        {"kind": "matrix_peak", "dtype": "bfloat16", "threads": options.threads},
        0,
        options.again,
    )["gflops"]
    share = found["products"] / found["ours"]["seconds"] / peak
    print(
        f"\nmatrix peak {peak:.0f} GFLOP/s; plain rows need {found['products']:.0f} GFLOP a step: {share:.0%}"
    )
    figures["share of the matrix peak, plain rows"] = figure(share, "share", 0.55)


def curves(texts: Texts, options: argparse.Namespace, figures: Task) -> None:
    """Losses of ours and of TRL on the same plain rows, step by step, drawn beside each other."""
    from matplotlib.figure import Figure

    settings = argparse.Namespace(**{**vars(options), "steps": CURVE - WARM, "repeats": 1})
    found = against_trl(texts, "plain", "bfloat16", ["defaults", "best"], settings)
    page = Figure(figsize=(6, 3.4), layout="constrained")
    axes = page.subplots()
    for name, colour in (("ours", "#1f5fbf"), ("defaults", "#c2571a"), ("best", "#2e8b57")):
        title = name if name == "ours" else f"TRL {name}"
        axes.plot(range(1, CURVE + 1), found[name]["losses"], label=title, color=colour)
    axes.set(
        xlabel="step",
        ylabel="loss, nats a token",
        ylim=(0, None),
        title="Plain rows, batch 8, the same order",
    )
    axes.grid(color="#e5e5e5")
    axes.legend(frameon=False)
    images = HERE.parent / "docs" / "images"
    images.mkdir(exist_ok=True)
    page.savefig(images / "engine_loss.svg")
    for name in ("ours", "defaults", "best"):
        tail = found[name]["losses"][-CURVE // 2 :]
        print(f"{name:10} mean loss of the last {len(tail)} steps {sum(tail) / len(tail):.4f}")
        figures[f"plain rows: mean loss of the last {len(tail)} steps, {name}"] = figure(
            sum(tail) / len(tail), "nats"
        )


def four_bits(texts: Texts, options: argparse.Namespace, figures: Task) -> None:
    """A Llama-shaped base of random weights in four bits on a card of 16 GB: speed and peak memory."""
    folder = write_random_llama(
        PLACE / f"random_llama_{options.qlora_shape}",
        options.qlora_shape,
        texts.model,
        len(texts.decoder.tokenizer),
    )
    extra = {"model": str(folder), "four_bits": True, "cap_gb": CARD_GB}
    for rows in ("shared", "plain"):
        found = against_trl(texts, rows, "bfloat16", options.peers, options, extra=extra)
        title = f"QLoRA, {options.qlora_shape} Llama shape, {CARD_GB} GB, {rows} rows"
        training_table(title, found, {}, figures)
        rate = found["tokens"] / found["ours"]["seconds"]
        print(f"ours: {rate:.0f} tokens/s")
        figures[f"{title}: tokens per second"] = figure(rate, "tokens/s")
        figures[f"{title}: peak memory"] = figure(
            found["ours"]["peak_gib"], "GiB", CARD_GB * 1e9 / 2**30, lower_is_better=True
        )


TABLES = ("shared", "plain", "stock", "scoring", "few_shot", "shared32", "curves", "qlora")


def main() -> None:
    """Runs the tables asked for and prints the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=TABLES, default=TABLES[:-1])
    parser.add_argument(
        "--peers", nargs="+", default=["defaults", "best"], help="and flash, unsloth on a GPU"
    )
    parser.add_argument("--peer-python", type=Path, default=PEER, help="an environment with the peers")
    parser.add_argument("--qlora-shape", choices=list(SHAPES), default="7b")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--texts", type=int, default=128)
    parser.add_argument("--peer-texts", type=int, default=1)
    parser.add_argument("--peer-batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--all-peers", action="store_true", help="repeat the peers as often as ours")
    parser.add_argument("--again", action="store_true", help="measure anew what is kept in .bench")
    options = parser.parse_args()
    prepare_peer(options.peer_python)
    texts, figures = Texts(options.data), dict[str, Any]()
    if "shared" in options.only:
        found = against_trl(texts, "shared", "bfloat16", options.peers, options)
        training_table("shared instruction", found, {"defaults": 12.0, "best": 10.0}, figures)
    if "plain" in options.only:
        found = against_trl(texts, "plain", "bfloat16", options.peers, options)
        training_table("plain rows", found, {"defaults": 3.5, "best": 2.5}, figures)
        matrix_share(found, options, figures)
    if "stock" in options.only:
        found = against_trl(texts, "shared", "float32", ["float32"], options)
        training_table("shared instruction, fp32, stock modules", found, {"float32": 6.5}, figures)
    if "shared32" in options.only:
        few = argparse.Namespace(**{**vars(options), "steps": 1, "repeats": 1})
        found = against_trl(texts, "shared", "bfloat16", options.peers, few, batch=32)
        title = "shared instruction, batch 32"
        training_table(title, found, {"defaults": 25.0, "best": None}, figures)
    if "curves" in options.only:
        curves(texts, options, figures)
    if "scoring" in options.only:
        scoring_table(texts, False, options, figures)
    if "few_shot" in options.only:
        scoring_table(texts, True, options, figures)
    if "qlora" in options.only:
        four_bits(texts, options, figures)
    if torch.cuda.is_available():
        print(f"on {torch.cuda.get_device_name()}")
    print(closing_line(figures))


if __name__ == "__main__":
    main()
