"""Token classification: the entities of a text, each with its type."""

from collections.abc import Sequence

from tuneworthy.core.errors import DataError
from tuneworthy.core.example import Example
from tuneworthy.core.outline import outline
from tuneworthy.data.forms import Form
from tuneworthy.metrics._entities import NONE, entities_of, listed, written
from tuneworthy.tasks import Message
from tuneworthy.tasks._entity_cells import holds_entities, holds_tokens, read_entities
from tuneworthy.tasks._open import first_line
from tuneworthy.tasks._turns import chat, enough


class TokenClassification:
    """A target is a JSON list of objects with `type` and `text`; models write "type: words; type: words".

    An empty list is a text without entities. The labels are the types. Tags beside tokens, and spans with
    offsets, become such a list when the table is loaded.
    """

    name = "token-classification"
    title = "entities"
    metrics = ("entity_f1", "validity")
    arms = ("majority", "nearest", "dictionary", "zero_shot", "few_shot", "knn_shot", "tagger", "lora")
    open = True
    form = Form(
        read=read_entities,
        layouts=tuple(
            ((text,), target)
            for text in ("tokens", "words", "text", "sentence")
            for target in ("ner_tags", "tags", "ner", "entities", "spans", "label", "labels")
        ),
        nothing="[]",
        as_json=listed,
        holds_target=holds_entities,
        holds_input=holds_tokens,
        target="answer",
    )

    def check_examples(self, examples: Sequence[Example]) -> None:
        """Raises DataError when there are too few rows, or a target is no list of entities."""
        enough(examples)
        for row in examples:
            if entities_of(str(row.target)) is None:
                raise DataError(
                    f"row {row.row}: the target {outline(str(row.target))} is no JSON list such as "
                    '[{"type": "city", "text": "Rome"}], no B- and I- tags and no spans with start, end and '
                    "label: check --target."
                )

    def labels(self, examples: Sequence[Example]) -> tuple[str, ...]:
        """The types that occur, in alphabetical order."""
        return tuple(sorted({kind for row in examples for kind, _ in entities_of(str(row.target)) or ()}))

    def primary_metric(self, examples: Sequence[Example]) -> str:
        """F1 of whole entities."""
        return "entity_f1"

    def instruction(self, labels: Sequence[str]) -> str:
        """One sentence, the types and the form: shared by every row, so the engine computes it once."""
        return (
            "List the entities in the text, each as 'type: words' and separated by semicolons, or answer "
            f"{NONE}. The types are: {', '.join(labels)}."
        )

    def messages(self, instruction: str, input: str, demonstrations: Sequence[Example] = ()) -> list[Message]:
        """System turn with the instruction, demonstrations as earlier turns, then the text."""
        shown = [(d.input, self.format(d.target or NONE)) for d in demonstrations]
        return chat(instruction, input, shown)

    def format(self, target: str) -> str:
        """The entities in the order of the target, as they are written."""
        found = entities_of(target)
        return target if found is None else written(found)

    def parse(self, text: str, labels: Sequence[str]) -> str | None:
        """The first line, where it is a list of entities or says that there are none."""
        line = first_line(text)
        found = None if line is None else entities_of(line)
        return None if found is None else written(found)


PLUGIN = TokenClassification()
