"""The model card of an export: a README.md with the Hub's header. No row of the data is in it.

Names of labels, columns and files come from the user's data: they are escaped, so that none of them can be a
link, a heading or HTML on the page that shows the card.
"""

import json
import re
from collections.abc import Iterator

from tuneworthy.core.parity import Parity
from tuneworthy.core.unit import Unit
from tuneworthy.models.catalogue import Entry, catalogue
from tuneworthy.reports import formats
from tuneworthy.reports.contents import Contents

LIBRARIES = {"adapter": "peft", "merged": "transformers", "encoder": "transformers", "sklearn": "sklearn"}
RELATIONS = {
    "adapter": "adapter",
    "merged": "finetune",
    "encoder": "finetune",
    "gguf": "quantized",
    "ollama": "quantized",
}
PIPELINES = {  # the Hub's tags, where they are not the task's name
    "multi-label": "text-classification",
    "regression": "text-classification",
    "structured-extraction": "text-generation",
}
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
ESCAPED = re.compile(r"([\\`*_{}\[\]|~$])")
LINKED = re.compile(
    r"[A-Za-z]:(?=//)|www\.|@|mailto:|xmpp:", re.IGNORECASE
)  # what pages make links of unasked
ENTITIES = {":": "&#58;", ".": "&#46;", "@": "&#64;"}
HUB_LICENCES = (  # those of the Hub's identifiers that our catalogue has
    "apache-2.0",
    "mit",
    "gemma",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-sa-4.0",
    "llama2",
    "llama3.1",
    "llama3.2",
    "llama3.3",
)
SHOWN_LABELS = 60


def escaped(text: str) -> str:
    """Words of the data as Markdown that is read as these words: one line, no markup.

    >>> escaped("a|b <b>*c*</b>")
    'a\\\\|b &lt;b&gt;\\\\*c\\\\*&lt;/b&gt;'
    """
    line = " ".join(text.split())
    html = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    linkless = LINKED.sub(lambda found: found.group()[:-1] + ENTITIES[found.group()[-1]], html)
    return ESCAPED.sub(r"\\\1", linkless)


def code(text: str) -> str:
    """Words of the data as a code span: shown as they are, no link is made of them.

    >>> code("a `b`")
    '`` a `b` ``'
    """
    line = " ".join(text.split()) or " "
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}" if longest else f"{fence}{line}{fence}"


def fenced(text: str, language: str = "text") -> str:
    """A block of code that nothing in it can end.

    >>> fenced("a ``` b").splitlines()[0]
    '````text'
    """
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def render_card(contents: Contents, title: str, usage: str, unit: Unit, parity: Parity) -> str:
    """The whole card.

    Args:
        contents: the run.
        title: what the artefact is.
        usage: how it is used, in Markdown.
        unit: the fit that was exported.
        parity: what the gate found.
    """
    parts = [
        _header(contents, unit, parity),
        f"# {escaped(contents.dataset.name)}: {unit.method}, {title}",
        _summary(contents, unit),
        "## Use\n\n" + usage,
        "## Task\n\n" + _task(contents, unit),
        "## Data\n\n" + _data(contents),
        "## What was measured\n\n" + _arms(contents, unit),
        "## Verdict\n\n" + _verdict(contents, unit),
        "## Is the export the model that was measured?\n\n" + _gate(parity),
        "## Limits\n\n" + "\n".join(f"- {line}" for line in _limits(contents, unit)),
        "## Base model and licence\n\n" + "\n".join(f"- {line}" for line in _bases(unit)),
        "## How to reproduce\n\n" + _reproduce(contents, unit),
    ]
    return "\n\n".join(parts) + "\n"


def entry_of(name: str) -> Entry | None:
    """The catalogue's entry of a model, by the name or the Hub id that a run used."""
    known = catalogue()
    return known.get(name) or next((entry for entry in known.values() if entry.id == name), None)


def _header(contents: Contents, unit: Unit, parity: Parity) -> str:
    """YAML front matter; JSON strings are YAML strings, and nothing of the data's words is in it."""
    exporter = parity.artefact.split("-")[0]
    fields: dict[str, object] = {}
    entries = [entry_of(ref.name) for ref in unit.models.values()]
    licences = [entry.licence for entry in entries if entry is not None]
    if licences and len(licences) == len(unit.models):
        named = licences[0].lower().replace("llama-", "llama") if len(set(licences)) == 1 else "other"
        fields["license"] = named if named in HUB_LICENCES else "other"
    ids = [entry.id if entry else ref.name for entry, ref in zip(entries, unit.models.values(), strict=True)]
    if ids and all(HUB_ID.fullmatch(one) for one in ids):
        fields["base_model"] = ids
        if exporter in RELATIONS:
            fields["base_model_relation"] = RELATIONS[exporter]
    fields["library_name"] = LIBRARIES.get(exporter, exporter)
    fields["pipeline_tag"] = PIPELINES.get(unit.task, unit.task)
    fields["tags"] = ["tuneworthy", unit.method]
    lines = [f"{name}: {json.dumps(value, ensure_ascii=True)}" for name, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def _summary(contents: Contents, unit: Unit) -> str:
    bases = ", ".join(escaped(ref.name) for ref in unit.models.values())
    arm = contents.arm(unit.method)
    told, crossfit = "", contents.evidence.protocol == "crossfit"
    if arm is not None:
        estimate = arm.estimate
        told = (
            f" Measured on {estimate.n} rows that it had not seen, by the same method on "
            f"{'other parts of the rows' if crossfit else 'the training rows'}: "
            f"{escaped(formats.metric_title(estimate.metric))} "
            f"{formats.metric_value(estimate.metric, estimate.value)} "
            f"({formats.percent(estimate.confidence, 0)} interval "
            f"{formats.metric_range(estimate.metric, estimate.low, estimate.high)})."
        )
    made = f"{unit.method} on {bases}" if bases else unit.method
    return f"{made}, fitted on all {contents.evidence.rows} labelled rows.{told}"


def _task(contents: Contents, unit: Unit) -> str:
    columns = ", ".join(code(column) for column in contents.dataset.input_columns)
    lines = [f"{unit.task}: from {columns} to {code(contents.dataset.target_column or 'the answer')}."]
    if unit.labels:
        shown = [code(label) for label in unit.labels[:SHOWN_LABELS]]
        more = len(unit.labels) - len(shown)
        tail = f", and {more} more" if more else ""
        lines.append(f"Labels, in this order: {'; '.join(shown)}{tail}.")
    if "decoder" in unit.models:
        lines.append("The system turn, which the model was trained with:\n\n" + fenced(unit.instruction))
        if unit.prompt is not None:
            lines.append("The user's turn is made by this Jinja template:\n\n" + fenced(unit.prompt, "jinja"))
    return "\n\n".join(lines)


def _data(contents: Contents) -> str:
    data = contents.dataset
    lines = [f"{formats.count(data.rows)} rows (fingerprint `{data.fingerprint}`), not included here."]
    if data.labels:
        counts = [f"{code(label)} {count}" for label, count in list(data.labels.items())[:SHOWN_LABELS]]
        lines.append("Rows per label: " + "; ".join(counts) + ".")
    if data.words is not None:
        lines.append(f"Words per input: {data.words.mean:.0f} on average, {data.words.max:.0f} at most.")
    if data.test is not None:
        lines.append(f"A test file of {data.test.rows} rows (fingerprint `{data.test.fingerprint}`).")
    issues = [one for one in contents.findings if one.outcome == "issue"]
    if issues:
        lines.append(f"Open findings of the data: {'; '.join(f'{one.code} {one.title}' for one in issues)}.")
    return "\n\n".join(lines)


def _arms(contents: Contents, unit: Unit) -> str:
    """Every arm on the same rows, the exported one marked."""
    metric = contents.evidence.metric
    best = contents.best_untuned
    confidence = formats.percent(contents.arms[0].estimate.confidence, 0) if contents.arms else "95%"
    rows = [
        f"| arm | kind | {escaped(formats.metric_title(metric))} ({confidence} interval) | vs best untuned |",
        "|---|---|---|---|",
    ]
    for arm in contents.arms:
        estimate = arm.estimate
        score = formats.metric_value(estimate.metric, estimate.value)
        score += f" ({formats.metric_range(estimate.metric, estimate.low, estimate.high)})"
        against = "best untuned" if best is not None and arm.method == best.method else ""
        if best is not None and not against:
            comparison = contents.compared(arm.method, best.method)
            if comparison is not None:
                difference = formats.signed(comparison.difference, comparison.metric)
                against = f"{difference} ({formats.difference_range(comparison)})"
        name = f"**{arm.method}**" if arm.method == unit.method else arm.method
        rows.append(f"| {name} | {arm.kind} | {score} | {against} |")
    protocol = contents.evidence.protocol
    return "\n".join(rows) + (
        f"\n\nProtocol: {protocol}, {contents.evidence.test_rows} rows, predicted by fits that had not seen "
        "them. "
        "The exported model is one more fit, on all rows, with the same settings: it has no score of its own."
    )


def _verdict(contents: Contents, unit: Unit) -> str:
    verdict = contents.verdict
    lines = [f"**{escaped(verdict.headline)}**", escaped(verdict.paragraph)]
    if verdict.recommended_method != unit.method:
        lines.append(f"The run recommends another arm, {verdict.recommended_method}: this one was asked for.")
    return "\n\n".join(lines)


def _gate(parity: Parity) -> str:
    """The gate's result, with what it allowed."""
    lines = [
        f"The exported files were loaded in a fresh process with plain libraries and asked {parity.rows} "
        f"rows of the run; {parity.same} of {parity.rows} answers are those of the fit in training "
        f"(precision {parity.precision})."
    ]
    if parity.expected is not None and parity.found is not None:
        title = escaped(formats.metric_title(parity.metric))
        ours, theirs = (formats.metric_value(parity.metric, v) for v in (parity.expected, parity.found))
        allowed = formats.size(parity.tolerance, parity.metric)
        lines.append(
            f"On these rows, which the fit has seen, {title} is {ours} for the fit and {theirs} for the "
            f"export. An export fails that loses more than {allowed}, or loses by no chance (paired, "
            "one-sided, 5%)."
        )
    if parity.nats is not None:
        limit = "reported only" if parity.most_nats is None else f"{parity.most_nats:g} allowed"
        lines.append(f"Log-probabilities differ by {parity.nats:.3g} nats on average ({limit}).")
    lines += [f"Note: {escaped(note)}." for note in parity.notes]
    return "\n\n".join(lines)


def _limits(contents: Contents, unit: Unit) -> Iterator[str]:
    evidence = contents.evidence
    yield f"Measured on {evidence.test_rows} rows of one table: other sources and times are unknown."
    arm = contents.arm(unit.method)
    if arm is not None and arm.unparseable:
        yield f"{arm.unparseable} of {arm.answers} answers could not be read and counted as wrong."
    if unit.labels and not unit.method.startswith("tfidf"):
        yield "It knows the labels above and no other; a text that fits none of them still gets one."
    if contents.details.slices is not None and contents.details.slices.worse:
        worse = [f"{code(s.by)} {code(s.name)}" for s in contents.details.slices.worse[:5]]
        yield f"Worse than {contents.details.slices.against} on: {'; '.join(worse)}."
    if unit.method.startswith("tfidf"):
        yield (
            "Its vocabulary is every word, and every pair of neighbours, of the labelled rows: whoever has "
            "the files can read them."
        )
    own = unit.parameters.get("settings", unit.parameters)
    if "max_input_tokens" in own:
        yield f"Inputs beyond {own['max_input_tokens']} tokens were cut in training; cut yours alike."
    if unit.task == "structured-extraction" and unit.constrain:
        yield (
            "In the run, answers were held to a JSON Schema; these files write freely, and the gate compared "
            "free answers."
        )
    yield "No test of fairness, safety or misuse was made."


def _bases(unit: Unit) -> Iterator[str]:
    if not unit.models:
        yield "No pre-trained model is in it: the licence is yours to choose."
    for role, ref in unit.models.items():
        entry = entry_of(ref.name)
        name = f"{escaped(ref.name)} ({role}, sha256 of its files `{ref.digest[:16]}`)"
        if entry is None:
            yield f"{name}: its licence is not in our catalogue; read its card before you pass this on."
            continue
        terms = f"; {escaped(entry.restrictions)}" if entry.restrictions else ""
        commercial = f"commercial use: {entry.commercial}{terms}"
        yield f"{name}: {escaped(entry.id)}, licence {escaped(entry.licence)}, {commercial}, {entry.source}"
        if entry.wheel is not None:
            yield f"What is particular about the weights that were used: {escaped(entry.wheel.summary)}"


def _reproduce(contents: Contents, unit: Unit) -> str:
    versions = contents.environment.get("versions", {})
    shown = ", ".join(f"{escaped(str(k))} {escaped(str(v))}" for k, v in versions.items()) if versions else ""
    settings = json.dumps(unit.parameters, ensure_ascii=False, indent=1)
    lines = [
        f"Fit `{unit.address}`, seed {unit.seed}, asked to train in {unit.dtype}, {unit.threads} thread(s). "
        "With the run folder: `tuneworthy export RUN`, and `tuneworthy verify THIS_FOLDER RUN` for the gate "
        "alone; with the data: `tuneworthy run job.yaml`.",
        "Settings of the fit:\n\n" + fenced(settings, "json"),
    ]
    return "\n\n".join([*lines, f"Versions: {shown}."] if shown else lines)
