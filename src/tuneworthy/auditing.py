"""The audit on its own: encode every row, check it, show some."""

from dataclasses import dataclass

from tuneworthy import steps
from tuneworthy.core.endpoint import endpoint_of
from tuneworthy.core.errors import JobError
from tuneworthy.core.job import Job
from tuneworthy.data.loading import load
from tuneworthy.data.table import Table
from tuneworthy.engine.audit import audit_rows, show_row
from tuneworthy.engine.encoding import cut_input, encode_row
from tuneworthy.methods import METHODS
from tuneworthy.models.decoder import load_decoder
from tuneworthy.models.resolve import resolve
from tuneworthy.tasks import TASKS, form_of
from tuneworthy.tasks._prompted import with_prompt
from tuneworthy.units.plan import validated_parameters


@dataclass(frozen=True, slots=True)
class Audit:
    """Rows as the model sees them, and what was checked."""

    shown: tuple[str, ...]
    summary: str


def audit_job(job: Job, table: Table | None, rows: int) -> Audit:
    """Audits every row of the job for the lora arm.

    Raises:
        AuditError: a row would not teach its answer.
        JobError: the base model is behind an endpoint, which is not fine-tuned.
    """
    if endpoint_of(job.base_model) is not None:
        raise JobError(
            f"base_model = '{job.base_model}' is never fine-tuned, so there is nothing to audit: name a "
            "model with weights, for example --set base_model=smollm2-135m."
        )
    task = TASKS.get(job.task)
    data = load(job, table, form_of(task))
    examples = data.trainable()
    task.check_examples(examples)
    question = steps.ask(job, task, examples, data.json_schema)
    task = with_prompt(task, question.prompt, question.labels)
    parameters = validated_parameters(METHODS.get("lora"), job)
    decoder = load_decoder(resolve(job.base_model), "float32")
    limit = int(parameters["max_input_tokens"])
    cut = [e.model_copy(update={"input": cut_input(decoder, e.input, limit)}) for e in examples]
    encoded = [encode_row(decoder, task, question.instruction, example) for example in cut]
    longest = min(int(parameters["max_tokens"]), decoder.context_length)
    audit_rows(decoder, task, encoded, cut, longest)
    shortened = sum(a.input != b.input for a, b in zip(cut, examples, strict=True))
    supervised = sum(len(row.answer) for row in encoded)
    total = sum(row.length for row in encoded)
    return Audit(
        shown=tuple(show_row(decoder, row) for row in encoded[:rows]),
        summary=(
            f"{len(encoded)} rows passed: every label and its stop token are supervised, no prompt token is, "
            f"nothing is truncated out of a target. {supervised} of {total} tokens are supervised "
            f"(marked «so»); the longest row has {max(row.length for row in encoded)} of {longest} tokens; "
            f"{shortened} inputs were cut at {limit} tokens."
        ),
    )
