"""Summarization: a document in, a sentence or a few out; ROUGE-L decides.

How long a summary is meant to be is for the job's own instruction to say.
"""

from tuneworthy.data.forms import Form
from tuneworthy.tasks import Task
from tuneworthy.tasks._open import OpenTask

PLUGIN: Task = OpenTask(
    name="summarization",
    title="summarization",
    metrics=("rouge_l", "rouge_1", "rouge_2"),
    arms=("majority", "nearest", "lead", "zero_shot", "few_shot", "knn_shot", "lora"),
    told="Summarize the text in one sentence.",
    form=Form(
        layouts=(
            (("document",), "summary"),
            (("article",), "highlights"),
            (("dialogue",), "summary"),
        ),
        target="summary",
    ),
)
