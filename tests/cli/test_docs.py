"""The documents that are made from the code, or whose examples have to run, are true."""

import csv
import doctest
import importlib.util
import json
import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tuneworthy as tw
from tuneworthy.checks import CHECKS, Examined
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.registry import Registry
from tuneworthy.methods import METHODS
from tuneworthy.metrics import METRICS
from tuneworthy.tasks import TASKS
from tuneworthy.trackers import TRACKERS
from tuneworthy.trackers._process import Ending, follow

ROOT = Path(__file__).parents[2]
PLUGINS: dict[str, Registry[Any]] = {
    "metrics": METRICS,
    "methods": METHODS,
    "tasks": TASKS,
    "checks": CHECKS,
    "trackers": TRACKERS,
}


def generator() -> ModuleType:
    """docs/generate_cli.py as a module."""
    spec = importlib.util.spec_from_file_location("generate_cli", ROOT / "docs" / "generate_cli.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("columns", ["40", "200"])
def test_the_page_of_the_command_line_is_what_the_code_says(
    columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert generator().render() == written, "docs/cli.md is out of date: run python docs/generate_cli.py"


def test_every_verb_and_every_parameter_is_on_the_page() -> None:
    page = generator().render()
    for name in METHODS.names():
        assert f"### `{name}`" in page
        for parameter in METHODS.get(name).Parameters.model_fields:
            assert f"| `{parameter}` |" in page


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The files that CONTRIBUTING.md shows, registered as another package's entry points."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    found: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        room = next(room for room in PLUGINS if f"from tuneworthy.{room} import" in block)
        stem = {
            "metrics": "weighted_f1",
            "methods": "naive_bayes",
            "tasks": "rating",
            "checks": "single_words",
            "trackers": "curve_files",
        }
        module = f"contributed_{stem[room]}"
        (tmp_path / f"{module}.py").write_text(block, encoding="utf-8")
        point = EntryPoint(stem[room], f"{module}:PLUGIN", f"tuneworthy.{room}")
        registry = PLUGINS[room]
        monkeypatch.setattr(registry, "_outside", {**registry._outside, point.name: point})
        found[room] = registry.get(point.name)
    return found


def test_the_examples_are_one_of_each_kind(examples: dict[str, Any]) -> None:
    assert examples.keys() == PLUGINS.keys()


def test_the_example_metric_gives_its_worked_example_and_scikit_learns_value(
    examples: dict[str, Any],
) -> None:
    from sklearn.metrics import f1_score

    metric = examples["metrics"]
    assert doctest.testmod(sys.modules[type(metric).__module__]) == (0, 2)
    rng = np.random.default_rng(0)
    truth, given = rng.choice(list("abc"), 50).tolist(), rng.choice(list("abc"), 50).tolist()
    answers = [Prediction(example_id=str(i), value=value) for i, value in enumerate(given)]
    sums = metric.parts(answers, truth, list("abc")).sum(axis=0)
    assert metric.value(np.stack([sums] * 3)).shape == (3,)
    assert float(metric.value(sums)) == pytest.approx(
        f1_score(truth, given, average="weighted", zero_division=0)
    )


def test_the_example_method_and_task_run_and_predict(examples: dict[str, Any], toy_csv: Path) -> None:
    table = toy_csv.read_text(encoding="utf-8")
    for label, rating in {"refund": "1", "delivery": "3", "account": "5"}.items():
        table = table.replace(f",{label}\n", f",{rating}\n")
    toy_csv.write_text(table, encoding="utf-8")
    run = tw.run(
        toy_csv,
        task="rating",
        arms=["majority", "naive_bayes"],
        naive_bayes={"smoothing": 0.5},
        protocol="holdout",
        workers=1,
        resamples=200,
    )
    assert run.verdict.recommended_method == "naive_bayes"
    assert run.predict("where is my parcel")[0].value == "3"
    assert examples["tasks"].parse(" 3.\n", ["1", "3", "5"]) == "3"
    assert examples["tasks"].parse("three", ["1", "3", "5"]) is None


def test_the_example_check_fires_and_is_silent(examples: dict[str, Any]) -> None:
    clean = [Example(id="1", input="two words", target="a", row=1)]
    bad = [*clean, Example(id="2", input="one", target="b", row=2)]
    assert examples["checks"].examine(Examined(clean, [], 5)).outcome == "passed"
    assert examples["checks"].examine(Examined(bad, [], 5)).rows == (2,)


def test_the_example_tracker_writes_the_curves_and_scores_of_a_run(
    examples: dict[str, Any], recorded: Path
) -> None:
    ending = Ending()
    ending.over.set()
    written = Path(follow(recorded, examples["trackers"], ending))
    with written.open(encoding="utf-8") as file:
        lines = [(name, int(step), float(value)) for name, step, value in csv.reader(file)]
    assert [step for name, step, _ in lines if name == "lora/loss"] == [1, 2, 3, 4, 5, 6]
    estimates = json.loads((recorded / "estimates.json").read_text(encoding="utf-8"))
    one = next(one for one in estimates if one["label"] is None and one["low"] is not None)
    for end in ("", "_low", "_high"):
        assert (f"test/{one['method']}/{one['metric']}{end}", 0, one[end[1:] or "value"]) in lines
