"""The glossary and the code say the same words."""

import ast
import importlib
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "tuneworthy"
CORE = (
    "example",
    "prediction",
    "unit",
    "evidence",
    "job",
    "finding",
    "endpoint",
    "judgement",
    "learning",
    "parity",
    "ranking",
    "forecast",
    "study",
)
INTERNAL: frozenset[str] = frozenset()  # public classes of the domain that need no entry: none so far

LINE = re.compile(
    r"\| (?P<code>`?)(?P<word>[^`|]+)(?P=code)(?P<planned> \(planned\))? \| (?P<meaning>[^|]+) \|"
)
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
ROWS = frozenset(("row", "rows", "set", "sets", "split", "ids", "examples", "fraction", "share", "part"))


def entries() -> list[re.Match[str]]:
    lines = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    found = [LINE.fullmatch(line) for line in lines if line.startswith("| ")][1:]
    assert all(found), "a line of docs/glossary.md is not '| `Word` | meaning |'"
    return [entry for entry in found if entry]


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def domain_classes() -> set[str]:
    modules = [importlib.import_module(f"tuneworthy.core.{name}") for name in CORE]
    return {
        name
        for module in modules
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and not name.startswith("_")
    }


def names_made(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Identifiers that the code itself makes, with their lines; what libraries call things is theirs."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.alias(asname=str(name)):
                yield node.lineno, name


def forbidden(identifier: str) -> bool:
    """Whether it calls a split "val", "dev" or "sample", or the search "tuning"."""
    words = [word.lower() for word in WORDS.findall(identifier)]
    searched = any(
        word in ("tuning", "tuner") and words[max(0, i - 1)] != "fine" for i, word in enumerate(words)
    )
    sampled = identifier == "sample" or ("sample" in words and bool(ROWS.intersection(words)))
    return searched or sampled or bool({"val", "dev"}.intersection(words))


def test_every_class_of_the_domain_has_an_entry() -> None:
    missing = domain_classes() - {entry["word"] for entry in entries() if entry["code"]} - INTERNAL
    assert not missing, f"docs/glossary.md has no entry for {sorted(missing)}"


def test_the_list_of_internals_holds_no_strangers() -> None:
    assert domain_classes() >= INTERNAL


def test_a_word_in_code_font_is_a_class_and_a_planned_one_is_not_yet() -> None:
    classes = {node.name for _, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for entry in entries():
        word = entry["word"]
        if entry["planned"]:
            assert word not in classes, f"{word} has code now: take '(planned)' away"
        elif entry["code"]:
            assert word in classes, f"{word} is no class of the package"


def test_each_word_has_one_entry_in_alphabetical_order() -> None:
    words = [entry["word"].lower() for entry in entries()]
    assert not [word for word, count in Counter(words).items() if count > 1]
    assert words == sorted(words)


def test_an_entry_is_one_or_two_sentences() -> None:
    for entry in entries():
        assert 1 <= len(re.findall(r"\.(?= |$)", entry["meaning"])) <= 3, entry["word"]
        assert entry["meaning"].endswith("."), entry["word"]


def test_no_identifier_uses_a_word_that_means_something_else_here() -> None:
    found = [
        f"{path}:{line} {name}"
        for path, tree in trees()
        for line, name in names_made(tree)
        if forbidden(name)
    ]
    assert not found, f"say validation, test or search (docs/glossary.md): {found}"


@pytest.mark.parametrize(
    "line",
    ["val_rows = 1", "def dev(): ...", "f = lambda sample: 1", "import x as tuning", "x.SampleSet = 1"],
)
def test_a_forbidden_identifier_is_seen(line: str) -> None:
    assert [name for _, name in names_made(ast.parse(line)) if forbidden(name)]


@pytest.mark.parametrize(
    "line", ["value = rng.sample(1)", "def fine_tuning(): ...", "device = 1", "f(val=1)"]
)
def test_other_identifiers_are_left_alone(line: str) -> None:
    assert not [name for _, name in names_made(ast.parse(line)) if forbidden(name)]
