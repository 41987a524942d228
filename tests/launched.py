"""One small job, and what it left where it was run elsewhere."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import tuneworthy as tw
from toy import toy_rows, write_csv
from tuneworthy import launching
from tuneworthy.api import make_job
from tuneworthy.core.job import Job
from tuneworthy.launchers import LAUNCHERS, Handle
from tuneworthy.launchers.handles import BUNDLE, folder_of, keep
from tuneworthy.launchers.terms import Wanted, terms_of
from tuneworthy.models.machines import read_market

ONLY_THIS_PYTHON = {"PIP_DRY_RUN": "1", "PYTHON": sys.executable}
QUICK = (
    "protocol=holdout",
    "resamples=200",
    "arms=[majority, tfidf]",
    "threads=1",
    "workers=1",
    "curve.arms=[]",
)
OPTIONS = {
    "sagemaker": ("role=arn:aws:iam::123456789012:role/training", "bucket=my-bucket"),
    "azureml": (
        "subscription=00000000-0000-0000-0000-000000000000",
        "group=mine",
        "workspace=ml",
        "compute=gpu",
    ),
    "ray": ("address=http://head:8265", "storage=/shared/tuneworthy", "gpus=0"),
}


def toy_job(*settings: str) -> Job:
    """A job of sixty rows in the current folder that takes seconds."""
    if not Path("toy.csv").exists():
        write_csv(Path("toy.csv"), toy_rows())
    return make_job(Path("toy.csv"), {}, {}, [*QUICK, *settings])[0]


def wanted(where: str, **changes: object) -> Wanted:
    """Terms that suffice everywhere."""
    terms = {
        "max_cost": 9.0,
        "time_limit": "2h",
        "options": OPTIONS.get(where, ()),
        "output": Path("runs/toy"),
        "price": 0.0 if where == "ray" else None,  # a cluster of one's own is in no price file
    }
    return Wanted(where, **(terms | changes))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Elsewhere:
    """The job after it was run from its bundle alone.

    Attributes:
        handle: what was launched.
        opt_ml: the container's folder.
        printed: the log.
        run: the run folder there.
        here: the run folder of the same job, run here.
    """

    handle: Handle
    opt_ml: Path
    printed: str
    run: Path
    here: Path

    @property
    def archive(self) -> Path:
        return self.opt_ml / "model" / "run.tar.gz"


@pytest.fixture
def unexamined(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data doctor takes seconds a job and has tests of its own."""
    monkeypatch.setattr("tuneworthy.steps.examine", lambda job, data: ([], ()))


def sent_to(where: str, elsewhere: "Elsewhere") -> Handle:
    """The job that was run elsewhere, as it is on disk when `where` is about to be sent it."""
    launcher = LAUNCHERS.get(where)
    terms = terms_of(launcher, wanted(where), read_market())
    parcel = elsewhere.handle.parcel
    changes = {
        "name": f"toy-{where}",
        "launcher": where,
        "terms": terms,
        "where": launcher.where(parcel, terms),
    }
    handle = elsewhere.handle.model_copy(update=changes)
    keep(handle)
    shutil.copytree(elsewhere.opt_ml / "input/data/bundle", folder_of(handle.name) / BUNDLE)
    service = launcher.submit(handle, folder_of(handle.name) / BUNDLE, folder_of(handle.name))
    handle = handle.model_copy(update={"sent": True, "service": service})
    keep(handle)
    return handle


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    """The bundle's own script, run in a folder laid out like SageMaker's container; nothing is installed."""
    folder, there = tmp_path_factory.mktemp("launched"), tmp_path_factory.mktemp("there")
    opt_ml = there / "opt" / "ml"
    before = Path.cwd()
    try:
        os.chdir(folder)
        handle = launching.launch(toy_job(), wanted("skypilot"))
        here = tw.run("toy.csv", output="runs/here", **_settings()).path.resolve()
        shutil.copytree(folder_of(handle.name) / BUNDLE, opt_ml / "input" / "data" / "bundle")
    finally:
        os.chdir(before)
    command = ["sh", str(opt_ml / "input/data/bundle/start.sh"), "--opt-ml", str(opt_ml), "--limit", "600"]
    done = subprocess.run(
        command, cwd=there, capture_output=True, text=True, env={**os.environ, **ONLY_THIS_PYTHON}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Elsewhere(handle, opt_ml, done.stdout, opt_ml / "checkpoints" / "place" / "runs" / "toy", here)


def _settings() -> dict[str, object]:
    return {
        "protocol": "holdout",
        "resamples": 200,
        "arms": ["majority", "tfidf"],
        "threads": 1,
        "workers": 1,
        "curve": {"arms": []},
    }
