"""Which arms a job compares, which models they use, and where rows would go for it."""

from collections.abc import Sequence

from tuneworthy.core.endpoint import Endpoint, endpoint_of, require_consent
from tuneworthy.core.errors import JobError
from tuneworthy.core.evidence import FineTuning
from tuneworthy.core.example import Example
from tuneworthy.core.job import CurveSpec, Job, JudgeSpec
from tuneworthy.core.unit import ModelRole
from tuneworthy.data.splits import Split
from tuneworthy.methods import METHODS, Demonstrating, Method, Selective
from tuneworthy.tasks import Task
from tuneworthy.units.plan import method_of, needed_roles, validated_parameters


def with_arms(job: Job, task: Task, rows: Sequence[Example]) -> Job:
    """The job with the task's own arms where it names none; those that cannot run here are left out.

    Raises:
        JobError: an arm that the job names is unknown, cannot answer what the task asks for, or needs weights
            that an endpoint keeps to itself.
    """
    if endpoint_of(job.embedding_model) is not None:
        raise JobError(f"embedding_model = '{job.embedding_model}': an endpoint can only be prompted here.")
    for arm in job.arms:
        method = method_of(arm, job)
        if lacks_weights(job, method):
            raise JobError(
                f"{arm} needs the weights of base_model, which an endpoint does not give: name the endpoint "
                "as prompt_model and a model of your own as base_model, or leave the arm out."
            )
        if reason := unsuited(method, task, rows):
            suited = [name for name in METHODS.names() if not unsuited(METHODS.get(name), task, rows)]
            raise JobError(
                f"{arm} cannot be compared on {task.name}, since {reason}: choose among {', '.join(suited)}."
            )
    methods = [METHODS.get(arm) for arm in task.arms]
    usual = [m.name for m in methods if not lacks_weights(job, m) and not unsuited(m, task, rows)]
    arms = job.arms or tuple(usual)
    if not job.tune:
        left_out = {arm for arm in arms if METHODS.get(arm).kind == "tuned"}
        arms = tuple(arm for arm in arms if arm not in left_out)
        if not arms:
            raise JobError("no untuned arm is left: name at least one, for example --arms tfidf,zero_shot.")
        job = _without(job, left_out)
    return job.model_copy(update={"arms": arms})


def _without(job: Job, left_out: set[str]) -> Job:
    """The job without a search or a learning curve of these arms."""
    searched = tuple(arm for arm in job.search.arms if arm not in left_out)
    search = {"arms": searched} if searched or not job.search.arms else {"arms": (), "trials": 0}
    curve = {
        "arms": None if job.curve.arms is None else tuple(a for a in job.curve.arms if a not in left_out)
    }
    return job.model_copy(
        update={
            "search": job.search.model_copy(update=search),
            "curve": job.curve.model_copy(update=curve),
        }
    )


def unsuited(method: Method, task: Task, rows: Sequence[Example]) -> str:
    """Why a method cannot answer a task, in a clause; empty when it can."""
    own = method.unsuited(task, task.labels(rows), rows) if isinstance(method, Selective) else ""
    wanted = "texts" if task.open else "labels"
    if own or method.answers in (wanted, "any"):
        return own
    return f"it answers with {method.answers}, which {task.name} does not ask for"


def not_compared(job: Job, task: Task, rows: Sequence[Example]) -> dict[str, str]:
    """Every method that is no arm of the job, and why."""
    reasons = {}
    for name in METHODS.names():
        if name in job.arms:
            continue
        method = method_of(name, job)
        if reason := unsuited(method, task, rows):
            reasons[name] = reason
        elif not job.tune and method.kind == "tuned":
            reasons[name] = "nothing is fine-tuned (tune: false, as in baseline)"
        elif lacks_weights(job, method):
            reasons[name] = "it needs the weights of base_model, which is an endpoint here"
        elif name in task.arms:
            reasons[name] = "the job leaves it out"
        else:
            reasons[name] = "it runs where a job names it"
    return reasons


def lacks_weights(job: Job, method: Method) -> bool:
    """Whether the method needs weights where the base model is behind an endpoint."""
    return "decoder" in method.models and endpoint_of(job.base_model) is not None


def fine_tuning_of(job: Job) -> FineTuning:
    """Whether the job can fine-tune, and why not."""
    if endpoint_of(job.base_model) is not None:
        return "no_weights"
    return "open" if job.tune else "left_out"


def without_models(job: Job) -> Job:
    """The job with only the arms that need no model, no judge and no learning curve."""
    arms = tuple(arm for arm in job.arms if not METHODS.get(arm).models)
    nothing = {"judge": JudgeSpec(), "curve": CurveSpec(arms=())}
    return job.model_copy(update={"arms": arms or ("majority",), **nothing})


def model_names(job: Job) -> dict[ModelRole, str]:
    """What the job calls the model of each role."""
    return {
        "decoder": job.base_model,
        "embedder": job.embedding_model,
        "prompter": job.prompt_model or job.base_model,
    }


def endpoints(job: Job) -> list[Endpoint]:
    """The endpoints that the job's arms ask."""
    names = model_names(job)
    found = (endpoint_of(names[role]) for role in needed_roles(job))
    return [endpoint for endpoint in found if endpoint is not None]


def check_consent(job: Job, split: Split) -> None:
    """Raises ConsentError when rows would be sent to another machine and the job does not allow it."""
    asked, judge = endpoints(job), endpoint_of(job.judge.model or "")
    tested = len(split.test_ids)
    if all(endpoint.is_local for endpoint in asked):
        rows = min(tested, job.judge.rows)
    else:
        training = len(set(split.rows(split.everything)) - set(split.test_ids))
        rows = tested + max(_demonstrations(arm, job, training) for arm in job.arms)
    require_consent(asked if judge is None else [*asked, judge], rows, job.send_rows)


def _demonstrations(arm: str, job: Job, rows: int) -> int:
    """How many of so many rows, which are not asked about, an arm shows to the model it prompts."""
    method = METHODS.get(arm)
    if not isinstance(method, Demonstrating):
        return 0
    return method.shown(method.Parameters.model_validate(validated_parameters(method, job)), rows)
