"""`Job`: what to do. One frozen tree; help, documentation, validation and the JSON Schema derive from it.

A method's own parameters live beside the method (`methods/<name>.py`); a job carries them under the method's
name and the method validates them when the plan is made.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from tuneworthy.core.duration import seconds_of
from tuneworthy.core.errors import JobError
from tuneworthy.core.evidence import Thresholds
from tuneworthy.core.frozen import Frozen

Protocol = Literal["auto", "holdout", "crossfit"]
NO_RESULT_DEPENDS_ON = {
    "workers",
    "price_per_hour",
    "price_per_million_input_tokens",
    "price_per_million_output_tokens",
    "send_rows",
    "judge",
    "tracking",
    "forgetting",
}


def is_own_metric(metric: str) -> bool:
    """Whether a job's `metric` names a function in a file of the user's.

    >>> is_own_metric("my_metrics.py:profit"), is_own_metric("my_metrics.py"), is_own_metric("accuracy")
    (True, True, False)
    """
    return ".py:" in metric or metric.endswith(".py")


def own_metric(metric: str) -> tuple[Path, str]:
    """The file and the function that such a `metric` names.

    >>> file, function = own_metric("folder/my_metrics.py:profit")
    >>> file.name, function
    ('my_metrics.py', 'profit')
    """
    file, _, function = metric.rpartition(":")
    return Path(file), function


def is_template_file(prompt: str) -> bool:
    """Whether a job's `prompt` names a file: a template shows the text, and so it has a brace.

    >>> is_template_file("my prompt.txt"), is_template_file("Text: {{ input }}")
    (True, False)
    """
    return "\n" not in prompt and "{" not in prompt


def is_cluster(workers: str) -> bool:
    """Whether a job's `workers` names a Ray cluster.

    >>> [is_cluster(name) for name in ("ray", "auto", "ray://head:10001", "10.0.0.1:6379", "rya", "two")]
    [True, True, True, True, False, False]
    """
    host, _, port = workers.removeprefix("ray://").rpartition(":")
    return workers in ("ray", "auto") or (bool(host) and port.isdecimal())


class DataSpec(Frozen):
    """Where the rows are and which column means what."""

    path: str = Field(description="table of labelled rows: CSV, TSV, JSONL, Parquet or XLSX")
    input: tuple[str, ...] = Field(
        (), description="column(s) with the text; several are joined as 'name: value' lines"
    )
    target: str | None = Field(
        None, description="column with the label; not set where a chat's last turn is the answer"
    )
    group: str | None = Field(
        None, description="column whose equal values never straddle a split (author, company, document)"
    )
    test: str | None = Field(None, description="a test file of your own, same columns; opened once")
    blank_means_none: bool = Field(
        False,
        description="keep rows with a blank target as ones with nothing to find (no answer, no entities, no "
        "labels); else they are left out",
    )


class JudgeSpec(Frozen):
    """Who compares the best two arms' answers, and by what; the verdict never depends on it."""

    model: str | None = Field(None, description="the judge: openai:<model>@<url>; default: nobody judges")
    rubric: str = Field(
        "Prefer the answer that says what the reference says and nothing that is wrong.",
        description="what makes an answer the better one",
    )
    rows: int = Field(50, ge=1, description="test rows that are judged at most, drawn by the seed")
    max_answer_tokens: int = Field(
        16, ge=1, description="tokens of the judge's reply, its thoughts included; it is asked for one word"
    )
    price_per_million_input_tokens: float | None = Field(
        None, ge=0, description="what the judge charges for a million tokens it reads"
    )
    price_per_million_output_tokens: float | None = Field(
        None, ge=0, description="what the judge charges for a million tokens it writes"
    )


class SearchSpec(Frozen):
    """How settings are searched before an arm is measured; on validation rows only."""

    trials: int = Field(
        0, ge=0, le=100, description="settings tried per arm and fold, the default among them; 0: no search"
    )
    budget: float = Field(
        4.0,
        ge=1,
        description="steps that the search of a fine-tuned arm may take, in fits of its default",
    )
    arms: tuple[str, ...] = Field(
        (), description="the arms to search; default: all that have settings worth it"
    )
    instructions: tuple[str, ...] = Field(
        (), description="other wordings of the instruction, tried for the prompting arms"
    )
    fewest_rows: int = Field(
        150, ge=1, description="training rows below which nothing is searched: validation would be luck"
    )


class CurveSpec(Frozen):
    """How much more rows would buy: arms are fitted on fewer rows as well."""

    arms: tuple[str, ...] | None = Field(
        None, description="arms with a learning curve; default: the cheap classifiers; []: none"
    )
    shares: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (0.125, 0.1875, 0.25, 0.375, 0.5, 0.75),
        description="three or more parts of the training rows to learn from; for a fine-tune 0.25 and 0.5",
    )


class Job(Frozen):
    """A complete job; every field has a default but `data`."""

    data: DataSpec
    task: str = Field("text-classification", description="the task's name, as the Hub's pipeline tags say it")
    instruction: str | None = Field(
        None, description="what the model is told to do; the task writes one when this is absent"
    )
    json_schema: str | None = Field(
        None,
        description="JSON Schema file that the records of structured-extraction follow; default: inferred "
        "from the training targets",
    )
    constrain: bool = Field(
        True,
        description="write an answer that breaks the JSON Schema again so that it follows it; the share that "
        "needed it is reported",
    )
    prompt: str | None = Field(
        None,
        description="Jinja template of the user's turn, or a file that holds it, with the "
        "variables input, instruction and labels; default: the input alone",
    )
    metric: str = Field(
        "auto",
        description="primary metric; auto: the task's (accuracy, or macro_f1 when one label holds 80% of the "
        "rows; answer_f1, rouge_l, chrf); or a function of your own, my_metrics.py:profit",
    )
    arms: tuple[str, ...] = Field(
        (), description="the methods to compare, by file name in methods/; default: all that suit the task"
    )
    base_model: str = Field(
        "smollm2-135m",
        description="decoder: a catalogue name, a Hugging Face id, a local folder, or openai:<model>@<url> "
        "(an OpenAI-compatible endpoint, which is prompted and never fine-tuned)",
    )
    prompt_model: str | None = Field(
        None, description="decoder of the prompting arms, named as base_model is; default: base_model"
    )
    embedding_model: str = Field(
        "minilm", description="encoder for probe and knn_shot: a catalogue name, an id or a folder"
    )
    protocol: Protocol = Field(
        "auto",
        description="holdout, or crossfit (every row predicted once by a model that never saw it); "
        "auto: holdout with a test file or from 1,000 rows on, else crossfit",
    )
    folds: int = Field(5, ge=2, le=20, description="folds of a crossfit")
    test_fraction: float = Field(0.25, ge=0.02, le=0.9, description="share of rows held out under holdout")
    validation_fraction: float = Field(
        0.15, ge=0.02, le=0.5, description="share of the training part that chooses checkpoints"
    )
    seed: int = Field(0, ge=0, description="every random draw derives from it")
    seeds: int | None = Field(
        None,
        ge=1,
        le=20,
        description="fits of each fine-tuned arm, on as many seeds; their mean is reported; default 1; 3 "
        "with a search, and for encoder under holdout",
    )
    search: SearchSpec = Field(
        default_factory=lambda: SearchSpec(), description="search for better settings of the arms"
    )
    curve: CurveSpec = Field(
        default_factory=lambda: CurveSpec(), description="learning curves: what more rows would buy"
    )
    budget: str | None = Field(
        None,
        description="time the whole run may take, such as 10m or 1h; what does not fit is left out, the "
        "least telling first, and what that costs in certainty is said",
    )
    sequential: bool = Field(
        False,
        description="under crossfit: measure fine-tuned arms fold after fold and stop as soon as the answer "
        "is shown or can hardly change; the error rate holds over all looks",
    )
    resamples: int = Field(10_000, ge=100, description="bootstrap and permutation resamples")
    judge: JudgeSpec = Field(
        default_factory=lambda: JudgeSpec(), description="a second opinion on texts by another model"
    )
    forgetting: bool = Field(
        True,
        description="measure what the best fine-tuned decoder can still do besides the task, before and "
        "after: general texts, questions, forms of answers, refusals",
    )
    verdict: Thresholds = Field(default_factory=lambda: Thresholds(), description="the verdict's thresholds")
    tune: bool = Field(True, description="fine-tune at all; false compares the untuned arms alone")
    train_anyway: bool = Field(
        False, description="fine-tune even when an untuned arm already meets the target score"
    )
    accept: tuple[str, ...] = Field((), description="codes of blocking findings to accept, e.g. TW002")
    threads: int | None = Field(
        None,
        ge=1,
        description="threads per unit; default: the cores, shared among the units that run side by side",
    )
    workers: int | str | None = Field(
        None,
        description="units at a time (default: cores / threads); or where they run: ray (a Ray cluster of "
        "this machine alone), or the address of a cluster: ray://head:10001, host:port, auto",
    )
    price_per_hour: float | None = Field(
        None, ge=0, description="what this machine costs per hour, in your currency; adds money to the costs"
    )
    price_per_million_input_tokens: float | None = Field(
        None, ge=0, description="what an endpoint charges for a million tokens it reads, in your currency"
    )
    price_per_million_output_tokens: float | None = Field(
        None, ge=0, description="what an endpoint charges for a million tokens it writes, in your currency"
    )
    send_rows: bool = Field(
        False, description="rows may be sent to an endpoint on another machine; nothing is sent without it"
    )
    tracking: tuple[str, ...] = Field(
        (),
        description="dashboards that are told of the run, by file name in trackers/: trackio, wandb, mlflow, "
        "tensorboard; default: none",
    )
    methods: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="parameters by method; in the file each method is a section of its own",
    )

    @field_validator("workers", mode="before")
    @classmethod
    def _is_a_number_or_a_cluster(cls, workers: object) -> object:
        """A count, or something that can be an address: a misspelt `ray` is no host without a port.

        Raises:
            JobError: an address holds a user or a password, which is not repeated.
        """
        if isinstance(workers, str) and "@" in workers:
            raise JobError(
                "the address in workers holds a user or a password, which a run folder would keep: name the "
                "bare address, and put the cluster's token into the environment as RAY_AUTH_TOKEN."
            )
        counts = isinstance(workers, int) and not isinstance(workers, bool) and workers >= 1
        if workers is None or counts or (isinstance(workers, str) and is_cluster(workers)):
            return workers
        raise ValueError("a whole number from 1 on, ray, or a cluster's address such as ray://head:10001")

    @property
    def at_a_time(self) -> int | None:
        """Units that run side by side, where the job says so."""
        return self.workers if isinstance(self.workers, int) else None

    @field_validator("budget", mode="before")
    @classmethod
    def _is_a_duration(cls, budget: object) -> object:
        """A bare number is refused with the forms that are meant: nobody knows its unit."""
        if budget is not None:
            seconds_of(str(budget))
        return budget

    @property
    def confidence(self) -> float:
        """Of every interval: the verdict's `alpha` is the one knob, so that neither loosens the other."""
        return 1 - self.verdict.alpha

    def identity(self) -> dict[str, Any]:
        """The part of the job that decides the results: how many workers run at a time does not.

        What may end a run early counts only where there is such, as with `Unit.address`.
        """
        ends = {"budget": self.budget is not None, "sequential": self.sequential}
        unsaid = {name for name, said in ends.items() if not said}
        return self.model_dump(mode="json", exclude=NO_RESULT_DEPENDS_ON | unsaid)
