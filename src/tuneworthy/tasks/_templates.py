"""Prompts that a user wrote: rendered in little time, or not at all.

A sandbox keeps a template from files and from Python, not from going on for ever. So a template that does
more than fill in is first tried out in a process of its own, which may take little time and memory; and every
later rendering is watched, for texts that the trial did not think of (decision 0130).
"""

from typing import Any

from jinja2 import nodes
from jinja2.sandbox import SandboxedEnvironment

from tuneworthy.core.bounded import TooMuchError
from tuneworthy.core.template_trial import ends

TRIAL_CPU_S = 2
_PLAIN: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.For,
)
_PLAIN += (nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Filter)
_PLAIN_FILTERS = (
    "upper",
    "lower",
    "trim",
    "title",
    "capitalize",
    "length",
    "join",
    "first",
    "last",
    "tojson",
)
_TEXT = "A text of some words, 12.5 of them in numbers.\n"


def try_prompt(template: str, labels: tuple[str, ...]) -> None:
    """Tries a prompt out on a short and a long text.

    Raises:
        TooMuchError: it takes too much.
        jinja2.TemplateSyntaxError: it is no template.
    """
    if _plainly_ends(
        SandboxedEnvironment().parse(template)
    ):  # without computing anything, as compiling would
        return
    known: dict[str, Any] = {"instruction": _TEXT, "labels": labels}
    if not ends(template, [{"input": _TEXT * times, **known} for times in (1, 200)], TRIAL_CPU_S):
        raise TooMuchError("it goes on too long, or takes too much memory")


def _plainly_ends(tree: nodes.Node, loops: int = 0) -> bool:
    """Whether a template plainly writes little more than it is given: no arithmetic, no loop in a loop."""
    if not isinstance(tree, _PLAIN) or (isinstance(tree, nodes.For) and (loops or tree.recursive)):
        return False
    if isinstance(tree, nodes.Filter):
        given = [*tree.args, *tree.kwargs, tree.dyn_args, tree.dyn_kwargs]
        if tree.name not in _PLAIN_FILTERS or any(given):
            return False
    loops += isinstance(tree, nodes.For)
    return all(_plainly_ends(child, loops) for child in tree.iter_child_nodes())
