"""What the report says of a fine-tune's forgetting: each capability before and after, with items it lost."""

from tuneworthy.core.evidence import Comparison
from tuneworthy.core.forgetting import CapabilityChange, Forgetting
from tuneworthy.reports import formats
from tuneworthy.reports.contents import Contents
from tuneworthy.reports.views_rows import excerpt
from tuneworthy.reports.views_scores import View
from tuneworthy.verdict.forgetting import forgetting_sentence

SHARE = "accuracy"  # a metric that is written as the shares here are
TITLES = {
    "texts": ("Reading", "{n} texts"),
    "questions": ("Knowing", "{n} questions"),
    "instructions": ("Form", "{n} instructions"),
    "requests": ("Refusing", "{n} requests"),
}


def forgetting_view(contents: Contents) -> View | None:
    """The section of the page; None where nothing was fine-tuned, or the job does not ask."""
    found = contents.forgetting
    if found is None:
        return None
    return {
        "found": found,
        "sentence": forgetting_sentence(found),
        "rows": [_row(change) for change in found.changes],
        "lost": [_lost(change) for change in found.changes if change.lost],
        "time": _time(found),
    }


def _row(change: CapabilityChange) -> View:
    title, what = TITLES[change.capability]
    metric = _metric(change)
    return {
        "title": title,
        "what": what.format(n=change.comparison.n),
        "before": formats.metric_value(metric, change.before.value),
        "after": formats.metric_value(metric, change.after.value),
        "difference": formats.signed(change.comparison.difference, metric),
        "range": formats.signed_range(change.comparison.low, change.comparison.high, metric),
        "reason": change.comparison.reason,
        "tally": _tally(change.comparison),
        "q": formats.p_value(change.q),
        "worse": change.worse,
    }


def _lost(change: CapabilityChange) -> View:
    title, _ = TITLES[change.capability]
    return {
        "title": title,
        "count": change.items_lost,
        "of": change.comparison.n,
        "items": [
            {"asked": excerpt(item.asked), "before": item.before.strip(), "after": item.after.strip()}
            for item in change.lost
        ],
    }


def _metric(change: CapabilityChange) -> str:
    """The metric whose notation is used."""
    return change.before.metric if change.capability == "texts" else SHARE


def _tally(found: Comparison) -> str:
    """Items gained and lost, where they are right or wrong."""
    if found.wins is None or found.losses is None:
        return formats.DASH
    return f"{formats.count(found.wins)} : {formats.count(found.losses)}"


def _time(found: Forgetting) -> str:
    if found.seconds_before is None or found.seconds_after is None:
        return ""
    before, after = formats.seconds(found.seconds_before), formats.seconds(found.seconds_after)
    return f"{before} of the base model, {after} of {found.method}"
