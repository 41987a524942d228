"""What is sent: the same job gives the same bytes, and what is there is what was here."""

import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from launched import toy_job
from tuneworthy.core.errors import LaunchError
from tuneworthy.data.jobfile import load_job
from tuneworthy.launchers.bundle import JOB, PLACE, read_bundle, write_bundle
from tuneworthy.launchers.package import pins, wheel
from tuneworthy.methods import METHODS
from tuneworthy.runfolder.source import source_digest


def test_the_same_job_is_the_same_bundle_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        digests.add(write_bundle(Path("bundle"), toy_job(), (), Path("runs/toy"), ()).digest)
    assert len(digests) == 1


def test_another_job_is_another_bundle(tmp_path: Path) -> None:
    first = write_bundle(tmp_path / "one", toy_job(), (), Path("runs/toy"), ()).digest
    assert write_bundle(tmp_path / "two", toy_job("seed=1"), (), Path("runs/toy"), ()).digest != first


def test_every_file_that_a_job_names_goes_along_and_is_found_there(tmp_path: Path) -> None:
    Path("side").mkdir()
    Path("side/prompt.txt").write_text("Read: {{ input }}")
    Path("side/mine.py").write_text("def profit(answers, targets): return [1.0] * len(answers)")
    Path("models/tiny").mkdir(parents=True)
    Path("models/tiny/config.json").write_text("{}")
    Path("side/test.csv").write_text("text,label\nlate parcel,delivery\n")
    job = toy_job("prompt=side/prompt.txt", "metric=side/mine.py:profit", "base_model=models/tiny")
    job = job.model_copy(update={"data": job.data.model_copy(update={"test": "side/test.csv"})})
    manifest = write_bundle(tmp_path / "bundle", job, (), Path("runs/toy"), ())
    sent = load_job(tmp_path / "bundle" / PLACE / JOB, (), METHODS.names())
    place = tmp_path / "bundle" / PLACE
    for path in (sent.data.path, sent.data.test, sent.prompt, sent.metric.partition(":")[0]):
        assert Path(str(path)).is_relative_to(place) and Path(str(path)).is_file()
    assert (place / sent.base_model / "config.json").is_file()
    assert manifest.run == "place/runs/toy"


def test_a_bundle_that_was_changed_on_its_way_is_not_run(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", toy_job(), (), Path("runs/toy"), ())
    (tmp_path / "bundle" / PLACE / "toy.csv").write_text("text,label\n")
    with pytest.raises(LaunchError, match=r"toy\.csv is not what was sent"):
        read_bundle(tmp_path / "bundle")


def test_the_wheel_holds_this_package_and_how_to_install_it() -> None:
    name, content = wheel()
    assert wheel() == (name, content)
    with zipfile.ZipFile(BytesIO(content)) as packed:
        names = packed.namelist()
        metadata = packed.read(f"{name.removesuffix('-py3-none-any.whl')}.dist-info/METADATA").decode()
        source = Path(__file__).parents[2] / "src" / "tuneworthy" / "pipeline.py"
        assert packed.read("tuneworthy/pipeline.py") == source.read_bytes()
    assert "Requires-Dist: transformers>=" in metadata
    assert not [one for one in names if "__pycache__" in one]
    assert len(source_digest()) == 16


def test_pins_name_what_is_installed_and_leave_torch_to_the_place() -> None:
    found = dict(line.split("==") for line in pins().splitlines())
    assert {"transformers", "numpy", "scikit-learn", "tokenizers"} <= set(found)
    assert not [name for name in found if name.startswith(("torch", "nvidia"))]
    assert not [number for number in found.values() if "+" in number]
