"""What `export` and `verify` leave behind, and what they say."""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

import tuneworthy as tw
from tuneworthy.cli.main import app
from tuneworthy.core.errors import JobError, NotFoundError, ParityError, RunFolderError
from tuneworthy.core.example import Example
from tuneworthy.exporters import EXPORTERS, Side, Subject, Tolerance
from tuneworthy.exporters import asking as asking_module
from tuneworthy.exporters.asking import ask
from tuneworthy.exporting import PASSPORT, Wanted, _export, export_run, tools_of, verify
from tuneworthy.refitting import final_fit

ROWS = 12


class Turned:
    """sklearn's export with every answer another label: what a broken exporter does."""

    name = "turned"
    title = "turned"
    variants: tuple[str, ...] = ()

    def unsuited(self, subject: Subject) -> str:
        return ""

    def write(self, subject: Subject, folder: Path) -> None:
        EXPORTERS.get("sklearn").write(subject, folder)

    def expected(self, subject: Subject, rows: Sequence[Example]) -> Side:
        return EXPORTERS.get("sklearn").expected(subject, rows)

    def found(self, subject: Subject, folder: Path, rows: Sequence[Example]) -> Side:
        side = self.expected(subject, rows)
        return Side((*side.given[1:], side.given[0]), side.traits)

    def tolerance(self, subject: Subject, precision: str) -> Tolerance:
        return Tolerance()

    def usage(self, subject: Subject) -> str:
        return ""


@pytest.fixture
def broken() -> Iterator[str]:
    EXPORTERS.bring("turned", Turned(), Path(__file__))
    yield "turned"
    del EXPORTERS._brought["turned"]


@pytest.fixture(scope="module")
def exported(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    [done] = tw.open_run(finished_run).export("sklearn", output=tmp_path_factory.mktemp("out"), rows=ROWS)
    return done.folder


def test_a_file_where_the_folder_should_be_is_one_sentence(tmp_path: Path) -> None:
    nothing: Any = SimpleNamespace(refit=None)  # the folder is made before anything is asked of a fit
    (tmp_path / "out").write_text("mine")
    with pytest.raises(RunFolderError, match=r"out cannot be written .* a file is where a folder should be"):
        _export(EXPORTERS.get("sklearn"), nothing, tmp_path / "out" / "sklearn", ROWS, print)
    assert (tmp_path / "out").read_text() == "mine"


def test_what_fails_the_gate_leaves_no_artefact_and_what_the_gate_saw(
    finished_run: Path, tmp_path: Path, broken: str
) -> None:
    place = tmp_path / "out"
    with pytest.raises(ParityError, match=r"The first row that differs is \d+"):
        export_run(finished_run, Wanted((broken,), None, place, ROWS))
    assert [path.name for path in place.iterdir()] == ["turned.failed.json"]
    assert json.loads((place / "turned.failed.json").read_text())["first"]["expected"]


def test_a_failed_export_leaves_an_earlier_one_as_it_was(
    finished_run: Path, tmp_path: Path, broken: str
) -> None:
    (tmp_path / "turned").mkdir()
    (tmp_path / "turned" / "kept").write_text("x")
    with pytest.raises(ParityError):
        export_run(finished_run, Wanted((broken,), None, tmp_path, ROWS))
    assert (tmp_path / "turned" / "kept").exists()


def test_a_failed_gate_is_exit_code_1(finished_run: Path, tmp_path: Path, broken: str) -> None:
    done = CliRunner().invoke(app, ["export", str(finished_run), "--to", broken, "-o", str(tmp_path)])
    assert isinstance(done.exception, ParityError)
    assert done.exception.exit_code == 1


def test_an_untouched_export_is_verified_and_a_changed_file_is_named(
    finished_run: Path, exported: Path, tmp_path: Path
) -> None:
    assert tw.open_run(finished_run).verify(exported, rows=ROWS).passed
    copy = shutil.copytree(exported, tmp_path / "copy")
    passport = json.loads((copy / PASSPORT).read_text())
    passport["files"]["classifier.skops"] = "0" * 64
    passport["labels"] = passport["labels"][::-1]
    (copy / PASSPORT).write_text(json.dumps(passport))
    causes = verify(copy, finished_run, ROWS).causes
    assert causes[0] == "classifier.skops has changed since the export"
    assert causes[1].startswith("the labels differ")


def test_an_export_of_another_fit_is_said_to_be_one(
    finished_run: Path, exported: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(exported, tmp_path / "copy")
    passport = {**json.loads((copy / PASSPORT).read_text()), "unit": "0" * 16, "run": "other"}
    (copy / PASSPORT).write_text(json.dumps(passport))
    assert verify(copy, finished_run, ROWS).causes[0].startswith("it was exported from another fit")


def test_a_folder_of_something_else_is_no_export(finished_run: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is no export of tuneworthy"):
        verify(tmp_path, finished_run)


def test_an_arm_that_was_not_recommended_is_fitted_once_and_that_is_said(finished_run: Path) -> None:
    said: list[str] = []
    first = final_fit(finished_run, "probe", said.append)
    again = final_fit(finished_run, "probe", said.append)
    assert first.unit == again.unit
    assert said == [] or said == [
        "The run recommends tfidf and has no probe on all rows: fitting it now, with the settings its folds "
        "chose."
    ]
    assert first.unit.purpose == "refit"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(("mergd",)), "did you mean 'merged'"),
        (Wanted(("gguf:q5",)), "gguf has no variant 'q5': known: q8_0, f16, q4_k_m"),
        (Wanted(("adapter",)), "tfidf cannot be exported to adapter"),
        (Wanted((), "majority"), "majority has no model of its own"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(finished_run: Path, wanted: Wanted, words: str) -> None:
    with pytest.raises(JobError, match=words):
        export_run(finished_run, wanted)


def test_a_form_that_does_not_suit_is_said_before_anything_is_fitted(finished_run: Path) -> None:
    said: list[str] = []
    with pytest.raises(JobError, match="encoder cannot be exported to merged"):
        export_run(finished_run, Wanted(("merged",), "encoder"), said.append)
    assert said == []


def test_an_unknown_arm_names_the_nearest(finished_run: Path) -> None:
    with pytest.raises(NotFoundError, match="did you mean 'lora'"):
        export_run(finished_run, Wanted((), "loar"))


def test_tools_are_named_and_exist(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="write NAME=PATH"):
        tools_of(["python=/bin/sh"])
    with pytest.raises(JobError, match="there is no file"):
        tools_of([f"converter={tmp_path / 'none'}"])


def test_the_fresh_process_knows_nothing_of_this_package(exported: Path) -> None:
    reply = ask("classifier", {"folder": str(exported), "texts": ["money back"]}, "it")
    assert "tuneworthy" not in reply["modules"]
    for script in asking_module.SCRIPTS.glob("*.py"):
        assert "tuneworthy" not in script.read_text(encoding="utf-8")
