"""What a node without the run folder is sent."""

import io
import tarfile
from pathlib import Path

import pytest

from tuneworthy.core.errors import RunFolderError
from tuneworthy.core.unit import ModelRef, Unit
from tuneworthy.runfolder.folder import to_json
from tuneworthy.units.adaptation import starting_models
from tuneworthy.units.executors.shipping import packed_inputs
from tuneworthy.units.forgetting import capability_unit

BASE = ModelRef(name="tiny", digest="0")


def begun(run: Path, name: str, start: str | None) -> Unit:
    """A unit's folder, of which it is known what the unit started from."""
    unit = capability_unit(BASE, 1, "adapt", start)
    (run / "units" / name / "model").mkdir(parents=True)
    (run / "units" / name / "unit.json").write_text(to_json(unit))
    return unit


def test_a_measurement_of_an_adapted_fit_is_sent_with_the_model_that_the_fit_itself_started_from(
    tmp_path: Path,
) -> None:
    begun(tmp_path, "reading", None)
    begun(tmp_path, "fit", "reading")
    content = packed_inputs(tmp_path, [capability_unit(BASE, 1, "adapt", "fit")])
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = set(archive.getnames())
    assert {"units/fit/model", "units/reading/model"} <= names


def test_a_fit_whose_start_is_missing_is_no_fit_of_the_base_model(tmp_path: Path) -> None:
    unit = begun(tmp_path, "fit", "reading")
    with pytest.raises(RunFolderError, match="is missing"):
        starting_models(unit, tmp_path, {"decoder": tmp_path})
    begun(tmp_path, "reading", None)
    assert starting_models(unit, tmp_path, {"decoder": tmp_path}) == {"decoder": tmp_path}
