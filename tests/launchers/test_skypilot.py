"""The bucket keeps what a machine has done that is taken away, and the lines to paste can be pasted."""

import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from launched import Elsewhere, wanted
from tuneworthy.launchers import LAUNCHERS, Handle, skypilot
from tuneworthy.launchers.terms import terms_of
from tuneworthy.models.machines import read_market

BUCKET = ("bucket=s3://mine", "spot=true")


def handle_of(elsewhere: Elsewhere, *options: str) -> Handle:
    launcher = LAUNCHERS.get("skypilot")
    terms = terms_of(launcher, wanted("skypilot", options=options), read_market())
    where = launcher.where(elsewhere.handle.parcel, terms)
    return elsewhere.handle.model_copy(update={"name": "my toy-skypilot", "terms": terms, "where": where})


def test_with_a_bucket_the_work_is_in_it_and_the_job_is_one_that_is_started_again(
    elsewhere: Elsewhere, tmp_path: Path
) -> None:
    handle = handle_of(elsewhere, *BUCKET)
    task, base = handle.where.request, f"{skypilot.BUCKET}/{handle.parcel.stem}"
    assert f"--work {base}/work --out {base} " in task["run"]
    assert task["file_mounts"][skypilot.BUCKET]["mode"] == "MOUNT_CACHED"  # the only one that takes appends
    said = LAUNCHERS.get("skypilot").submit(handle, tmp_path, tmp_path)
    assert (
        "sky jobs launch -n " in said["next"] and f"s3://mine/{handle.parcel.stem}/run.tar.gz" in said["then"]
    )


def test_its_time_is_that_of_all_its_machines_together(
    elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skypilot, "BUCKET", str(tmp_path / "bucket"))
    (tmp_path / "tuneworthy-venv/bin").mkdir(parents=True)
    (tmp_path / "start.sh").write_text('echo "$@"\n')
    run = handle_of(elsewhere, *BUCKET).where.request["run"]

    def began(task: str) -> str:
        environ = {**os.environ, "HOME": str(tmp_path), "SKYPILOT_TASK_ID": task}
        done = subprocess.run(
            ["bash", "-c", run], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
        )
        return done.stdout.split()[-1]

    first = began("one")
    time.sleep(1.1)
    assert began("one") == first and began("two") != first


@pytest.mark.parametrize("options", [(), BUCKET])
def test_its_lines_can_be_pasted_wherever_it_lies(
    options: tuple[str, ...], elsewhere: Elsewhere, tmp_path: Path
) -> None:
    folder = tmp_path / "my runs"
    folder.mkdir()
    handle = handle_of(elsewhere, *options)
    said = LAUNCHERS.get("skypilot").submit(handle, folder, folder)
    line = said["next"].removeprefix("( ").removesuffix(" )")
    assert shlex.split(line)[:3] == ["cd", str(folder), "&&"] and said["next"].startswith("( ")
    assert "fetch 'my toy-skypilot' --from run.tar.gz" in said["then"]
