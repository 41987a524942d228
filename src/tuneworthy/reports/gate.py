"""What the parity gate found, in a few lines of a terminal."""

from collections.abc import Iterator

from tuneworthy.core.parity import Difference, Parity
from tuneworthy.reports import formats

SHOWN = 400  # characters of a prompt's end, and token ids, of the first row that differs
TOKENS = 12


def gate_lines(parity: Parity) -> Iterator[str]:
    """Verdict, figures, notes; where it fails, the causes and the first row that differs."""
    word = "passed" if parity.passed else "FAILED"
    yield f"{parity.artefact}: gate {word}, {parity.same} of {parity.rows} answers the same ({parity.method})"
    if parity.expected is not None and parity.found is not None:
        ours, theirs = (formats.metric_value(parity.metric, v) for v in (parity.expected, parity.found))
        title = formats.metric_title(parity.metric)
        yield (
            f"  {title} of the fit {ours}, of the export {theirs}, on rows that it may have learned from "
            f"(drop allowed: {_allowed(parity)})"
        )
    if parity.nats is not None:
        limit = "reported only" if parity.most_nats is None else f"{parity.most_nats:g} allowed"
        yield f"  log-probabilities {parity.nats:.3g} nats apart on average ({limit}, {parity.precision})"
    yield f"  asked in {formats.brief_seconds(parity.seconds)}"
    for note in parity.notes:
        yield f"  note: {note}"
    for cause in parity.causes:
        yield f"  cause: {cause}"
    if not parity.passed and parity.first is not None:
        yield from _row(parity.first)


def _allowed(parity: Parity) -> str:
    return formats.size(parity.tolerance, parity.metric)


def _row(first: Difference) -> Iterator[str]:
    """The row: both answers, the end of the prompt's bytes, the last token ids."""
    yield f"  first row that differs: {first.row} (id {first.example_id})"
    yield f"    fit {first.expected!r}, export {first.found!r}"
    if first.found_prompt is not None:
        shown = first.found_prompt.encode("utf-8", "replace")[-SHOWN:]
        yield f"    prompt, its last bytes: {shown!r}"
    if first.found_tokens is not None:
        last = ", ".join(map(str, first.found_tokens[-TOKENS:]))
        yield f"    token ids, {len(first.found_tokens)} in all, the last: {last}"
