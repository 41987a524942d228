"""Secrets and personal data: ten pieces in a table, tokens in the environment, and where they turn up."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import tuneworthy as tw
from chat_server import ChatServer
from toy import toy_rows, write_csv
from tuneworthy.cli.main import app
from tuneworthy.core.parity import Difference, Parity
from tuneworthy.core.telemetry import OFF
from tuneworthy.exporters import EXPORTERS, Subject
from tuneworthy.exporting import _label
from tuneworthy.refitting import final_fit

SECRETS = {
    "HF_TOKEN": "hf_canaryHuggingFaceToken0123456789",
    "OPENAI_API_KEY": "sk-canaryOpenAiKey0123456789abcdef",
    "TUNEWORTHY_API_KEY": "tw-canaryEndpointKey0123456789",
    "TUNEWORTHY_SERVE_KEY": "tw-canaryServeKey0123456789",
    "WANDB_API_KEY": "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00",
    "AWS_SECRET_ACCESS_KEY": "wJalrCanaryKEY/K7MDENG/bPxRfiCYEXAMPLE",
}
PERSONAL = (
    "Zdenka Quisenberry",
    "zdenka.q@private.example",
    "+44 7700 900142",
    "GB33BUKB20201555555555",
    "4929420242204208",
    "536-22-8741",
    "12 Umbrella Close, Swaffham",
    "1971-04-23",
    "P-4410-22817",
    "AB 12 34 56 C",
)
# Files of a run folder that are the data, or quote it; docs/security.md names them.
MAY_QUOTE = re.compile(
    r"rows\.jsonl|report\.html|details\.json|findings\.json|units/[^/]+/(predictions\.jsonl|model/.*)"
    r"|exports/sklearn/classifier\.skops|exports/[^/]+\.failed\.json"
)
ARMS = "[majority, tfidf, zero_shot]"


def private_rows() -> list[dict[str, str]]:
    """Toy rows; every piece is in three of them."""
    rows = [{"text": row["text"], "topic": row["label"]} for row in toy_rows(60)]
    for number, row in enumerate(rows[:30]):
        row["text"] += f" {PERSONAL[number % len(PERSONAL)]}"
    return rows


def said_by(*arguments: str) -> str:
    """All that a verb prints, its error with it."""
    done = CliRunner().invoke(app, list(arguments))
    return f"{done.output}\n{done.exception or ''}"


def quoted(text: str) -> list[str]:
    """The pieces in a text, spelt as they are or as JSON and HTML spell them."""
    flat = text.replace("&#43;", "+").replace("\\u002b", "+")
    return [piece for piece in (*PERSONAL, *SECRETS.values()) if piece in flat]


def files_with(pieces: Any, folder: Path) -> dict[str, list[str]]:
    """Which files hold which pieces, byte for byte."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            held = [piece for piece in pieces if piece.encode() in path.read_bytes()]
            if held:
                found[path.relative_to(folder).as_posix()] = held
    return found


@pytest.fixture(scope="module")
def flows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the main verbs print over a private table, beside an endpoint that quotes rows in its errors."""
    home = tmp_path_factory.mktemp("private")
    write_csv(home / "table.csv", private_rows())
    with pytest.MonkeyPatch.context() as patch, ChatServer(lambda messages: "refund") as server:
        patch.chdir(home)
        patch.delenv("TUNEWORTHY_WORKSPACE", raising=False)
        patch.setenv("TUNEWORTHY_CACHE", str(home / "cache"))
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        quick = [
            "--set",
            "protocol=holdout",
            "--set",
            "resamples=200",
            "--set",
            "workers=1",
            "--set",
            "curve.arms=[]",
        ]
        run = str(home / "runs" / "one")
        said = {"home": str(home)}
        said["check"] = said_by("check", "table.csv", "--html", "page.html")
        said["redacted check"] = said_by("check", "table.csv", "--html", "shared.html", "--redact")
        said["run"] = said_by(
            "run",
            "table.csv",
            "--output",
            run,
            *quick,
            "--set",
            f"arms={ARMS}",
            "--set",
            "tracking=[tensorboard]",
            "--set",
            f"prompt_model={server.name}",
            "--set",
            "train_anyway=true",
        )
        said["report"] = said_by("report", run, "--redact")
        said["export"] = said_by("export", run, "--to", "sklearn", "--arm", "tfidf")
        said["verify"] = said_by("verify", f"{run}/exports/sklearn", run)
        said["runs"] = said_by("runs")
        said["predict"] = said_by("predict", run, "table.csv", "--output", "out.csv", "--send-rows")
        said["launch"] = said_by(
            "launch", "table.csv", "--on", "colab", "--dry-run", "--max-cost", "1", "--time-limit", "1h"
        )
        server.fault = lambda number, asked: (400, f"cannot read {asked['messages'][-1]['content']}")
        said["failing"] = said_by(
            "run",
            "table.csv",
            "--output",
            f"{run}-failing",
            *quick,
            "--set",
            "arms=[majority, zero_shot]",
            "--set",
            f"prompt_model={server.name}",
            "--set",
            "base_model=nowhere/at-all",
        )
        said["url"] = said_by(
            "run", "table.csv", "--set", "prompt_model=openai:m@https://me:hunter2@far.example/v1"
        )
    return said


def test_no_verb_prints_a_secret_or_what_a_row_says(flows: dict[str, str]) -> None:
    assert {verb: quoted(said) for verb, said in flows.items()} == {verb: [] for verb in flows}
    assert "hunter2" not in flows["url"]
    for verb in ("check", "run", "report", "export", "verify", "predict", "launch"):
        assert flows[verb].endswith("\n"), flows[verb]  # no error stands at its end
    assert "gate passed" in flows["export"], flows["export"]


def test_no_file_holds_a_secret_and_only_those_that_may_quote_a_row(flows: dict[str, str]) -> None:
    home = Path(flows["home"])
    assert (home / "runs/one/report-redacted.html").exists() and (
        home / "runs/one/exports/sklearn/README.md"
    ).exists()
    assert (home / "out.csv").exists(), flows["predict"]
    assert files_with(SECRETS.values(), home) == {}
    quoting = files_with(PERSONAL, home / "runs")
    assert "one/rows.jsonl" in quoting
    beyond = {
        name: pieces for name, pieces in quoting.items() if not MAY_QUOTE.fullmatch(name.partition("/")[2])
    }
    assert beyond == {}
    # What the user asked for, by name.
    asked = {"table.csv", "page.html", "out.csv"}
    assert {name for name in files_with(PERSONAL, home) if not name.startswith("runs/")} <= asked
    assert not files_with(PERSONAL, home).get("shared.html")


def test_what_leaves_with_an_export_quotes_no_row_even_where_an_answer_differs(
    flows: dict[str, str], tmp_path: Path
) -> None:
    run = Path(flows["home"]) / "runs" / "one"
    subject = Subject(final_fit(run, "tfidf"))
    passport = json.loads((run / "exports" / "sklearn" / "tuneworthy.json").read_text())
    first = Difference(example_id="a", row=2, expected="x", found="y", found_prompt=f"Text: {PERSONAL[0]}")
    parity = Parity.model_validate({**passport["parity"], "first": first})
    _label(tmp_path, EXPORTERS.get("sklearn"), subject, parity)
    written = "".join(file.read_text() for file in tmp_path.iterdir())
    assert not quoted(written) and "Its vocabulary is every word" in written


def test_an_endpoint_that_repeats_the_question_in_its_error_is_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuneworthy.core.endpoint import endpoint_of
    from tuneworthy.core.errors import ModelError
    from tuneworthy.models.chat import ChatClient

    monkeypatch.setenv("TUNEWORTHY_API_KEY", SECRETS["TUNEWORTHY_API_KEY"])
    with ChatServer(lambda messages: "x") as server:
        complaint = f"cannot read '{PERSONAL[6]}' with {SECRETS['TUNEWORTHY_API_KEY']}"
        server.fault = lambda number, asked: (400, complaint)
        endpoint = endpoint_of(server.name)
        assert endpoint is not None
        with pytest.raises(ModelError) as caught:
            ChatClient(endpoint).ask([[{"role": "user", "content": f"I live at {PERSONAL[6]}."}]], 5)
        assert "repeats the question" in str(caught.value) and not quoted(str(caught.value))
        with pytest.raises(ModelError, match="cannot read"):
            ChatClient(endpoint).ask([[{"role": "user", "content": "something else"}]], 5)


PROBE = """
import json, os, sys
import tuneworthy
early = [module for module in %r if module in sys.modules]
print(json.dumps({name: os.environ.get(name) for name in %r} | {"early": early}))
"""
REPORTING = ("transformers", "huggingface_hub", "gradio", "ray", "mlflow", "wandb", "trackio", "optuna")


def test_telemetry_of_libraries_is_off_before_any_of_them_is_imported() -> None:
    bare = {name: value for name, value in os.environ.items() if name not in OFF}
    done = subprocess.run(
        [sys.executable, "-c", PROBE % (REPORTING, list(OFF))],
        env=bare,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {**OFF, "early": []}
    own = subprocess.run(
        [sys.executable, "-c", PROBE % ((), ["DO_NOT_TRACK"])],
        env={**bare, "DO_NOT_TRACK": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(own.stdout)["DO_NOT_TRACK"] == "0"  # whoever wants to be counted says so


def test_the_libraries_believe_it() -> None:
    program = (
        "import tuneworthy, huggingface_hub.constants as hub; assert hub.HF_HUB_DISABLE_TELEMETRY\n"
        "from gradio.analytics import analytics_enabled; assert not analytics_enabled()\n"
        "from ray._common.usage.usage_lib import _usage_stats_enabledness as ray\n"
        "assert ray().name.startswith('DIS')\n"
        "from mlflow.telemetry.utils import is_telemetry_disabled; assert is_telemetry_disabled()\n"
        "from wandb.env import error_reporting_enabled; assert not error_reporting_enabled()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_run_needs_no_telemetry_of_ours(flows: dict[str, str]) -> None:
    assert tw.__version__ and "telemetry" not in " ".join(flows.values()).lower()
