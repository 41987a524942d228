"""Contrastive fine-tuning of a sentence encoder by the setfit library (Tunstall et al. 2022)."""

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import JobError
from tuneworthy.models.quiet import quiet
from tuneworthy.models.strangers import AS_DATA, check_modules


def has_setfit() -> bool:
    """Whether the library is installed."""
    from importlib.util import find_spec

    return find_spec("setfit") is not None


def train_contrastively(
    folder: Path,
    texts: Sequence[str],
    labels: Sequence[Sequence[str]],
    pairs_per_row: int,
    batch: int,
    learning_rate: float,
    seed: int,
    target: Path,
    report: Callable[[int, int], None],
    within: Callable[[Any, Any], AbstractContextManager[None]],
) -> int:
    """Pulls texts that share a label together and others apart; writes the encoder to `target`.

    Args:
        folder: the sentence encoder to start from.
        texts: of the training rows.
        labels: of each row: one, or several, or none at all.
        pairs_per_row: pairs of like rows, and as many of unlike ones, per row (R of the paper).
        batch: pairs per update.
        learning_rate: of the encoder's weights, linear warm-up and decay.
        seed: draws the pairs.
        target: an empty folder, which gets a sentence-transformers folder with safetensors.
        report: told updates done and in all.
        within: what each of its forward passes is made within, given the transformers model and its device.

    Returns:
        The number of updates.

    Raises:
        JobError: the library is not installed, or labels tell no two rows apart.
        ModelError: the folder names modules that are no part of the library.
    """
    if not has_setfit():
        raise JobError('setfit is not installed: pip install "tuneworthy[setfit]", or leave the arm out.')
    quiet()
    import torch
    from datasets import Dataset, disable_progress_bars
    from sentence_transformers import SentenceTransformer
    from setfit import SetFitModel, Trainer, TrainingArguments
    from sklearn.linear_model import LogisticRegression
    from transformers import PrinterCallback, TrainerCallback

    class Tell(TrainerCallback):  # type: ignore[misc]
        """Passes the library's progress on."""

        def on_step_end(self, args: object, state: object, control: object, **_: object) -> None:
            report(int(getattr(state, "global_step", 0)), int(getattr(state, "max_steps", 1)))

    disable_progress_bars()
    logging.getLogger("setfit").setLevel(logging.ERROR)
    torch.manual_seed(seed)
    single = all(len(own) == 1 for own in labels)
    rows = Dataset.from_dict({"text": list(texts), "label": _coded(labels, single)})
    check_modules(folder)
    # Put together by hand: SetFit's own loader unpickles a head that it finds in the folder.
    body = SentenceTransformer(str(folder), **AS_DATA, model_kwargs={"use_safetensors": True})
    model = SetFitModel(model_body=body, model_head=LogisticRegression())
    updates = updates_of(pairs_per_row, len(texts), batch)
    with tempfile.TemporaryDirectory() as scratch:
        options = TrainingArguments(
            output_dir=scratch,
            batch_size=batch,
            num_epochs=1,
            num_iterations=pairs_per_row,
            max_steps=updates,
            body_learning_rate=learning_rate,
            seed=seed,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            show_progress_bar=False,
        )
        trainer = Trainer(model=model, args=options, train_dataset=rows, callbacks=[Tell()])
        trainer.remove_callback(PrinterCallback)
        with _passing(body[0].auto_model, lambda: within(body[0].auto_model, body.device)):
            trainer.train_embeddings(*trainer.dataset_to_parameters(rows), args=options)
    model.model_body.save(str(target), safe_serialization=True)
    return updates


@contextmanager
def _passing(model: Any, within: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Each forward pass within a context of its own: autocast keeps what it has cast until it ends."""
    forward = model.forward

    def passed(*given: Any, **named: Any) -> Any:
        with within():
            return forward(*given, **named)

    model.forward = passed
    try:
        yield
    finally:
        del model.forward  # the class has the one before


def updates_of(pairs_per_row: int, rows: int, batch: int) -> int:
    """Updates of one pass over the pairs of so many rows, like and unlike ones."""
    return max(1, 2 * pairs_per_row * rows // batch)


def _coded(labels: Sequence[Sequence[str]], single: bool) -> list[int] | list[list[int]]:
    """Labels as the library wants them: a number a row, or a flag for each label that parts the rows."""
    known = sorted({label for own in labels for label in own})
    if single:
        return [known.index(own[0]) for own in labels]
    parting = [label for label in known if not all(label in own for own in labels)]
    flags = [[int(label in own) for label in parting] for own in labels]
    pairs = [any(map(min, a, b)) for a, b in combinations(flags, 2)]
    if all(pairs) or not any(pairs):
        raise JobError("setfit needs rows that share a label and rows that share none: leave the arm out.")
    return flags
