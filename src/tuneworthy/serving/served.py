"""`ServedRun`: the final model of a run under a name, and what its answers become on their way out."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tuneworthy.core.errors import DataError, JobError, ModelError
from tuneworthy.core.prediction import Prediction
from tuneworthy.data.examples import input_text
from tuneworthy.data.forms import PLAIN, Cells, Form
from tuneworthy.data.table import blank, cell_text
from tuneworthy.evaluation.calibration import Calibration, log_scores, softened
from tuneworthy.models.endpoint import read_endpoint
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.tasks import TASKS, form_of
from tuneworthy.units.calibration import calibration_of
from tuneworthy.units.refit import Refit

BYTES_PER_TOKEN = 16  # more than texts have: what is longer is refused without being counted


@dataclass
class ServedRun:
    """One run that answers.

    Attributes:
        name: the `model` of requests.
        fit: the run's final model, which another process computes with.
        labels: the closed set of answers; empty where answers are texts.
        columns: the columns that a row's text is made of.
        form: how rows stand in a table.
        calibration: the temperature of its probabilities.
        most_tokens: the longest text that is accepted.
    """

    name: str
    fit: Refit
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    form: Form
    calibration: Calibration
    most_tokens: int
    _tokenizer: Any = field(default=None, repr=False)

    @property
    def open(self) -> bool:
        """Whether answers are texts of their own."""
        return not self.labels

    def read(self, given: Any) -> str:
        """The text of a request as the run's own rows were read.

        Args:
            given: a text, an object with the run's input columns, or whatever the input column held.

        Raises:
            DataError: it cannot be the input of this task.
            ValueError: it is blank.
        """
        row = given if isinstance(given, dict) and set(self.columns) <= set(given) else None
        if row is not None:
            cells = {name: cell_text(row[name], f"column {name}") for name in self.columns}
            text = input_text(cells, self.columns)
        else:
            text = cell_text(given, "the input") or ""
        if blank(text):
            raise ValueError("the input is blank")
        joined = row is not None and len(self.columns) > 1
        return self.form.read(Cells(text, None, joined)).input

    def require_columns(self, given: Any) -> None:
        """Raises DataError for an object in which a column of the run's rows is missing."""
        absent = [name for name in self.columns if isinstance(given, dict) and name not in given]
        if absent and self.form.read is PLAIN.read:
            raise DataError(f"there is no '{absent[0]}' in it: send a text, or an object with that column")

    def count_tokens(self, text: str) -> int:
        """Tokens of a text for the run's model; words where no model reads it."""
        if self._tokenizer is None:
            return len(text.split())
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def check_length(self, text: str) -> None:
        """Raises OverflowError when the text has more tokens than are accepted."""
        size = len(text.encode())
        if size <= self.most_tokens:  # no token is shorter than a byte
            return
        if size > BYTES_PER_TOKEN * self.most_tokens:
            raise OverflowError(
                f"the text has {size} bytes, far more than the {self.most_tokens} tokens accepted"
            )
        count = self.count_tokens(text)
        if count > self.most_tokens:
            raise OverflowError(f"the text has {count} tokens, more than the {self.most_tokens} accepted")

    def probabilities(self, prediction: Prediction) -> dict[str, float] | None:
        """Calibrated probability of each label; None where the arm gives none."""
        if prediction.scores is None or self.open:
            return None
        scores = log_scores(prediction, self.labels)
        table = softened(scores[None], self.calibration.temperature)[0]
        return dict(zip(self.labels, np.round(table, 6).tolist(), strict=True))


def load_served(refit: Refit, name: str, most_tokens: int, send_rows: bool) -> ServedRun:
    """What is known of one run without its model.

    Args:
        refit: its final fit.
        name: what requests call it.
        most_tokens: the longest text that is accepted.
        send_rows: texts may be sent to an endpoint on another machine.

    Raises:
        JobError: its arm asks an endpoint on another machine, and `send_rows` does not allow it.
    """
    run, unit = refit.run, refit.unit
    asked = map(read_endpoint, refit.models.values())
    away = [one for one in asked if one is not None and not one.is_local]
    if away and not send_rows:
        raise JobError(
            f"{run} answers by {away[0].title}, so every text would be sent there: --send-rows allows it."
        )
    facts = RunFolder(run).read("dataset.json")
    task = TASKS.get(unit.task)
    return ServedRun(
        name=name,
        fit=refit,
        labels=() if task.open else unit.labels,
        columns=tuple(facts["input_columns"]),
        form=form_of(task),
        calibration=Calibration(reason="answers are texts") if task.open else calibration_of(run, unit),
        most_tokens=most_tokens,
        _tokenizer=_tokenizer(refit),
    )


def _tokenizer(refit: Refit) -> Any:
    """A tokenizer of the run's model, for counting."""
    from tuneworthy.models.token_counts import tokenizer_of

    for folder in refit.models.values():
        with suppress(ModelError):
            return tokenizer_of(folder).tokenizer
    return None
