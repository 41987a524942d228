"""Contrastive fine-tuning of a sentence encoder by the setfit library (Tunstall et al. 2022)."""

import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tuneworthy.core.errors import JobError
from tuneworthy.models.quiet import quiet


def has_setfit() -> bool:
    """Whether the library is installed."""
    from importlib.util import find_spec

    return find_spec("setfit") is not None


def train_contrastively(
    folder: Path,
    texts: Sequence[str],
    labels: Sequence[str],
    pairs_per_row: int,
    batch: int,
    learning_rate: float,
    seed: int,
    target: Path,
    report: Callable[[int, int], None],
) -> int:
    """Pulls texts with the same label together and others apart; writes the encoder to `target`.

    Args:
        folder: the sentence encoder to start from.
        texts, labels: training rows.
        pairs_per_row: pairs of like rows, and as many of unlike ones, per row (R of the paper).
        batch: pairs per update.
        learning_rate: of the encoder's weights, linear warm-up and decay.
        seed: draws the pairs.
        target: an empty folder, which gets a sentence-transformers folder with safetensors.
        report: told updates done and in all.

    Returns:
        The number of updates.

    Raises:
        JobError: the library is not installed.
    """
    if not has_setfit():
        raise JobError('setfit is not installed: pip install "tuneworthy[setfit]", or leave the arm out.')
    quiet()
    import torch
    from datasets import Dataset, disable_progress_bars
    from setfit import SetFitModel, Trainer, TrainingArguments
    from transformers import PrinterCallback, TrainerCallback

    class Tell(TrainerCallback):  # type: ignore[misc]
        """Passes the library's progress on."""

        def on_step_end(self, args: object, state: object, control: object, **_: object) -> None:
            report(int(getattr(state, "global_step", 0)), int(getattr(state, "max_steps", 1)))

    disable_progress_bars()
    logging.getLogger("setfit").setLevel(logging.ERROR)
    torch.manual_seed(seed)
    numbers = {label: number for number, label in enumerate(sorted(set(labels)))}
    rows = Dataset.from_dict({"text": list(texts), "label": [numbers[label] for label in labels]})
    model = SetFitModel.from_pretrained(str(folder), local_files_only=True)
    updates = max(1, 2 * pairs_per_row * len(texts) // batch)
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
        trainer.train_embeddings(*trainer.dataset_to_parameters(rows), args=options)
    model.model_body.save(str(target), safe_serialization=True)
    return updates
