"""What a container of a cloud tells the server: where its model lies, where to listen, who checks who asks.

SageMaker says `serve` and nothing else, Azure ML nothing at all: a run is found by the folder that was put
there. Before such a port stands the cloud's own authentication, and no key of ours could be sent through it.
That is so only where the environment says it: without BEHIND an open port wants a key, as everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuneworthy.core.errors import JobError

MODEL, BEHIND = "TUNEWORTHY_MODEL", "TUNEWORTHY_SERVE_BEHIND"
SAGEMAKER_MODEL, AZURE_MODEL = "/opt/ml/model", "AZUREML_MODEL_DIR"
GUARDS = {"sagemaker": "SageMaker", "azureml": "Azure ML"}  # those that let nobody through unasked
HOST, PORT = "0.0.0.0", 8080
FINAL = "model.json"


@dataclass(frozen=True, slots=True)
class Placed:
    """What is served in a container.

    Attributes:
        run: the run folder.
        behind: the cloud that has checked who asks, by a key of GUARDS; None where nobody has.
    """

    run: Path
    behind: str | None


def placed(environment: Mapping[str, str], sagemaker: Path = Path(SAGEMAKER_MODEL)) -> Placed | None:
    """The run that was put into this container; None where this is none.

    Args:
        environment: variables by name.
        sagemaker: where SageMaker unpacks a model.

    Raises:
        JobError: a model folder is named that holds no run, or a guard that nobody knows.
    """
    named = environment.get(MODEL) or environment.get(AZURE_MODEL)
    if named is None and not sagemaker.is_dir():
        return None
    folder = Path(named) if named is not None else sagemaker
    behind = environment.get(BEHIND)
    if behind is not None and behind not in GUARDS:
        raise JobError(f"{BEHIND} is '{behind}': known: {', '.join(GUARDS)}.")
    return Placed(_run_in(folder), behind)


def _run_in(folder: Path) -> Path:
    """The one run folder in a model folder; clouds put a folder or two around it."""
    found = [path.parent for path in folder.rglob(FINAL) if (path.parent / "units").is_dir()]
    if len(found) != 1:
        raise JobError(
            f"{folder} holds {len(found) or 'no'} run{'s' if len(found) > 1 else ''}, and one is served: put "
            "the folder there that `tuneworthy deploy` packs."
        )
    return found[0]
