"""What is sent to be served: a run folder with one fit in it and nothing else of the run.

    <run>/model.json             which fit answers, and where its base models lie below this folder
    <run>/dataset.json           the input columns of the rows
    <run>/calibration.json       the temperature of the probabilities
    <run>/units/<address>/       the fit, without what it predicted
    <run>/models/<role>/         weights, tokenizer and configuration of each base model

It is a run folder as any other to `tuneworthy serve`: the same checks, the same answers. Rows, predictions,
scores, the job and its paths stay here. The same fit gives the same bytes.
"""

import json
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from gzip import GzipFile
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import JobError
from tuneworthy.core.example import Example
from tuneworthy.core.hashing import address, file_digest
from tuneworthy.core.unit import ModelRole, Unit
from tuneworthy.deployers import Cargo
from tuneworthy.launchers import SentFile
from tuneworthy.models.endpoint import read_endpoint
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import UnitWriter, read_unit_file
from tuneworthy.tasks import TASKS
from tuneworthy.units.calibration import FILE as CALIBRATION
from tuneworthy.units.calibration import calibration_of
from tuneworthy.units.refit import Refit

MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")  # no code, and no pickle
POOLING = "1_Pooling/config.json"  # how an encoder's tokens become one vector; without it, by their mean
SLOW_WITHOUT_A_CARD: frozenset[ModelRole] = frozenset({"decoder", "prompter"})
PARTS = {"units": "fit", "models": "base model"}
ROW_LIKE = 20  # characters: a shorter text stands within others without being a row


def write_cargo(fit: Refit, base: Mapping[ModelRole, Path], folder: Path) -> Cargo:
    """Writes the folder that is sent.

    Args:
        fit: what is to answer.
        base: its base models by role, also of a fit that starts from what reading has made of one.
        folder: a new one; the run folder goes below it.

    Raises:
        JobError: the fit asks an endpoint, which no container could.
        RunFolderError: the run's own files are damaged.
    """
    asked = [one for one in map(read_endpoint, fit.models.values()) if one is not None]
    if asked:
        raise JobError(
            f"{fit.unit.method} asks {asked[0].title} and has no model of its own to deploy: name an arm "
            "that was fitted, as in --arm tfidf."
        )
    run = fit.run.resolve()
    target = folder / run.name
    target.mkdir(parents=True)
    slim = RunFolder(target)
    places: dict[ModelRole, str] = {}
    for role, source in base.items():
        places[role] = next((places[other] for other in places if base[other] == source), f"models/{role}")
        _copy_model(source, target / places[role])
    for unit in (fit.unit, *([_start(fit)] if fit.unit.start else [])):
        _copy_unit(unit, run, target)
    slim.write("model.json", {"unit": fit.unit.address, "method": fit.unit.method, "folders": places})
    slim.write("dataset.json", {"input_columns": RunFolder(run).read("dataset.json")["input_columns"]})
    if not TASKS.get(fit.unit.task).open:
        slim.write(CALIBRATION, {fit.unit.address: calibration_of(run, fit.unit)})
    files = tuple(_sent(folder, path) for path in sorted(folder.rglob("*")) if path.is_file())
    return Cargo(
        stem=re.sub(r"[^a-z0-9]+", "-", run.name.lower()).strip("-"),
        title=run.name,
        method=fit.unit.method,
        task=fit.unit.task,
        rows=rows_within(target / "units", fit.rows()),
        needs_card=bool(SLOW_WITHOUT_A_CARD & set(base)),
        files=files,
        digest=address([file.model_dump() for file in files]),
    )


def _start(fit: Refit) -> Unit:
    return read_unit_file(fit.run / "units" / str(fit.unit.start))


def _copy_model(source: Path, target: Path) -> None:
    """What a model is loaded from, and no more."""
    target.mkdir(parents=True, exist_ok=True)
    for pattern in MODEL_FILES:
        for path in source.glob(pattern):
            shutil.copyfile(path, target / path.name)
    if (source / POOLING).is_file():
        (target / POOLING).parent.mkdir(exist_ok=True)
        shutil.copyfile(source / POOLING, target / POOLING)


def _copy_unit(unit: Unit, run: Path, target: Path) -> None:
    """A unit's model under the same address, with sums of its own; what it predicted and saw stays here."""
    with UnitWriter(target / "units" / unit.address) as writer:
        shutil.copytree(run / "units" / unit.address / "model", writer.folder / "model")
        writer.finish(unit, [], {"cost": {}, "facts": {}})


def _sent(folder: Path, path: Path) -> SentFile:
    name = path.relative_to(folder)
    what = PARTS.get(name.parts[1], "what it is")
    return SentFile(path=name.as_posix(), what=what, size=path.stat().st_size, sha256=file_digest(path))


def rows_within(units: Path, rows: Sequence[Example]) -> int:
    """How many rows' texts stand word for word in text files of the fits: demonstrations, say.

    A text shorter than `ROW_LIKE` counts where it is the whole of a value, so also where it is a label.
    """
    texts = {row.input for row in rows if row.input}
    long = {text for text in texts if len(text) >= ROW_LIKE}
    written = {
        text: (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]) for text in long
    }
    found: set[str] = set()
    for path in sorted(units.rglob("*.json*")):
        content = path.read_text(encoding="utf-8", errors="replace")
        found |= {text for text in long - found if any(form in content for form in written[text])}
        found |= texts & set(_values(_parsed(content)))
    return len(found)


def _parsed(content: str) -> list[Any]:
    """A JSON file, or the lines of a JSONL file, in a list; nothing of what is neither."""
    try:
        return [json.loads(content)]
    except ValueError:
        pass
    found = []
    for line in content.split("\n"):
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def _values(parsed: Any) -> Iterator[str]:
    """Every text in it but the keys: those are names, or the words of a vocabulary."""
    if isinstance(parsed, str):
        yield parsed
    elif isinstance(parsed, dict | list):
        for inner in parsed.values() if isinstance(parsed, dict) else parsed:
            yield from _values(inner)


def pack_tar(folder: Path, archive: Path) -> None:
    """`model.tar.gz` as SageMaker unpacks it into the container's model folder; the same bytes every time."""
    with (
        archive.open("wb") as raw,
        GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=1, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size, entry.mode, entry.mtime = path.stat().st_size, 0o644, 0
            with path.open("rb") as file:
                tar.addfile(entry, file)
