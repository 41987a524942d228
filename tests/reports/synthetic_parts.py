"""What made-up runs are made of: labels, sentences, wordings, and what units and checks report."""

import math
import random
from collections.abc import Sequence
from typing import Any

LABELS = (
    "termination",
    "governing law",
    "confidentiality",
    "indemnification",
    "assignment",
    "payment terms",
    "warranty",
    "limitation of liability",
    "force majeure",
    "notices",
)
INJECTIONS = (
    "<script>alert('x')</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}{% raise %}",
    "</style></script><b>bold",
)
# method: kind, chance of being right, seconds of training, seconds per row
ARMS: dict[str, tuple[str, float, float, float]] = {
    "majority": ("baseline", 0.0, 0.001, 0.000002),
    "tfidf": ("classifier", 0.78, 2.4, 0.0004),
    "probe": ("classifier", 0.82, 6.1, 0.0051),
    "zero_shot": ("prompt", 0.11, 0.0, 0.142),
    "few_shot": ("prompt", 0.56, 0.0, 0.381),
    "knn_shot": ("prompt", 0.81, 5.2, 0.402),
    "lora": ("tuned", 0.90, 812.0, 0.146),
}
SENTENCES = (
    "Either party may end this Agreement on thirty days' written notice to the other.",
    "This Agreement is governed by the laws of the State of Delaware, without regard to conflicts of law.",
    "The Receiving Party shall hold the information in strict confidence and use it for the Purpose only.",
    "The Supplier shall defend and hold harmless the Customer against third-party claims.",
    "Neither party may transfer its rights without the prior consent of the other, not to be withheld.",
    "Invoices are due within forty-five days of receipt; late sums bear interest at one percent a month.",
)


TUNED_WORDS = {
    "decision": "fine_tune",
    "headline": "Fine-tune: the LoRA model answers {ours:.1%} of unseen clauses rightly, "
    "the best arm without training {best:.1%}.",
    "paragraph": "On the same held-out rows the fine-tuned model beats every untrained arm, by more than you "
    "said would be worth having. It costs about as much to serve as a zero-shot prompt and far less than "
    "prompting with similar examples.",
    "next_action": "Serve it with `tuneworthy serve runs/demo --method lora`, and keep the probe at hand.",
    "rule": "gain_above_smallest_gain",
}
TUNED_REASONS = [
    "The lower end of the interval of the gain lies above the smallest gain worth having.",
    "The gain holds after correcting for the arms it was compared with.",
    "Training took 13 min 32 s on this machine and needs no GPU.",
]
UNTUNED_REASONS = ["`probe` reaches the target of 75.0% at the smallest cost."]
UNTUNED_WORDS = {
    "decision": "classifier",
    "headline": "A cheap classifier is enough: it answers {ours:.1%} rightly and you asked for 75.0%.",
    "paragraph": "An arm without training already meets your target score, so nothing was trained. The probe "
    "predicts a thousand rows in seconds on a plain processor.",
    "next_action": "Serve it with `tuneworthy serve runs/demo --method probe`.",
    "rule": "target_met_untuned",
}
BLOCKED_WORDS = {
    "decision": "fix_data",
    "headline": "Fix the data first: 3 texts carry two labels.",
    "paragraph": "Nothing was run. A model cannot learn both labels of one text, and a score on such rows "
    "means little.",
    "next_action": "Decide on one label for each text, or accept the finding with `--accept TW004`.",
    "rule": "blocking_finding",
}
ENVIRONMENT = {
    "python": "3.11.9",
    "versions": {"torch": "2.9.1", "transformers": "5.23.0", "tuneworthy": "0.1.0"},
    "machine": "x86_64, 2 cores",
    "cores": 2,
    "memory_gib": 23.4,
    "precision": "float32",
}
JOB = """\
data:
  path: '{source}'
  input: [clause, heading]
  target: type
task: text-classification
metric: accuracy
arms: [majority, tfidf, probe, zero_shot, few_shot, knn_shot, lora]
base_model: smollm2-135m
protocol: holdout
test_fraction: 0.25
seed: 0
verdict:
  smallest_gain_worth_having: 0.02
  alpha: 0.05
"""


def facts(labels: Sequence[str], method: str, fold: int) -> dict[str, Any]:
    """What a unit chose and saw."""
    if method != "lora":
        return {
            "majority": {"answer": labels[0]},
            "tfidf": {"C": (10, 1, 10, 10, 3)[fold], "class_weight": "balanced", "inner_score": 0.781},
            "probe": {"C": 3.1623, "inner_score": 0.8244, "dimensions": 384},
            "zero_shot": {
                "calibration": "content_free",
                "train_scores": {
                    "content_free": 0.1333,
                    "none": 0.1048,
                    "prior_matched": 0.1238,
                    "batch": 0.1190,
                    "domain_context": 0.1143,
                    "label_smoothed": 0.12,
                },
            },
            "few_shot": {"demonstrations": 8, "order_seed": 3, "truncated": False},
            "knn_shot": {"k": 6, "candidates": [2, 4, 6, 8]},
        }[method]
    noise = random.Random(fold)
    train = [
        {
            "step": step,
            "loss": 2.1 * math.exp(-step / 45) + 0.08 + 0.09 * noise.random(),
            "learning_rate": 1e-3 * (1 - step / 240),
            "gradient_norm": 1.0,
            "tokens_per_s": 410.0,
        }
        for step in range(2, 241, 4)
    ]
    validation = [
        {
            "step": step,
            "score": 0.9 - 0.8 * math.exp(-step / 38) + 0.03 * noise.random() - step / 9000,
            "log_loss": 0.5,
        }
        for step in range(0, 241, 20)
    ]
    kept = max(validation, key=lambda point: point["score"])["step"]
    return {
        "steps": 240,
        "batch": 8,
        "epochs": 7.2,
        "learning_rate": 0.001,
        "rank": 8,
        "tokens_per_step": 1180,
        "trained_tokens": 283200,
        "train": train,
        "validation": validation,
        "metric": "accuracy",
        "kept_step": kept,
        "kept_because": f"step {kept} scored best on 45 validation rows, by more than two standard errors",
    }


def findings(odd: str) -> list[dict[str, Any]]:
    """One of each outcome."""
    return [
        {
            "code": "TW001",
            "check": "duplicates",
            "title": "Duplicated rows",
            "outcome": "passed",
            "message": "No two rows have the same text.",
            "advice": "",
            "blocking": False,
            "rows": [],
        },
        {
            "code": "TW004",
            "check": "conflicts",
            "title": "Same text, different labels",
            "outcome": "issue",
            "message": f"3 texts carry two labels, for example '{odd}'.",
            "advice": "Decide which label is right; a model cannot learn both.",
            "blocking": True,
            "rows": [12, 88, 131, 207, 300, 301],
        },
        {
            "code": "TW007",
            "check": "rare_labels",
            "title": "Rare labels",
            "outcome": "tip",
            "message": "'notices' has 9 rows, too few to measure it on its own.",
            "advice": "Label about 20 more of it.",
            "blocking": False,
            "rows": list(range(1, 60, 2)),
        },
        {
            "code": "TW009",
            "check": "groups",
            "title": "Groups across parts",
            "outcome": "not_applicable",
            "message": "No group column is named.",
            "advice": "",
            "blocking": False,
            "rows": [],
        },
    ]
