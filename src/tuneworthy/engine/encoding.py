"""Examples to token rows: the same prompt for training, scoring and serving."""

from collections.abc import Sequence
from dataclasses import dataclass

from tuneworthy.core.errors import ModelError
from tuneworthy.core.example import Example
from tuneworthy.models.decoder import Decoder
from tuneworthy.tasks import Message, Task
from tuneworthy.tasks._chats import transcribed, transcript

MOST_LABEL_TOKENS = 8192  # of all labels: what each may see of the others is a square of bits
SHOWN = 60  # characters of a label in a message


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """One training row: `prompt` is not supervised, `answer` (its stop token included) is."""

    example_id: str
    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    @property
    def length(self) -> int:
        """Tokens in all."""
        return len(self.prompt) + len(self.answer)


def encode_prompt(
    decoder: Decoder, task: Task, instruction: str, input: str, demonstrations: Sequence[Example] = ()
) -> list[int]:
    """Token ids of the prompt for one input: what training, scoring and serving all use."""
    return decoder.encode(decoder.render(task.messages(instruction, input, demonstrations)))


def encode_row(decoder: Decoder, task: Task, instruction: str, example: Example) -> EncodedRow:
    """A labelled example as a training row; raises ValueError when it has no target."""
    if example.target is None:
        raise ValueError(f"example {example.id} has no target to learn")
    messages = task.messages(instruction, example.input)
    return EncodedRow(
        example_id=example.id,
        prompt=tuple(decoder.encode(decoder.render(messages))),
        answer=tuple(decoder.encode_answer(messages, task.format(example.target))),
    )


def encode_labels(
    decoder: Decoder, task: Task, instruction: str, labels: Sequence[str]
) -> list[tuple[int, ...]]:
    """Each label's answer tokens with the stop token, so that labels which are prefixes compete fairly.

    Raises:
        ModelError: the tokenizer reads two labels as the same tokens, a label holds the stop token, or the
            labels are longer than can be scored.
    """
    messages = task.messages(instruction, "")
    encoded = [tuple(decoder.encode_answer(messages, task.format(label))) for label in labels]
    model, first = decoder.folder.name, dict[tuple[int, ...], str]()
    for label, tokens in zip(labels, encoded, strict=True):
        shown = repr(label if len(label) <= SHOWN else f"{label[:SHOWN]}…")
        if tokens[-1] in tokens[:-1]:
            raise ModelError(
                f"the label {shown} holds what ends an answer of {model}: rename it, or leave the arms that "
                "prompt or tune out."
            )
        if tokens in first:
            raise ModelError(
                f"the tokenizer of {model} reads the labels {ascii(first[tokens])[:SHOWN]} and "
                f"{ascii(label)[:SHOWN]} as the same tokens: rename one, merge them, or change base_model."
            )
        first[tokens] = label
    if sum(map(len, encoded)) > MOST_LABEL_TOKENS:
        raise ModelError(
            f"the labels have {sum(map(len, encoded))} tokens in all, more than the {MOST_LABEL_TOKENS} that "
            "can be scored: shorten them, or name another --task if they are texts."
        )
    return encoded


def encode_fitting_prompt(
    decoder: Decoder, task: Task, instruction: str, input: str, demonstrations: Sequence[Example], room: int
) -> tuple[list[int], int]:
    """The prompt with as many demonstrations as fit in `room` tokens, and how many were left out.

    The first ones go first: the last stand next to the text and, when retrieved, are the most similar.

    Raises:
        ModelError: the prompt is too long without any demonstration.
    """
    for left_out in range(len(demonstrations) + 1):
        prompt = encode_prompt(decoder, task, instruction, input, demonstrations[left_out:])
        if len(prompt) <= room:
            return prompt, left_out
    raise ModelError(
        f"a prompt of {len(prompt)} tokens leaves no room for the answer ({decoder.folder.name} reads "
        f"{decoder.context_length}): lower max_input_tokens, shorten the instruction or change base_model."
    )


def cut_input(decoder: Decoder, text: str, max_tokens: int) -> str:
    """The text, or as much of it as `max_tokens` tokens hold; training and serving cut alike.

    A text keeps its beginning, a chat its system turn and its latest turns. Special tokens are written apart
    first: that makes a text longer.
    """
    text = decoder.apart(text)
    turns = transcribed(text)
    if turns is None or len(decoder.encode(text)) <= max_tokens:
        return _beginning(decoder, text, max_tokens)
    return transcript(_latest(decoder, turns, max_tokens))


def _latest(decoder: Decoder, turns: Sequence[Message], max_tokens: int) -> list[Message]:
    """System turns, and the latest turns from a user's on; of those that are still too long the beginning."""
    system = [turn for turn in turns if turn["role"] == "system"]
    rest = [turn for turn in turns if turn["role"] != "system"]
    starts = [i for i, turn in enumerate(rest) if turn["role"] == "user" and i > 0] or [len(rest) - 1]
    kept = rest
    for start in starts:
        kept = rest[start:]
        if len(decoder.encode(transcript([*system, *kept]))) <= max_tokens:
            break
    kept = [*system, *kept]
    for _ in kept:
        over = len(decoder.encode(transcript(kept))) - max_tokens
        if over <= 0:
            break
        lengths = [len(decoder.encode(turn["content"])) for turn in kept]
        longest = max(range(len(kept)), key=lengths.__getitem__)
        shorter = _beginning(decoder, kept[longest]["content"], max(1, lengths[longest] - over))
        kept[longest] = {**kept[longest], "content": shorter}
    return kept


def _beginning(decoder: Decoder, text: str, max_tokens: int) -> str:
    """The text, or its first tokens when it is longer."""
    encoded = decoder.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    offsets = encoded["offset_mapping"]
    return text if len(offsets) <= max_tokens else text[: offsets[max_tokens - 1][1]]


def shared_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """How many leading tokens all prompts share, leaving each at least one token of its own."""
    first, last = min(map(tuple, prompts)), max(map(tuple, prompts))
    limit = min(len(prompt) for prompt in prompts) - 1
    length = 0
    while length < limit and first[length] == last[length]:
        length += 1
    return length
