"""A base model of one's own: one that has read a field's texts, as an ordinary folder."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import JobError
from tuneworthy.core.hashing import address
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.data.documents import read_documents
from tuneworthy.methods import METHODS, Report
from tuneworthy.methods._adapting import ReadingParameters, read_on
from tuneworthy.models.fetch import Say
from tuneworthy.models.hardware import training_dtype
from tuneworthy.models.resolve import model_ref, resolve
from tuneworthy.runfolder.workspace import workspace
from tuneworthy.units.implementation import digest_of
from tuneworthy.units.plan import validated_parameters


def adapt_model(
    texts: Sequence[Path],
    base_model: str,
    output: Path,
    settings: dict[str, Any],
    seed: int = 0,
    say: Say = lambda text: None,
    report: Report = lambda step, steps, facts: None,
) -> dict[str, Any]:
    """Lets a base model read texts and writes what comes out; nothing when held-out texts are read worse.

    The same call again goes on where it was stopped. Nothing is known here of the rows that a later job
    tests on: the arm `adapt` leaves documents that are like them out.

    Args:
        texts: files of unlabelled text.
        base_model: a catalogue name, a Hugging Face id or a local folder.
        output: a new folder.
        settings: parameters of the arm `adapt`.
        seed: every random draw derives from it.
        say: told what is fetched.
        report: told step, steps and facts.

    Returns:
        Facts: `kept`, `before` and `after` in `measure`, and `told`, a sentence.

    Raises:
        TuneworthyError: the output is there already, or a file, model or parameter is no good.
    """
    if output.exists():
        raise JobError(f"{output} is there already: name a new --output.")
    given = validated_parameters(
        METHODS.get("adapt"), Job(data=DataSpec(path=""), methods={"adapt": settings})
    )
    documents = read_documents(texts, given["column"])
    parameters = ReadingParameters(**{name: given[name] for name in ReadingParameters.model_fields})
    folder = resolve(base_model, say)
    identity = [model_ref(base_model, folder).digest, documents, parameters.model_dump(), seed]
    code = digest_of(read_on.__module__)
    checkpoint = workspace() / "adapting" / address([*identity, code])
    adapted = read_on(folder, documents, parameters, seed, training_dtype(), checkpoint, report)
    if adapted.facts["kept"]:
        partial = output.with_name(f".{output.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        adapted.save(partial)
        partial.rename(output)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return adapted.facts
