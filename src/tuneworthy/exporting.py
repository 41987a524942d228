"""Export of a finished run: written aside, re-scored, and only then given its name."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import JobError, NotFoundError, ParityError
from tuneworthy.core.hashing import file_digest
from tuneworthy.core.parity import Parity
from tuneworthy.exporters import EXPORTERS, Exporter, Needing, Subject, named
from tuneworthy.exporters.gate import USUAL_ROWS, choose_rows, examine
from tuneworthy.refitting import final_fit, fit_at, likeness
from tuneworthy.reports.contents import load_contents
from tuneworthy.reports.model_card import render_card
from tuneworthy.runfolder.disk import make_folder
from tuneworthy.runfolder.folder import Listener, to_json, write_text
from tuneworthy.units.refit import Refit

PASSPORT, CARD = "tuneworthy.json", "README.md"
TOOLS = ("converter", "quantizer", "llamacpp")
FORMAT = 1  # of the passport
SHOWN_TOKENS = 8  # of the first row that differs, at the end of its prompt
USUAL = ("merged", "encoder", "sklearn", "decision")  # the first that suits is exported where none is named
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """An artefact that has left: where it is, and what the gate found."""

    folder: Path
    parity: Parity


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export, and how.

    Attributes:
        to: formats, such as "merged" or "gguf:q8_0"; empty for the usual one.
        arm: one of the run's arms; the recommended one where it is None.
        output: the folder in which each artefact gets a folder; `exports` in the run where it is None.
        rows: how many rows of the run the gate asks.
        tools: programs by what they are.
    """

    to: Sequence[str] = ()
    arm: str | None = None
    output: Path | None = None
    rows: int = USUAL_ROWS
    tools: Mapping[str, Path] = field(default_factory=dict)


def export_run(
    run: Path, wanted: Wanted, say: Say = lambda text: None, listener: Listener | None = None
) -> list[Exported]:
    """Exports a run's final fit in each format, in their order.

    Args:
        run: a finished run.
        wanted: formats, arm, place, rows.
        say: told what is being done, in sentences.
        listener: told the events of a fit that is made first.

    Raises:
        JobError: an unknown format, or one that does not suit the arm; nothing is written then.
        ParityError: an artefact does not answer as the fit; it is not kept, those before it are.
        TuneworthyError: the run is not finished, or a tool is missing.
    """
    asked = [_parted(text) for text in wanted.to]
    alike = likeness(run, wanted.arm)  # a form that does not suit is said before anything is fitted
    asked = asked or [_usual(alike)]
    for exporter, variant in asked:
        if why := exporter.unsuited(Subject(alike, variant, wanted.tools)):
            raise JobError(f"{alike.unit.method} cannot be exported to {exporter.name}: {why}.")
        if isinstance(exporter, Needing):
            exporter.require(Subject(alike, variant, wanted.tools))
    refit = final_fit(run, wanted.arm, say, listener)
    place = wanted.output or run / "exports"
    done = []
    for exporter, variant in asked:
        target = place / named(exporter.name, variant)
        done.append(_export(exporter, Subject(refit, variant, wanted.tools), target, wanted.rows, say))
    return done


def verify(artefact: Path, run: Path, rows: int = USUAL_ROWS) -> Parity:
    """Runs the gate on an artefact that was exported before, against a run.

    Raises:
        NotFoundError: the artefact is none of ours.
        JobError: the run has no fit that could be exported so.
    """
    passport = _passport(artefact)
    exporter = EXPORTERS.get(str(passport["exporter"]))
    refit = fit_at(run, str(passport["unit"]))
    known = []
    if refit is None:
        refit = final_fit(run)
        known.append(
            f"it was exported from another fit: {passport['method']} {passport['unit']} of "
            f"{passport['run']}, and {run} has {refit.unit.method} {refit.unit.address}"
        )
    subject = Subject(refit, str(passport["variant"]))
    if why := exporter.unsuited(subject):
        raise JobError(f"{artefact} cannot be compared with {run}: {why}.")
    known += _changed(artefact, passport, subject)
    return examine(subject, exporter, artefact, choose_rows(refit, rows), known)


def tools_of(texts: Sequence[str]) -> dict[str, Path]:
    """`name=path` texts of the command line.

    Raises:
        JobError: one is not of that form, or its program is not there.
    """
    tools = {}
    for text in texts:
        name, _, path = text.partition("=")
        if name not in TOOLS or not path:
            raise JobError(f"--tool {text}: write NAME=PATH with a name among {', '.join(TOOLS)}.")
        if not Path(path).is_file():
            raise JobError(f"--tool {text}: there is no file {path}.")
        tools[name] = Path(path)
    return tools


def _usual(refit: Refit) -> tuple[Exporter, str]:
    """The format of an arm where the user names none."""
    for name in USUAL:
        exporter = EXPORTERS.get(name)
        if not exporter.unsuited(Subject(refit)):
            return exporter, next(iter(exporter.variants), "")
    raise JobError(
        f"{refit.unit.method} has no model of its own that could be exported: name an arm that was fitted, "
        "as in --arm lora, or use `tuneworthy predict`."
    )


def _parted(text: str) -> tuple[Exporter, str]:
    """ "gguf:q8_0" as exporter and variant.

    Raises:
        JobError: there is no such exporter, or it has no such variant.
    """
    name, _, variant = text.strip().partition(":")
    exporter = EXPORTERS.get(name)
    if variant and variant not in exporter.variants:
        known = ", ".join(exporter.variants) or "none"
        raise JobError(f"{name} has no variant '{variant}': known: {known}.")
    return exporter, variant or next(iter(exporter.variants), "")


def _export(exporter: Exporter, subject: Subject, target: Path, rows: int, say: Say) -> Exported:
    """Writes aside, asks, and renames; a failure leaves what the gate saw, and no artefact."""
    name, refit = target.name, subject.refit
    partial = target.with_name(f".{name}.{os.getpid()}.partial")
    failed = target.with_name(f"{name}.failed.json")
    shutil.rmtree(partial, ignore_errors=True)
    make_folder(partial)
    try:
        say(f"{name}: writing")
        exporter.write(subject, partial)
        chosen = choose_rows(refit, rows)
        say(f"{name}: asking it {len(chosen)} rows in a fresh process, and the fit in this one")
        parity = examine(subject, exporter, partial, chosen)
        if not parity.passed:
            write_text(failed, to_json(parity))
            kept = f" Nothing was kept; what the gate saw, the row's prompt with it, is in {failed}."
            raise ParityError(failure(parity, refit.unit.labels, kept))
        if target.exists():
            say(f"{name}: the earlier export in {target} is replaced")
        _label(partial, exporter, subject, parity)
        _reveal(partial, target)
        failed.unlink(missing_ok=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    say(f"{name}: passed, {parity.same} of {parity.rows} answers the same")
    return Exported(target, parity)


def failure(parity: Parity, labels: Sequence[str] = (), tail: str = "") -> str:
    """Why the gate fails, the first differing row named; no text of the row is in it, `labels` may be."""
    text = f"{parity.artefact} does not answer as the fit it was made from: {'; '.join(parity.causes)}."
    if (first := parity.first) is not None:
        answers = f" ({first.expected!r} became {first.found!r})" if first.expected in labels else ""
        text += f" The first row that differs is {first.row}{answers}"
        if first.found_tokens is not None:
            last = ", ".join(map(str, first.found_tokens[-SHOWN_TOKENS:]))
            text += f"; its prompt has {len(first.found_tokens)} tokens, the last {last}"
        text += "."
    return text + tail


def _label(folder: Path, exporter: Exporter, subject: Subject, parity: Parity) -> None:
    """Passport and model card."""
    refit = subject.refit
    unit = refit.unit
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    passport = {
        "format": FORMAT,
        "version": version("tuneworthy"),
        "exporter": exporter.name,
        "variant": subject.variant,
        "run": refit.run.resolve().name,
        "method": unit.method,
        "unit": unit.address,
        "task": unit.task,
        "instruction": unit.instruction,
        "prompt": unit.prompt,
        "labels": list(unit.labels),
        "base_models": {role: ref.model_dump() for role, ref in unit.models.items()},
        "files": {path.relative_to(folder).as_posix(): file_digest(path) for path in files},
        "parity": parity.model_copy(update={"first": None}).model_dump(mode="json"),  # it quotes a row
    }
    write_text(folder / PASSPORT, to_json(passport))
    contents = load_contents(refit.run)
    write_text(folder / CARD, render_card(contents, exporter.title, exporter.usage(subject), unit, parity))


def _passport(artefact: Path) -> dict[str, Any]:
    try:
        passport = json.loads((artefact / PASSPORT).read_text(encoding="utf-8"))
        if not {"exporter", "variant", "unit", "method", "run", "files", "labels"} <= set(passport):
            raise ValueError
        return dict(passport)
    except (OSError, ValueError, TypeError) as error:
        raise NotFoundError(
            f"{artefact} is no export of tuneworthy ({PASSPORT} is missing or damaged): name the folder that "
            "`tuneworthy export` has written."
        ) from error


def changed_files(artefact: Path, passport: Mapping[str, Any]) -> list[str]:
    """The files that are gone or differ from those that were exported, as sentences."""
    causes = []
    for name, digest in passport["files"].items():
        if not (artefact / name).is_file():
            causes.append(f"{name} is gone since the export")
        elif file_digest(artefact / name) != digest:
            causes.append(f"{name} has changed since the export")
    return causes


def _changed(artefact: Path, passport: Mapping[str, Any], subject: Subject) -> list[str]:
    """What is no longer as it was exported: files, labels."""
    causes = changed_files(artefact, passport)
    ours = list(subject.refit.unit.labels)
    if list(passport["labels"]) != ours:
        causes.append(f"the labels differ: the fit has {ours}, its {PASSPORT} {passport['labels']}")
    return causes


def _reveal(partial: Path, target: Path) -> None:
    """The new folder under its name; an earlier one makes room for it."""
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)
