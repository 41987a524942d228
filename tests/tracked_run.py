"""A tiny run to be told to trackers, whose rows and environment hold words that must not get out."""

from pathlib import Path
from typing import Any

import tuneworthy as tw
from toy import toy_rows, write_csv

SECRET = "canary-of-a-secret-7391"
SECRETS = {"OPENAI_API_KEY": SECRET, "HF_TOKEN": SECRET, "MY_PASSWORD": SECRET}
IN_A_ROW = "zebrafinch"
PERSON = "Lovelace"
PRIVATE = (SECRET, IN_A_ROW, PERSON)


def record_run(folder: Path, settings: dict[str, Any]) -> Path:
    """A finished run with a curve, in a workspace of its own."""
    rows = [
        {**row, "text": f"{row['text']} {IN_A_ROW}", "author": f"{PERSON} {i % 20}"}
        for i, row in enumerate(toy_rows())
    ]
    table = write_csv(folder / "toy.csv", rows)
    arms = ["majority", "tfidf", "few_shot", "lora"]
    run = tw.run(table, target="label", group="author", arms=arms, output=folder / "runs" / "toy", **settings)
    return run.path
