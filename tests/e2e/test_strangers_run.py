"""A run folder of somebody else: nothing in it is run or unpickled by the verbs that read it."""

import json
import pickle
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tuneworthy as tw
from toy import toy_rows, write_csv
from tuneworthy.cli.main import app
from tuneworthy.core.errors import ModelError
from tuneworthy.core.hashing import file_digest
from tuneworthy.models.strangers import vet
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import CHECKSUMS

METRIC = "def own(answers, targets):\n    return [float(a == t) for a, t in zip(answers, targets)]\n"


class Evil:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, (f"open({str(self._trace)!r}, 'w')",))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run that is measured by a metric of its own, which is code."""
    home = tmp_path_factory.mktemp("stranger")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        (home / "my.py").write_text(METRIC)
        run = tw.run(
            write_csv(home / "toy.csv", toy_rows()),
            target="label",
            output=home / "run",
            arms=["majority", "tfidf"],
            metric="my.py:own",
            protocol="holdout",
            resamples=200,
            curve={"arms": []},
        )
        yield run.path


@pytest.fixture
def poisoned(made: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A copy in which everything that could be run or unpickled leaves a trace; and where."""
    run, trace = tmp_path / "run", tmp_path / "it-ran"
    shutil.copytree(made, run)
    code = f"open({str(trace)!r}, 'w')\n"
    places = [run, *(folder for folder in (run / "units").iterdir() if folder.is_dir())]
    for place in [*places, *run.glob("units/*/model")]:
        for name in ("model.pkl", "pytorch_model.bin", "adapter_model.bin", "model_head.joblib", "probe.npy"):
            (place / name).write_bytes(pickle.dumps(Evil(trace)))
        for name in ("metric.py", "conftest.py", "sitecustomize.py", "__init__.py", "modeling.py"):
            (place / name).write_text(code)
    return run, trace


def sealed(run: Path) -> None:
    """Makes the checksums right again: whoever forges a folder does."""
    for unit in (run / "units").iterdir():
        sums = {
            path.relative_to(unit).as_posix(): file_digest(path)
            for path in sorted(unit.rglob("*"))
            if path.is_file() and path.name != CHECKSUMS
        }
        (unit / CHECKSUMS).write_text(json.dumps(sums))


def test_verbs_that_read_a_run_run_nothing_of_it(poisoned: tuple[Path, Path], tmp_path: Path) -> None:
    run, trace = poisoned
    sealed(run)
    write_csv(tmp_path / "new.csv", [{"text": row["text"]} for row in toy_rows(20, seed=5)])
    for verb in (
        ["report", str(run)],
        ["report", str(run), "--redact"],
        ["runs", str(run.parent)],
        ["predict", str(run), str(tmp_path / "new.csv"), "--output", str(tmp_path / "out.csv")],
        ["export", str(run), "--to", "sklearn"],
    ):
        done = CliRunner().invoke(app, verb)
        assert not trace.exists(), verb
        assert done.exit_code in (0, 2), (verb, done.output, done.exception)
    assert (tmp_path / "out.csv").exists() and (run / "exports" / "sklearn" / "README.md").exists()


def test_an_arm_that_is_fitted_for_an_export_runs_no_code_of_the_folder(
    poisoned: tuple[Path, Path], tmp_path: Path
) -> None:
    run, trace = poisoned
    units = {folder: json.loads((folder / "unit.json").read_text()) for folder in (run / "units").iterdir()}
    [refit] = [folder for folder, unit in units.items() if unit["purpose"] == "refit"]
    [other] = [folder for folder, unit in units.items() if unit["method"] == "majority"]
    shutil.rmtree(refit)
    RunFolder(run).write("model.json", {"unit": other.name, "method": "majority", "folders": {}})
    sealed(run)
    done = CliRunner().invoke(app, ["export", str(run), "--to", "sklearn", "--arm", "tfidf"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert refit.exists() and not trace.exists()


def test_a_forged_classifier_is_refused_in_one_sentence(poisoned: tuple[Path, Path], tmp_path: Path) -> None:
    run, trace = poisoned
    schema = {
        "__class__": "save",
        "__module__": "numpy",
        "__loader__": "ConstructorFromReduceNode",
        "content": {
            "__class__": "tuple",
            "__module__": "builtins",
            "__loader__": "TupleNode",
            "content": [
                {
                    "__class__": "str",
                    "__module__": "builtins",
                    "__loader__": "JsonNode",
                    "content": json.dumps(text),
                    "is_json": True,
                    "__id__": number,
                }
                for number, text in enumerate((f"{trace}.npy", "a"), start=3)
            ],
            "__id__": 2,
        },
        "__id__": 1,
        "protocol": 2,
        "_skops_version": "0.16.0",
    }
    files = list(run.glob("units/*/model/*.skops"))
    assert files
    for file in files:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("schema.json", json.dumps(schema))
    sealed(run)
    done = CliRunner().invoke(app, ["export", str(run), "--to", "sklearn"])
    assert not list(tmp_path.glob("it-ran*"))
    assert done.exit_code != 0 and "refused" in f"{done.output}{done.exception}"


def test_a_base_model_that_a_run_names_is_looked_at_too(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "x", "auto_map": {"AutoModel": "evil.M"}}))
    with pytest.raises(ModelError, match="never run here"):
        vet(folder)
