"""Free first, constrained where needed: answers that break their JSON Schema are written again under it."""

from collections.abc import Sequence

from tuneworthy.core.example import Example
from tuneworthy.engine.constraint import Constraint
from tuneworthy.engine.generation import generate
from tuneworthy.engine.scoring import Progress
from tuneworthy.methods import Setting
from tuneworthy.models.decoder import Decoder
from tuneworthy.tasks import Schema, Structured
from tuneworthy.tasks._grammar import completed

ROOM = 2  # times the tokens of a free answer


def schema_of(setting: Setting, rows: Sequence[Example]) -> Schema | None:
    """What answers are held to: the user's JSON Schema, else the one of these rows' targets.

    None where the task has no such answers, or the job sets `constrain: false`.
    """
    if not setting.constrain or not isinstance(setting.task, Structured):
        return None
    return setting.json_schema or setting.task.schema(rows)


def write_constrained(
    decoder: Decoder,
    rules: str,
    prompts: Sequence[Sequence[int]],
    stop: Sequence[int],
    longest: int,
    tell: Progress,
) -> list[str]:
    """Greedy answers that follow the grammar, whatever the model.

    An answer that has not ended after twice the tokens of a free one is a runaway: what it has so far is kept
    and ended by the grammar in as few characters as it takes. A text that cannot be ended like that gives way
    to the shortest of the grammar.

    Args:
        decoder: the model.
        rules: the grammar, sound (`tasks._grammar.fault`).
        prompts: token ids, one list per row.
        stop: tokens that end an answer.
        longest: tokens of a free answer at most.
        tell: told rows done and rows in all.
    """
    constraint = Constraint(decoder, rules, stop)
    room = decoder.context_length - max(map(len, prompts))
    most = max(longest, min(ROOM * longest, room))
    guides = [constraint.guide() for _ in prompts]
    written = generate(decoder, prompts, stop, most, progress=tell, guides=guides)
    return [completed(rules, constraint.written(tokens)) or completed(rules, b"") or "" for tokens in written]
