"""A judge: a model behind an endpoint that compares two arms' answers row by row, in both orders.

It is a second opinion where the task's metric counts words. The verdict does not know of it.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from tuneworthy.core.endpoint import endpoint_of
from tuneworthy.core.errors import JobError, ModelError
from tuneworthy.core.example import Example
from tuneworthy.core.job import Job
from tuneworthy.core.judgement import JudgedRow, Judgement, Preference
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.assemble import ArmOutput, Scores, leading_pair, token_price
from tuneworthy.evaluation.details import row_scores
from tuneworthy.evaluation.preferences import counted_preferences
from tuneworthy.metrics import METRICS, Metric, oriented
from tuneworthy.models.chat import Answer, ChatClient, Unanswered, counted_tokens
from tuneworthy.models.endpoint import endpoint_folder
from tuneworthy.tasks import Message, Task
from tuneworthy.units.plan import Question

STREAM = 11  # of the seed: which rows are judged
NO_ANSWER = "(no answer)"
ASKED = (
    "You compare two answers to the same input. {rubric} Prefer none for its place or its length. "
    "Reply with one word: A, B or tie."
)
SHOWN = """\
The task: {instruction}

<input>
{input}
</input>

<reference>
{reference}
</reference>

<answer_a>
{a}
</answer_a>

<answer_b>
{b}
</answer_b>

Which answer is better: A, B or tie?"""
READ = re.compile(r"\W*(?:answer\W+)?(a|b|tie)\W*", re.IGNORECASE)


def check_judge(job: Job, task: Task) -> None:
    """Makes sure that the judge can be asked, before anything is written.

    Raises:
        JobError: it is no endpoint, or answers are labels, which need no judge.
        MissingExtraError: the library that asks it is not installed.
    """
    if job.judge.model is None:
        return
    endpoint = endpoint_of(job.judge.model)
    if endpoint is None:
        raise JobError(
            f"judge.model = '{job.judge.model}': a judge is asked at an endpoint, openai:<model>@<url>."
        )
    if not task.open:
        raise JobError(
            f"a judge compares texts, and {task.name} asks for labels, which are right or wrong: leave judge "
            "out."
        )
    endpoint_folder(endpoint)


def judge(
    job: Job,
    question: Question,
    outputs: Sequence[ArmOutput],
    scores: Scores,
    truth: Mapping[str, Example],
) -> Judgement | None:
    """The best tuned arm against the best untuned one, or the two best where nothing is tuned.

    Up to `judge.rows` test rows, drawn by the seed. Equal answers are a tie without being shown. None without
    a judge or a second arm; a judge that cannot be asked is a judgement with a reason, not an error: all that
    was measured stays.
    """
    endpoint, pair = endpoint_of(job.judge.model or ""), leading_pair(scores)
    if endpoint is None or pair is None:
        return None
    method, against = pair
    by_arm = {output.method: {p.example_id: p for p in output.predictions} for output in outputs}
    ours, theirs = by_arm[method], by_arm[against]
    drawn = _drawn(sorted(ours), job.judge.rows, job.seed)
    shown = [row for row in drawn if ours[row].value != theirs[row].value]
    chats = [
        _chat(job.judge.rubric, question.instruction, truth[row], *answers)
        for row in shown
        for answers in ((ours[row], theirs[row]), (theirs[row], ours[row]))
    ]
    known = {"model": endpoint.title, "rubric": job.judge.rubric, "method": method, "against": against}
    try:
        answers = ChatClient(endpoint).ask(chats, job.judge.max_answer_tokens)
    except ModelError as error:
        return Judgement(**known, reason=str(error))
    judged = [JudgedRow(id=row, identical=True) for row in drawn if row not in shown]
    for row, first, second in zip(shown, answers[::2], answers[1::2], strict=True):
        if not isinstance(first, Unanswered) and not isinstance(second, Unanswered):
            judged.append(
                JudgedRow(id=row, shown_first=_read(first, True), shown_second=_read(second, False))
            )
    if not judged:
        return Judgement(**known, reason="no row was judged in both orders")
    metric = METRICS.get(question.metric)
    ids = [row.id for row in judged]
    leads = _leads(
        metric, [ours[i] for i in ids], [theirs[i] for i in ids], [truth[i] for i in ids], question
    )
    counts = counted_preferences(
        judged,
        truth,
        dict(zip(ids, leads, strict=True)),
        method=method,
        metric=metric.name,
        confidence=job.confidence,
        resamples=job.resamples,
        seed=job.seed,
    )
    given = [answer for answer in answers if isinstance(answer, Answer)]
    tokens = counted_tokens(given)
    prices = (job.judge.price_per_million_input_tokens, job.judge.price_per_million_output_tokens)
    return Judgement(
        **known,
        **counts,
        unanswered=len(drawn) - len(judged),
        requests=len(given),
        prompt_tokens=tokens[0],
        completion_tokens=tokens[1],
        money=token_price(tokens, prices),
        rows=tuple(sorted(judged, key=lambda row: row.id)),
    )


def _drawn(ids: Sequence[str], count: int, seed: int) -> list[str]:
    order = np.random.default_rng([seed, STREAM]).permutation(len(ids))[:count]
    return [ids[i] for i in sorted(order)]


def _chat(rubric: str, instruction: str, row: Example, a: Prediction, b: Prediction) -> list[Message]:
    text = SHOWN.format(
        instruction=instruction,
        input=row.input,
        reference=row.target,
        a=a.value or NO_ANSWER,
        b=b.value or NO_ANSWER,
    )
    return [
        {"role": "system", "content": ASKED.format(rubric=rubric)},
        {"role": "user", "content": text},
    ]


def _read(answer: Answer, ours_is_a: bool) -> Preference | None:
    """Whose answer was preferred; None where the judge said something else."""
    first_line = answer.said.strip().split("\n", 1)[0]
    found = READ.fullmatch(first_line)
    if found is None:
        return None
    word = found[1].lower()
    if word == "tie":
        return "tie"
    return "first" if (word == "a") == ours_is_a else "second"


def _leads(
    metric: Metric,
    ours: Sequence[Prediction],
    theirs: Sequence[Prediction],
    rows: Sequence[Example],
    question: Question,
) -> list[float]:
    """By how much the metric puts `ours` ahead, row by row; better is positive."""
    a, b = (row_scores(metric, predictions, rows, question.labels) for predictions in (ours, theirs))
    return [float(lead) for lead in oriented(metric, a - b)]
