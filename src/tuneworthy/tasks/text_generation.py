"""Text generation: a prompt in, a text out; chrF decides, which needs no tokenizer of the language.

What is wanted is for the job's own instruction to say.
"""

from tuneworthy.tasks import Task
from tuneworthy.tasks._open import OpenTask

PLUGIN: Task = OpenTask(
    name="text-generation",
    title="text generation",
    metrics=("chrf", "bleu", "exact_match"),
    arms=("majority", "nearest", "zero_shot", "few_shot", "knn_shot", "lora"),
    told="Answer as the examples do, and write nothing else.",
)
