"""YAML 1.2 in and out: what was written, and on which line.

`no` is a text, `1e-4` a number and `2024-01-31` a text, as YAML 1.2's core schema has it.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.representer import SafeRepresenter

from tuneworthy.core.errors import JobError

Tree = dict[str, Any]
Places = dict[tuple[str, ...], str]

LONGEST_JOB = 100_000  # characters: the reader takes some 20 µs for each
MOST_VALUES = 20_000  # of a job once its aliases are written out
MOST_OPEN = 300  # brackets, in a job's texts too
DEEPEST = 50  # levels of lists and sections
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_LINE_BREAKS_OF_OLD = re.compile(r"[\x85\u2028\u2029]")


class _Constructor(SafeConstructor):
    """ruamel's safe constructor, with dates and '=' left as the text they are in YAML 1.2."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)
_Constructor.add_constructor("tag:yaml.org,2002:value", SafeConstructor.construct_yaml_str)


class _Representer(SafeRepresenter):
    """ruamel's safe representer, with texts that hold unusual line breaks in double quotes."""

    def represent_str(self, data: Any) -> Any:
        style = '"' if _LINE_BREAKS_OF_OLD.search(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Representer.add_representer(str, _Representer.represent_str)


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 10_000
    return yaml


def parse_value(text: str, place: str) -> Any:
    """One YAML value, such as the right-hand side of an override.

    Args:
        text: the YAML.
        place: where it was written, for the message.

    Raises:
        JobError: the text is not YAML.
    """
    return _load(text, lambda line: place)[0]


def _load(text: str, place: Callable[[int], str]) -> tuple[Any, Node | None]:
    """The value of a YAML text and the node it was made of; `place` says where its line `n` is."""
    if len(text) > LONGEST_JOB:
        raise JobError(
            f"{place(1)}: {len(text)} characters are more than a job has room for ({LONGEST_JOB}): put long "
            "texts into files of their own."
        )
    try:
        # The parser takes the square of brackets that are left open, before it says that they are too many.
        endless = _open_brackets(text) > MOST_OPEN
        node = None if endless else _yaml().compose(text)
        if endless or _written_out(node, {}, 0) > MOST_VALUES:
            raise JobError(
                f"{place(1)}: values are nested too deeply, too many, or repeat one another too often "
                "(*name): write out what is meant."
            )
        value = _yaml().load(text)
    except DuplicateKeyError:
        key, first, second = _repeated_key(_yaml().compose(text), set()) or ("?", 1, 1)
        raise JobError(
            f"{place(second)}: the key '{key[:60]}' occurs twice, first on line {first}; keep one of them."
        ) from None
    except YAMLError as error:
        line, what = _trouble(error, text)
        raise JobError(f"{place(line)}: {what}.") from None
    except JobError:
        raise
    except Exception as error:  # an explicit tag on a value that does not fit it fails in many ways
        said = " ".join(str(error).split())[:100] or type(error).__name__
        raise JobError(f"{place(1)}: a value cannot be read ({said}); put it in quotes.") from None
    if trouble := _unusable(value, set()):
        raise JobError(f"{place(1)}: {trouble}.")
    return value, node


def _open_brackets(text: str) -> int:
    """How many brackets are open at once, those in texts counted too."""
    depth = most = 0
    for sign in text:
        if sign in "[{":
            depth += 1
            most = max(most, depth)
        elif sign in "]}":
            depth -= 1
    return most


def _written_out(node: Node | None, counted: dict[int, int], depth: int) -> int:
    """How many values a node is with every alias replaced; more than `MOST_VALUES` where there is no end."""
    if node is None or not isinstance(node.value, list):
        return 1
    if id(node) not in counted:
        counted[id(node)] = MOST_VALUES + 1  # while its own parts are counted: it may hold itself
        if depth < DEEPEST:
            parts = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
            counted[id(node)] = 1 + sum(_written_out(part, counted, depth + 1) for part in parts)
    return counted[id(node)]


def _unusable(value: Any, seen: set[int]) -> str | None:
    """What of a value no job could use, in a sentence; None when all is well."""
    if isinstance(value, str) and _NO_TEXT.search(value):
        return "a text holds NUL or half a character; take it out"
    if isinstance(value, int) and abs(value) >= 1 << 63:
        return "a number has more than 18 digits; put it in quotes if it is a text"
    parts: list[Any] = []
    if isinstance(value, dict | list | tuple | set) and id(value) not in seen:
        seen.add(id(value))
        parts = [*value, *value.values()] if isinstance(value, dict) else list(value)
    return next((trouble for part in parts if (trouble := _unusable(part, seen))), None)


def parse_job_text(text: str, name: str) -> tuple[Tree, Places]:
    """The mapping that a job file holds, and the line of each of its keys, two levels deep.

    Args:
        text: the file's text.
        name: the file's name, for messages.

    Raises:
        JobError: the text is not YAML, repeats a key, or is no mapping.
    """
    tree, node = _load(text, lambda line: f"{name}, line {line}")
    if tree is None:
        raise JobError(f"{name} is empty; `tuneworthy init data.csv` writes a job to start from.")
    if not isinstance(tree, dict):
        raise JobError(f"{name} holds {describe(tree)} instead of keys; begin with a line such as 'data:'.")
    places: Places = {}
    _collect_lines(node, (), name, places)
    return tree, places


def _collect_lines(node: Node | None, path: tuple[str, ...], name: str, places: Places) -> None:
    if not isinstance(node, MappingNode) or len(path) == 2:
        return
    for key, value in node.value:
        here = (*path, str(key.value))
        places[here] = f"{name}, line {key.start_mark.line + 1}"
        _collect_lines(value, here, name, places)


def _trouble(error: YAMLError, text: str) -> tuple[int, str]:
    """The line (from 1), and in plain words what is wrong there and what to do."""
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return line, f"the character U+{ord(text[error.position]):04X} is not allowed in YAML; remove it"
    if not isinstance(error, MarkedYAMLError):
        return 1, f"not YAML ({' '.join(str(error).split())}); see https://yaml.org"
    problem = str(error.problem or "not YAML")
    mark = error.problem_mark or error.context_mark
    if "end" in problem and "stream" in problem and error.context_mark is not None:
        mark = error.context_mark  # where the quote or bracket opened says more than the end of the file
    line = mark.line + 1 if mark is not None else 1
    if "character '\\t'" in problem:
        return line, "a tab where YAML wants spaces; indent with spaces"
    if problem.startswith("mapping values are not allowed"):
        return (
            line,
            "a ': ' where YAML expects none; put a value that contains ': ' in quotes, or mend the indent",
        )
    context = f" {error.context}" if error.context else ""
    return line, f"not YAML ({problem}{context}); mend it, or put the value in quotes"


def _repeated_key(node: Node | None, seen: set[int]) -> tuple[str, int, int] | None:
    """The first key that a mapping holds twice, with both lines."""
    if node is None or id(node) in seen:
        return None
    seen.add(id(node))
    children = []
    lines: dict[str, int] = {}
    for item in node.value if isinstance(node.value, list) else ():
        key, value = item if isinstance(node, MappingNode) else (None, item)
        if key is not None and isinstance(key.value, str):
            line = key.start_mark.line + 1
            if key.value in lines:
                return key.value, lines[key.value], line
            lines[key.value] = line
        children.append(value)
    return next(filter(None, (_repeated_key(child, seen) for child in children)), None)


def apply_overrides(tree: Mapping[str, Any], overrides: Sequence[str]) -> Tree:
    """A copy of the tree with each `key=value` or `section.key=value` put in; values are YAML 1.2.

    An empty value is null. The last of several values for one key wins.

    Raises:
        JobError: an override has no '=', an empty name, a value that is no YAML, or goes through a value.
    """
    result = deepcopy(dict(tree))
    for override in overrides:
        path, value = split_override(override)
        node = result
        for depth, key in enumerate(path[:-1], start=1):
            inner = node.get(key)
            if inner is None:
                inner = node[key] = {}
            if not isinstance(inner, dict):
                raise JobError(
                    f"--set {override[:100]}: '{'.'.join(path[:depth])}' is {describe(inner)}, not a "
                    f"section; set it as a whole: --set {'.'.join(path[:depth])}=..."
                )
            node = inner
        node[path[-1]] = value
    return result


def split_override(override: str) -> tuple[tuple[str, ...], Any]:
    """The path and the parsed value of one `section.key=value`; see `apply_overrides`."""
    name, equals, text = override.partition("=")
    path = tuple(part.strip() for part in name.split("."))
    if not equals or not all(path):
        raise JobError(
            f"--set {override[:100]}: expected a key, '=' and a value, such as --set lora.learning_rate=2e-4."
        )
    if path == ("prompt",):  # a template's braces are no YAML
        return path, text.strip().strip("\"'") or None
    return path, parse_value(text, f"--set {override[:100]}")


def describe(value: Any) -> str:
    """A value in the words of the person who wrote it: "'abc'", "5", "a list", "nothing"."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}...'"
    if isinstance(value, list | tuple):
        return "a list"
    return "a section of keys" if isinstance(value, dict) else str(value)[:60]


def dump_yaml(tree: Mapping[str, Any]) -> str:
    """A tree of plain values as block YAML, keys in their order."""
    buffer = io.StringIO()
    _yaml().dump(dict(tree), buffer)
    return buffer.getvalue()


def read_job_text(path: Path) -> str:
    """The text of a job file. Raises JobError when it is not UTF-8 or cannot be read."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise JobError(f"{path.name}, line {line}: not UTF-8 text; save the file as UTF-8.") from None
    except OSError as error:
        raise JobError(f"{path} cannot be read ({error.strerror}); check its permissions.") from None
