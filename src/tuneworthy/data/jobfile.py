"""Job files: YAML in, a validated `Job` out, and back.

The keys of the file are the fields of `Job`, and one section per method (`lora: {rank: 8}`), whose parameters
end up in `Job.methods` and are validated by the method when the plan is made.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from tuneworthy.core.errors import JobError, RunFolderError
from tuneworthy.core.hashing import canonical_json
from tuneworthy.core.job import Job, is_own_metric, is_template_file
from tuneworthy.core.registry import did_you_mean
from tuneworthy.data.job_starter import starter_job
from tuneworthy.data.job_yaml import (
    Places,
    Tree,
    apply_overrides,
    describe,
    dump_yaml,
    parse_job_text,
    read_job_text,
    split_override,
)
from tuneworthy.data.missing import require_file
from tuneworthy.runfolder import checksums

__all__ = [
    "apply_overrides",
    "dump_job",
    "job_from_tree",
    "job_schema",
    "load_job",
    "starter_job",
]

_FIELDS = [name for name in Job.model_fields if name != "methods"]
_SECTIONS: dict[str, list[str]] = {
    name: list(field.annotation.model_fields)
    for name, field in Job.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}


def load_job(path: Path, overrides: Sequence[str], method_names: Sequence[str]) -> Job:
    """Reads a job file as YAML 1.2.

    Relative paths (`data.path`, `data.test`, `adapt.text`, `json_schema`, the file of a metric or prompt)
    start at the job file's folder, also when an override sets them.

    Args:
        path: the YAML file.
        overrides: `section.key=value` texts, applied in order on top of the file.
        method_names: the methods that may have a section.

    Raises:
        NotFoundError: there is no such file.
        JobError: the file is not YAML, a key is unknown or repeated, or a value has the wrong type; the
            message names the line.
        RunFolderError: it is the record of a run, and not what the run wrote.
    """
    path = Path(path)
    require_file(path, (".yaml", ".yml"), JobError)
    if path.name == "job.yaml" and "job.yaml" in checksums.damaged(path.parent, ("job.yaml",)):
        raise RunFolderError(
            f"{path} is damaged or was edited (its checksum is not that of what its run wrote): copy it out "
            "of the run folder to run it as it is, or run the job again as you started it."
        )
    tree, places = parse_job_text(read_job_text(path), path.name)
    tree = apply_overrides(tree, overrides)
    for override in overrides:
        changed = split_override(override)[0][:2]
        places = {keys: place for keys, place in places.items() if keys[: len(changed)] != changed}
        places[changed] = f"--set {override[:100]}"
    data = tree.get("data")
    if isinstance(data, dict):
        for key in ("path", "test"):
            if isinstance(data.get(key), str) and data[key]:
                data[key] = _from_folder(data[key], path.parent)
    prompt = tree.get("prompt")
    if isinstance(prompt, str) and is_template_file(prompt):
        tree["prompt"] = _from_folder(prompt, path.parent)
    metric = tree.get("metric")
    if isinstance(metric, str) and is_own_metric(metric):
        tree["metric"] = _from_folder(metric, path.parent)
    read = tree.get("adapt")
    if isinstance(read, dict) and read.get("text"):
        texts = [read["text"]] if isinstance(read["text"], str) else read["text"]
        if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
            read["text"] = [_from_folder(text, path.parent) for text in texts]
    if isinstance(tree.get("json_schema"), str) and tree["json_schema"]:
        tree["json_schema"] = _from_folder(tree["json_schema"], path.parent)
    return job_from_tree(tree, method_names, places=places, source=path.name)


def _from_folder(name: str, folder: Path) -> str:
    if "://" in name:
        return name
    try:
        inside = Path(name).expanduser() if name.startswith("~/") else Path(name)
        return str((folder / inside).resolve())
    except (OSError, RuntimeError):  # no home, or links in a circle: whoever opens it says so
        return str(folder / name)


def job_from_tree(
    tree: Mapping[str, Any],
    method_names: Sequence[str],
    *,
    places: Mapping[tuple[str, ...], str] | None = None,
    source: str = "the job",
) -> Job:
    """A validated job from nested plain values; paths are taken as they are.

    Args:
        tree: `Job`'s fields, and one section per method.
        method_names: the methods that may have a section.
        places: where each key was written, for messages.
        source: what to call the whole, for messages.

    Raises:
        JobError: a key is unknown or a value has the wrong type.
    """
    where = _Where(dict(places or {}), source)
    _check_keys(tree, method_names, where)
    fields: Tree = {key: value for key, value in tree.items() if key not in method_names}
    for section in _SECTIONS:
        if section in fields and fields[section] is None:
            del fields[section]  # a section whose keys are all commented out
    fields["methods"] = {name: _parameters(name, tree[name], where) for name in method_names if name in tree}
    try:
        return Job.model_validate(fields)
    except ValidationError as error:
        raise _in_words(error, where) from None


def dump_job(job: Job) -> str:
    """The job with every field written out, as YAML that `load_job` reads back to an equal job."""
    tree = job.model_dump(mode="json")
    methods: Tree = tree.pop("methods")
    return dump_yaml(tree | methods)


def job_schema(method_schemas: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The JSON Schema of a job file, for editors.

    Args:
        method_schemas: the JSON Schema of each method's parameters, by method name.
    """
    schema = Job.model_json_schema()
    properties: dict[str, Any] = schema["properties"]
    del properties["methods"]
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    for name, method_schema in method_schemas.items():
        own = dict(method_schema)
        inner: Mapping[str, Any] = own.pop("$defs", {})
        for key, definition in inner.items():
            definitions[f"{name}.{key}"] = _renamed(definition, name)
        properties[name] = _renamed(own, name)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "tuneworthy job"}


def _renamed(schema: Any, prefix: str) -> Any:
    """The schema with its references to `$defs` pointing to the prefixed names."""
    if isinstance(schema, Mapping):
        return {
            key: f"#/$defs/{prefix}.{value.removeprefix('#/$defs/')}"
            if key == "$ref" and isinstance(value, str) and value.startswith("#/$defs/")
            else _renamed(value, prefix)
            for key, value in schema.items()
        }
    return [_renamed(item, prefix) for item in schema] if isinstance(schema, list) else schema


class _Where:
    """Finds the file line (or the option) of a key, or of the nearest key around it."""

    def __init__(self, places: Places, source: str) -> None:
        self._places = places
        self._source = source

    def __call__(self, *path: str) -> str:
        for length in range(len(path), 0, -1):
            if path[:length] in self._places:
                return self._places[path[:length]]
        return self._source


def _check_keys(tree: Mapping[str, Any], method_names: Sequence[str], where: _Where) -> None:
    top = [*_FIELDS, *method_names]
    for key in tree:
        if key == "methods":
            raise JobError(
                f"{where('methods')}: there is no section 'methods'; write each method as a section of its "
                "own, such as 'lora: {rank: 8}'."
            )
        if key not in top:
            homes = [section for section, names in _SECTIONS.items() if key in names]
            advice = f"it belongs in the section '{homes[0]}'." if homes else did_you_mean(str(key), top)
            raise JobError(f"{where(str(key))}: unknown key '{str(key)[:60]}': {advice}")
    for section, names in _SECTIONS.items():
        inner = tree.get(section)
        for key in inner if isinstance(inner, dict) else ():
            if key not in names:
                homes = [other for other in _SECTIONS if key in _SECTIONS[other]]
                advice = did_you_mean(str(key), names)
                if homes:
                    advice = f"it belongs in the section '{homes[0]}'."
                elif key in top:
                    advice = "it belongs at the top level of the file, not indented."
                raise JobError(
                    f"{where(section, str(key))}: unknown key '{section}.{str(key)[:60]}': {advice}"
                )


def _parameters(name: str, value: Any, where: _Where) -> dict[str, Any]:
    """A method's section; the method itself validates what is in it."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise JobError(
            f"{where(name)}: {name} should be a section of parameters, got {describe(value)}; "
            f"write '{name}:' and its parameters indented below."
        )
    for key in value:
        if not isinstance(key, str):
            raise JobError(f"{where(name, str(key))}: the key {describe(key)} of {name} should be a name.")
    try:
        canonical_json(value)
    except (TypeError, ValueError, RecursionError):
        raise JobError(f"{where(name)}: {name} may hold texts, numbers, lists and sections only.") from None
    return value


_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text (in quotes if it looks like a number)",
    "tuple": "a list such as [a, b]",
    "list": "a list such as [a, b]",
    "dict": "a section of keys",
    "model": "a section of keys, indented below it",
}
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def _in_words(error: ValidationError, where: _Where) -> JobError:
    """The first complaint, as one sentence."""
    first = error.errors()[0]
    path = tuple(str(part) for part in first["loc"])
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    kind, context = first["type"], first.get("ctx", {})
    if kind == "missing":
        return JobError(
            f"{where(*path[:-1])}: {'data.path' if key == 'data' else key} is missing; add "
            f"'data: {{path: train.csv}}' with the path of your table."
        )
    if isinstance(whole := context.get("error"), JobError):
        return JobError(f"{where(*path)}: {whole}")  # its value is a secret
    got = describe(first["input"])
    bound = next((mark for mark in _BOUNDS if mark in context), None)
    if kind == "literal_error":
        expected = str(context["expected"])
    elif kind == "value_error":
        expected = str(context["error"])
    elif bound is not None:
        expected = f"{_BOUNDS[bound]} {context[bound]:g}"
    else:
        expected = _EXPECTED.get(kind.partition("_")[0], first["msg"][0].lower() + first["msg"][1:])
    remedy = _remedy(key, kind, first["input"])
    return JobError(f"{where(*path)}: {key} should be {expected}, got {got}{remedy}.")


def _remedy(key: str, kind: str, got: Any) -> str:
    """What to write instead, where what was meant is plain."""
    if got is None:
        return "; leave the key out for its default"
    if isinstance(got, str) and kind == "tuple_type":
        return f"; write {key.rpartition('.')[2]}: [{got}]"
    if isinstance(got, str) and key == "data":
        return f"; write data: {{path: {got}}}"
    return ""
