"""Question answering: a short answer, usually out of a context that comes with the question.

An empty list of acceptable answers says that the context holds none; it is written, and read, as "no answer".
Questions with a closed set of answers (yes, no, maybe) are a text-classification with two input columns.
Answers are compared by SQuAD's rules; F1 decides, since an answer that is nearly right is worth something.
"""

from tuneworthy.tasks import Task
from tuneworthy.tasks._open import OpenTask, first_line

PLUGIN: Task = OpenTask(
    name="question-answering",
    title="question answering",
    metrics=("answer_f1", "exact_match"),
    arms=("majority", "nearest", "sentence", "zero_shot", "few_shot", "knn_shot", "span", "lora"),
    told="Answer the question with a few words out of the context, and write nothing else.",
    read=first_line,
)
