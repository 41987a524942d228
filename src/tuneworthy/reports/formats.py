"""How numbers are written, the same way in the page, the terminal and the notebook."""

import math
from collections.abc import Callable

from tuneworthy import metrics
from tuneworthy.core.evidence import Comparison, Estimate
from tuneworthy.metrics import METRICS

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EM DASH}"
RANGE = "\N{EN DASH}"

SHARES = ("precision", "recall", "f1", "judge_")  # of a label, and how a judge's opinions begin
_PROCEDURES = {
    "mcnemar_exact": "exact McNemar",
    "permutation": "paired permutation",
    "group_permutation": "paired permutation of whole groups",
    "newcombe": "Newcombe",
    "wilson": "Wilson",
}
_KINDS = {
    "baseline": "baseline",
    "classifier": "cheap classifier",
    "prompt": "prompted",
    "tuned": "fine-tuned",
}
_DECISIONS = {
    "fine_tune": "Fine-tune",
    "prompt": "Prompt, do not train",
    "classifier": "Use a cheap classifier",
    "more_data": "Collect more rows",
    "fix_data": "Fix the data first",
    "not_worth_it": "Not worth it",
    "inconclusive": "Inconclusive",
}


def metric_title(metric: str) -> str:
    """'macro_f1' as a reader says it: 'macro-F1'."""
    return "F1" if metric == "f1" else metrics.title_of(metric)


def procedure_title(name: str) -> str:
    """What a test or an interval is called in a sentence."""
    return _PROCEDURES.get(name, name.replace("_", " "))


def kind_title(kind: str) -> str:
    """What a kind of arm is called in a sentence."""
    return _KINDS.get(kind, kind)


def decision_title(decision: str) -> str:
    """The words on the verdict's badge."""
    return _DECISIONS.get(decision, decision.replace("_", " "))


def is_share(metric: str) -> bool:
    """Whether a metric lies between 0 and 1 and reads best as a percentage."""
    if metric.startswith(SHARES):
        return True
    return metric in METRICS.names() and metrics.is_share(METRICS.get(metric))


def is_error(metric: str) -> bool:
    """Whether a metric is the better the lower, as far as its name is known here."""
    return metric in METRICS.names() and metrics.is_error(METRICS.get(metric))


def count(value: float) -> str:
    """1234 -> '1,234'."""
    return f"{value:,.0f}" if math.isfinite(value) else DASH


def percent(value: float, digits: int = 1) -> str:
    """0.867 -> '86.7%'."""
    return minus(f"{100 * value:.{digits}f}%") if math.isfinite(value) else DASH


def minus(text: str) -> str:
    """A typographic minus sign in place of a hyphen, and no minus before a zero."""
    if not text.startswith("-"):
        return text
    return text[1:] if not any(digit in text for digit in "123456789") else MINUS + text[1:]


def signed(value: float, metric: str = "accuracy") -> str:
    """A difference without its unit: 0.033 -> '+3.3' (or '+0.033' for metrics that are no percentage)."""
    if not math.isfinite(value):
        return DASH
    text = f"{100 * value:.1f}" if is_share(metric) else f"{value:.3f}"
    text = minus(text)
    return text if text.startswith(MINUS) or not any(c in text for c in "123456789") else f"+{text}"


def points(value: float, metric: str = "accuracy") -> str:
    """A difference with its unit: 0.033 -> '+3.3 points'."""
    return f"{signed(value, metric)} points" if is_share(metric) else signed(value, metric)


def size(value: float, metric: str = "accuracy") -> str:
    """How large a difference is, without a sign: 0.112 -> '11.2 points'."""
    return points(abs(value), metric).removeprefix("+")


def metric_value(metric: str, value: float) -> str:
    """A score: '86.7%', or '0.412' for metrics that are no percentage."""
    if is_share(metric):
        return percent(value)
    return minus(f"{value:.3f}") if math.isfinite(value) else DASH


def metric_range(metric: str, low: float | None, high: float | None) -> str:
    """A score's interval: '79.0–92.1%', '−0.3 to 0.4' below zero; a dash when it is absent."""
    if low is None or high is None:
        return DASH
    between = RANGE if low >= 0 else " to "
    if is_share(metric):
        return f"{minus(f'{100 * low:.1f}')}{between}{percent(high)}"
    return f"{minus(f'{low:.3f}')}{between}{minus(f'{high:.3f}')}"


def estimate_text(estimate: Estimate) -> str:
    """A score with its interval in one phrase: '86.7% (79.0–92.1%)'."""
    return score_text(estimate.metric, estimate.value, estimate.low, estimate.high)


def score_text(metric: str, value: float, low: float | None, high: float | None) -> str:
    """The same of its parts."""
    range_ = "no interval" if low is None else metric_range(metric, low, high)
    return f"{metric_value(metric, value)} ({range_})"


def difference_range(comparison: Comparison) -> str:
    """A difference's interval: '−1.9 to +8.6'; a dash when it is absent."""
    return signed_range(comparison.low, comparison.high, comparison.metric)


def signed_range(low: float | None, high: float | None, metric: str) -> str:
    """The same of its two ends."""
    if low is None or high is None:
        return DASH
    return f"{signed(low, metric)} to {signed(high, metric)}"


def comparison_text(comparison: Comparison) -> str:
    """A difference with its interval in one phrase: '+3.3 points (−1.9 to +8.6)'."""
    tail = difference_range(comparison)
    value = points(comparison.difference, comparison.metric)
    return f"{value} ({tail})" if tail != DASH else f"{value} (no interval)"


def p_value(value: float | None) -> str:
    """A probability: '0.012', '<0.001', or a dash."""
    if value is None or not math.isfinite(value):
        return DASH
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def seconds(value: float | None) -> str:
    """A duration: '7 ms', '0.21 s', '42 s', '3 min 20 s', '1 h 05 min'."""
    if value is None or not math.isfinite(value):
        return DASH
    if value < 0.0995:
        return "0 s" if value == 0 else "<1 ms" if value < 0.0005 else f"{1000 * value:.0f} ms"
    for bound, digits in ((0.995, 2), (9.95, 1), (99.5, 0)):
        if value < bound:
            return f"{value:.{digits}f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(value / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def brief_seconds(value: float | None) -> str:
    """A duration in seven characters: '5.1 s', '13m 32s', '1h 05m'."""
    if value is None or not math.isfinite(value) or value < 99.5:
        return seconds(value)
    if round(value) < 3600:
        return f"{round(value) // 60}m {round(value) % 60:02d}s"
    return f"{round(value / 60) // 60}h {round(value / 60) % 60:02d}m"


def roughly(minutes: float) -> str:
    """A forecast: 'under a minute', '3 min 20 s', '42 min', '1 h 05 min'."""
    if minutes < 1:
        return "under a minute"
    return f"{minutes:.0f} min" if 9.5 <= minutes < 59.5 else seconds(60 * minutes)


def money(value: float | None) -> str:
    """An amount in the currency of the job's prices: two significant digits below one."""
    if value is None or not math.isfinite(value):
        return DASH
    if value >= 1 or value == 0:
        return f"{value:,.2f}"
    return "<0.0001" if value < 0.0001 else f"{value:.{1 - math.floor(math.log10(value))}f}"


def gibibytes(value: float | None) -> str:
    """'1.4 GiB', or a dash."""
    return DASH if value is None or not math.isfinite(value) else f"{value:.1f} GiB"


def named(key: str, value: object) -> tuple[str, str]:
    """A stored field for reading: ('memory_gib', 23.4) -> ('memory', '23.4 GiB')."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        for suffix, words in (("_gib", gibibytes), ("_s", seconds)):
            if key.endswith(suffix):
                return key.removesuffix(suffix).replace("_", " "), words(value)
    return key.replace("_", " "), plain(value)


def plain(value: object) -> str:
    """Any JSON value as short text: floats to four significant digits, mappings as 'k: v' pairs."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if not math.isfinite(value):
            return DASH
        return count(value) if value.is_integer() and abs(value) < 1e9 else minus(f"{value:.4g}")
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value)
    return str(value)


FILTERS: dict[str, Callable[..., str]] = {
    "count": count,
    "percent": percent,
    "points": points,
    "size": size,
    "seconds": seconds,
    "money": money,
    "gibibytes": gibibytes,
    "p_value": p_value,
    "plain": plain,
    "metric_title": metric_title,
    "kind_title": kind_title,
    "difference_range": difference_range,
}
