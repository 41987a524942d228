"""A finished refit: the fit of one arm on all rows, found in its run folder and loaded on first use."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import ModelError, RunFolderError
from tuneworthy.core.example import Example
from tuneworthy.core.unit import ModelRole, Unit
from tuneworthy.methods import METHODS, Fitted, Method, Report, Setting
from tuneworthy.runfolder import checksums
from tuneworthy.runfolder.unit_output import damaged_file, read_unit_file
from tuneworthy.tasks import TASKS
from tuneworthy.units.adaptation import starting_models
from tuneworthy.units.execute import run_rows, setting_of


class Refit:
    """One arm's final model. `fitted` loads it; everything else is known from files.

    Attributes:
        run: the run folder.
        unit: what was fitted.
        folder: the unit's output.
        models: the base models' folders by role, as the unit started from them.
        known: what has been worked out about the fit, for whoever asks the same again.
    """

    def __init__(
        self,
        run: Path,
        unit: Unit,
        models: dict[ModelRole, Path],
        report: Report = lambda done, total, facts: None,
    ) -> None:
        self.run = run
        self.unit = unit
        self.folder = run / "units" / unit.address
        self.models = starting_models(unit, run, models)
        self._report = report
        self.known: dict[Any, Any] = {}
        self._fitted: Fitted | None = None

    @property
    def model(self) -> Path:
        """Where the method has saved what it fitted."""
        return self.folder / "model"

    @cached_property
    def method(self) -> Method:
        """The arm's method."""
        return METHODS.get(self.unit.method)

    @property
    def arm(self) -> str:
        """The method whose model it is: of an arm that adapts, the one fitted afterwards."""
        return (
            str(self.unit.parameters.get("then", self.unit.method)) if self.unit.start else self.unit.method
        )

    @cached_property
    def parameters(self) -> Any:
        """The method's parameters."""
        return self.method.Parameters.model_validate(self.unit.parameters)

    @cached_property
    def setting(self) -> Setting:
        """What the method may use.

        The metric is the task's first: one of the user's own is not needed to predict, and code that came
        with a folder is not run.
        """
        unit = self.unit.model_copy(update={"metric": TASKS.get(self.unit.task).metrics[0]})
        return setting_of(unit, self.models, None, self._report)

    @property
    def fitted(self) -> Fitted:
        """The model in this process, loaded once until `release`."""
        if self._fitted is None:
            self._fitted = self.method.load(self.setting, self.parameters, self.model)
        return self._fitted

    def release(self) -> None:
        """Lets go of the loaded model; the next use loads it again."""
        self._fitted = None

    def rows(self) -> list[Example]:
        """The run's labelled rows: the table's, then those of a test file."""
        rows, _ = run_rows(str(self.run))
        return [row for row in rows.values() if row.target is not None]


def read_unit(run: Path, address: str) -> Unit:
    """A unit of the run by its address; raises RunFolderError where it or what it starts from is damaged."""
    folder = run / "units" / address
    unit = read_unit_file(folder)
    parts = [folder] if unit.start is None else [folder, run / "units" / unit.start]
    for part in parts:
        if (name := damaged_file(part)) is not None:
            raise RunFolderError(
                f"{part / name} is missing or damaged (its checksum differs): {_again(run)} to redo this "
                "unit."
            )
    return unit


def recommended(run: Path) -> tuple[Unit, dict[str, str]]:
    """The refit that the verdict recommends, and the folders of its base models as the run used them.

    Raises:
        RunFolderError: the run is not finished, or its model is damaged.
    """
    try:
        final = json.loads(checksums.checked(run, "model.json"))
        address, folders = str(final["unit"]), _folders(run, final.get("folders", {}))
    except RunFolderError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(f"{run} holds no finished run: {_what_to_do(run)}.") from error
    if not (run / "units" / address).exists():
        raise RunFolderError(f"{run} holds no finished run: {_what_to_do(run)}.")
    return read_unit(run, address), folders


def _folders(run: Path, stored: dict[str, str]) -> dict[str, str]:
    """The base models' folders by role; one that the run brings along lies below it, wherever that is now."""
    return {
        role: str(run / name)
        if not Path(name).is_absolute() and (run / name / "config.json").exists()
        else name
        for role, name in stored.items()
    }


def _again(run: Path) -> str:
    return f"run `tuneworthy run {run / 'job.yaml'} --output {run}`"


def _what_to_do(run: Path) -> str:
    """A run that was stopped goes on; a folder that was never one, or is not there, is another name."""
    if (run / "job.yaml").exists():
        return f"{_again(run)} first"
    return "name one of those that `tuneworthy runs` lists, such as runs/<name>"


def base_models(unit: Unit, folders: dict[str, str]) -> dict[ModelRole, Path]:
    """The base models, by the folder the run used or by name; their digest must be the run's.

    Raises:
        ModelError: a base model is not the one the run used.
    """
    from tuneworthy.models.resolve import model_ref, resolve
    from tuneworthy.models.strangers import vet

    found: dict[ModelRole, Path] = {}
    for role, ref in unit.models.items():
        stored = Path(folders.get(role, ""))
        folder = stored if folders.get(role) and (stored / "config.json").exists() else resolve(ref.name)
        if model_ref(ref.name, folder).digest != ref.digest:
            raise ModelError(
                f"{folder} is not the {role} this run was made with (its files differ): bring that version "
                "back, or run the job again."
            )
        vet(folder)  # the run folder may be a stranger's
        found[role] = folder
    return found


def fits_of(units: Sequence[Unit], method: str) -> list[Unit]:
    """The evaluated fits of one method, from which its refit takes its settings."""
    return [unit for unit in units if unit.method == method and unit.purpose == "evaluate"]
