"""Text generation: a prompt or a chat in, a text out; chrF decides, which needs no tokenizer of the language.

What is wanted is for the job's own instruction to say. A chat reaches the model as its turns; its system turn
takes the place of the task's sentence, and follows the job's.
"""

from tuneworthy.data.forms import Form
from tuneworthy.tasks import Task
from tuneworthy.tasks._chats import holds_chat, read_chat
from tuneworthy.tasks._open import OpenTask

ANSWERS = ("completion", "response", "output", "answer")

PLUGIN: Task = OpenTask(
    name="text-generation",
    title="text generation",
    metrics=("chrf", "bleu", "exact_match"),
    arms=("majority", "nearest", "zero_shot", "few_shot", "knn_shot", "lora"),
    told="Answer as the examples do, and write nothing else.",
    form=Form(
        read=read_chat,
        holds_both=holds_chat,
        layouts=(
            (("instruction", "input"), "output"),
            (("instruction", "context"), "response"),
            *(((asked,), answer) for asked in ("prompt", "instruction") for answer in ANSWERS),
        ),
        target="answer",
    ),
)
