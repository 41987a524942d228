"""The ranking of base models, as a table with reasons."""

import shlex

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuneworthy.core.counting import counted
from tuneworthy.core.ranking import Ranking
from tuneworthy.reports import formats


def ranking_table(ranking: Ranking, command: str) -> Group:
    """A line for each candidate, the reasons, what was left out, and what to type next.

    `command` is `tuneworthy run` with the same data and settings.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", justify="right")
    table.add_column("model", overflow="fold")
    table.add_column("kind")
    title = formats.metric_title(ranking.metric)
    for name in (f"probe: {title}", "LogME", "bits per byte", "tokens per word", "zero-shot", "rows"):
        table.add_column(name, justify="right")
    for place, model in enumerate(ranking.models, start=1):
        bits, prompted = model.bits_per_byte, model.zero_shot
        table.add_row(
            str(place),
            model.name,
            model.kind,
            formats.estimate_text(model.score),
            f"{model.evidence:.3f}",
            "–" if bits is None else f"{bits:.2f}",
            f"{model.tokens_per_word:.2f}",
            "–" if prompted is None else formats.metric_value(ranking.metric, prompted.value),
            str(model.rows),
        )
    notes = [f"{place}. {model.name}: {model.reason}." for place, model in enumerate(ranking.models, start=1)]
    notes += [f"Left out: {name}: {clause.rstrip('.')}." for name, clause in ranking.left_out.items()]
    if ranking.asked_metric is not None:
        asked = formats.metric_title(ranking.asked_metric)
        notes.append(f"Ranked by {title}: {asked} needs probabilities, which a probe does not give.")
    notes.append(f"Memory to fine-tune in: {ranking.machine}; --memory AMOUNT asks for another.")
    notes.append(
        f"Read: {counted(ranking.read_rows, 'training row')}. The {counted(ranking.kept_rows, 'row')} that "
        "protocol=holdout scores on were not."
    )
    role = "base_model" if ranking.best.kind == "decoder" else "embedding_model"
    name = shlex.quote(ranking.best.typed or ranking.best.name)
    notes.append(f"Next: {command} --set {role}={name} --set protocol=holdout")
    return Group(table, Text(), *(Text(note) for note in notes))
