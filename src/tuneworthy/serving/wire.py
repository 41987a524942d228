"""What goes over the wire: requests and answers, as the OpenAPI page shows them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Given = Annotated[
    Any,
    Field(
        description="the text; or an object with the run's input columns; or whatever the input column held "
        "in training (a list of tokens, the turns of a chat)",
        examples=["Where is my parcel?"],
    ),
]
Model = Annotated[
    str | None, Field(description="a name out of /v1/models; may be left out where one run is served")
]
AbstainBelow = Annotated[
    float,
    Field(ge=0, le=1, description="below this confidence the label is withheld and `abstained` is true"),
]


class PredictRequest(BaseModel):
    """One text."""

    model_config = ConfigDict(extra="forbid")

    input: Given
    model: Model = None
    abstain_below: AbstainBelow = 0.0


class BatchRequest(BaseModel):
    """Several texts."""

    model_config = ConfigDict(extra="forbid")

    inputs: list[Given] = Field(min_length=1)
    model: Model = None
    abstain_below: AbstainBelow = 0.0


class Predicted(BaseModel):
    """What the run answers to one text."""

    label: str | None = Field(None, description="the most probable label; null where the run abstained")
    answer: Any = Field(None, description="where answers are no labels: a text, a number, a list, an object")
    status: Literal["parsed", "unparseable", "failed"] = Field(
        "parsed", description="parsed, or why there is no answer: unparseable, failed"
    )
    confidence: float | None = Field(None, description="calibrated probability of the label")
    probabilities: dict[str, float] | None = Field(None, description="calibrated, of every label")
    abstained: bool = False


class PredictResponse(Predicted):
    """One answer."""

    model: str
    latency_s: float = Field(description="seconds from the request's arrival to its answer, waiting included")


class BatchResponse(BaseModel):
    """Answers in the order of the inputs."""

    model: str
    predictions: list[Predicted]
    latency_s: float


class SystemOneRequest(BaseModel):
    """Typed questions about a state, as `transformers serve` takes them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Model = None
    state: str | dict[str, Any] | list[Any]
    questions: dict[str, dict[str, Any]] = Field(
        min_length=1,
        max_length=64,
        examples=[{"label": {"type": "choice", "criteria": {"refund": None, "delivery": None}}}],
    )
    assets: dict[str, dict[str, Any]] = Field(default_factory=dict, max_length=4)


class OpenAIChoice(BaseModel):
    """An option."""

    value: str | bool
    description: str | None = None


class OpenAILevel(BaseModel):
    """A level of a scale."""

    label: str
    description: str | None = None


class OpenAIQuestion(BaseModel):
    """A predicate, a choice or a score."""

    type: Literal["predicate", "choice", "score"]
    name: str | None = None
    instructions: Any = None
    choices: list[OpenAIChoice] | None = Field(None, min_length=2, max_length=255)
    levels: list[OpenAILevel] | None = Field(None, min_length=1)


class OpenAIDecisionRequest(BaseModel):
    """What the openai client's `decisions.create` sends; fields on caching are not needed here."""

    model: Model = None
    input: str | list[dict[str, Any]]
    questions: list[OpenAIQuestion] = Field(min_length=1, max_length=400)


class ErrorBody(BaseModel):
    """OpenAI's shape of an error."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorResponse(BaseModel):
    """Every error of every route."""

    error: ErrorBody
