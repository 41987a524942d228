"""The audit: what the training rows really teach, checked before any compute is spent.

The most expensive fault in the field is silent: a masked label, a stop token that is never trained, a target
that was cut off. Each raises here, with the row it was found in.
"""

from collections.abc import Sequence

from tuneworthy.core.errors import AuditError
from tuneworthy.core.example import Example
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.models.decoder import Decoder
from tuneworthy.tasks import Task


def audit_rows(
    decoder: Decoder, task: Task, rows: Sequence[EncodedRow], examples: Sequence[Example], max_tokens: int
) -> None:
    """Passes silently, or raises AuditError at the first row that would not teach its answer.

    Checked for each row: at least one supervised token besides the stop token; the stop token is supervised
    and last; no supervised token lies in the prompt (the prompt ends where the answer begins); the answer
    decodes back to what the task makes of the target; prompt and answer fit into `max_tokens`.
    """
    special = set(decoder.tokenizer.all_special_ids)
    for row, example in zip(rows, examples, strict=True):
        where = f"row {example.row}"
        if len(row.answer) < 2:
            raise AuditError(f"{where}: nothing but the stop token would be trained; its answer is empty.")
        if row.answer[-1] not in special:
            raise AuditError(
                f"{where}: the answer does not end in a stop token, so the model would not stop."
            )
        if any(token in special for token in row.answer[:-1]):
            raise AuditError(f"{where}: its answer contains one of the model's special tokens; rename it.")
        written = decoder.tokenizer.decode(list(row.answer[:-1]))
        wanted = decoder.apart(task.format(example.target or ""))
        if written.strip() != wanted.strip():
            # A label may be quoted; what a row says stands in no message.
            shown = "" if task.open else f" {wanted!r} reads {written!r} then:"
            raise AuditError(
                f"{where}: the tokenizer does not keep its answer;{shown} "
                f"{'change' if task.open else 'rename'} it."
            )
        if row.length > max_tokens:
            raise AuditError(
                f"{where}: prompt and answer are {row.length} tokens, more than the {max_tokens} allowed, "
                "and a truncated target teaches nothing: shorten the text or raise lora.max_tokens."
            )


def show_row(decoder: Decoder, row: EncodedRow) -> str:
    """The row as the model sees it, supervised tokens between guillemets: prompt «answer»«stop»."""
    prompt = decoder.tokenizer.decode(list(row.prompt))
    supervised = "".join(f"«{decoder.tokenizer.decode([token])}»" for token in row.answer)
    return f"{prompt}{supervised}"
