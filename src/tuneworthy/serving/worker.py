"""The process that computes: loads fits, then predicts what it is asked, in JSON lines.

It is apart from the server so that a model that the kernel kills, or that crashes, takes no client along.
"""

import json
from functools import partial
from pathlib import Path
from typing import IO, Any

from tuneworthy.models.sharing import bases_shared
from tuneworthy.units.executors.lines import converse, failed
from tuneworthy.units.predictor import Predictor
from tuneworthy.units.refit import Refit, read_unit

Predictors = dict[str, Predictor]


def answer(predictors: Predictors, request: dict[str, Any], answers: IO[str]) -> None:
    """Loads the fits of the first request; predicts the texts of every other.

    Whether texts may leave this machine was settled before they came here.
    """
    try:
        if "fits" in request:
            _load(predictors, request)
            said: dict[str, Any] = {"kind": "ready"}
        else:
            found = predictors[request["name"]].predict(request["texts"], send_rows=True)
            said = {"kind": "predicted", "predictions": [one.model_dump() for one in found]}
    except Exception as error:
        said = failed(error)
    answers.write(json.dumps(said) + "\n")


def _load(predictors: Predictors, request: dict[str, Any]) -> None:
    """Every fit into memory, and a first answer of each, which is the slowest."""
    import torch

    torch.set_num_threads(int(request["threads"]))
    with bases_shared():
        for name, given in request["fits"].items():
            run = Path(given["run"])
            models = {role: Path(folder) for role, folder in given["models"].items()}
            refit = Refit(run, read_unit(run, given["unit"]), models)
            predictor = Predictor(run, refit=refit)
            if not predictor.endpoints and not refit.setting.task.open:
                predictor.predict(["a text"])
            predictors[name] = predictor


if __name__ == "__main__":
    converse(partial(answer, {}))
