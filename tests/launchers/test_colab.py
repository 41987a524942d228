"""The notebook has everything in it, and ends where the command line ends."""

import json
import pathlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from launched import ONLY_THIS_PYTHON, Elsewhere, sent_to
from tuneworthy import launching
from tuneworthy.core.errors import JobError, LaunchError
from tuneworthy.launchers import LAUNCHERS, Handle
from tuneworthy.launchers.colab import KEEP, _filled, notebook
from tuneworthy.launchers.handles import BUNDLE, folder_of


@pytest.fixture
def written(elsewhere: Elsewhere) -> Handle:
    return sent_to("colab", elsewhere)


def test_the_same_job_is_the_same_notebook(written: Handle) -> None:
    folder = folder_of(written.name)
    assert (folder / "toy.ipynb").read_text() == notebook(written, folder / BUNDLE)


def test_the_notebook_run_from_top_to_bottom_ends_in_the_same_verdict(
    written: Handle, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbformat
    from nbclient import NotebookClient

    for name, value in ONLY_THIS_PYTHON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    cells = nbformat.read(folder_of(written.name) / "toy.ipynb", 4)
    Path("there").mkdir()
    NotebookClient(cells, timeout=300, resources={"metadata": {"path": "there"}}).execute()
    shown = json.dumps([cell.get("outputs", []) for cell in cells.cells])
    assert "verdict: " in shown and "srcdoc=" in shown and "progress value=1 max=1" in shown
    done = launching.fetch(written, Path("there") / f"{written.parcel.stem}.tar.gz")
    verdict = json.loads((Path(done.run) / "verdict.json").read_text())
    assert verdict == json.loads((elsewhere.here / "verdict.json").read_text())


@pytest.mark.parametrize(
    ("shell", "mounts"), [("<google.colab._shell.Shell>", 1), ("<ipykernel.zmqshell.ZMQInteractiveShell>", 0)]
)
def test_the_archive_stays_beside_the_notebook_where_there_is_no_drive(
    shell: str, mounts: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def refuse(place: str) -> None:
        asked.append(place)
        raise ValueError("mount failed")

    drive = SimpleNamespace(mount=refuse)
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace(drive=drive))
    cell: dict[str, Any] = {"pathlib": pathlib, "get_ipython": lambda: shell}
    exec(_filled(KEEP, {"archive": "a.tar.gz"}), cell)
    assert cell["kept"] == Path("a.tar.gz").resolve() and len(asked) == mounts
    assert ("Drive is not to be used (mount failed)" in capsys.readouterr().out) == bool(mounts)


def test_a_bundle_that_no_notebook_holds_is_refused_with_a_way_out(written: Handle) -> None:
    big = written.parcel.files[0].model_copy(update={"size": 20 * 10**6})
    with pytest.raises(JobError, match="launch it with --on skypilot"):
        LAUNCHERS.get("colab").where(written.parcel.model_copy(update={"files": (big,)}), written.terms)


def test_what_only_the_page_knows_is_said(written: Handle) -> None:
    with pytest.raises(LaunchError, match="--from tw-toy"):
        launching.fetch(written)
