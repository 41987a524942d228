"""One file per page: its components, and what each of them does with the folder."""

import json
from dataclasses import dataclass
from typing import Any

from tuneworthy.web.runs import Runs
from tuneworthy.web.workspace import Workspace

GO = "(place) => { if (place) window.location.assign(place); }"  # the one way that a page leads to another


@dataclass(frozen=True, slots=True)
class Context:
    """What every page works on."""

    workspace: Workspace
    runs: Runs


def asked(request: Any, name: str) -> str:
    """A parameter of the page's address; empty where there is none."""
    try:
        found = request.query_params.get(name, "")
    except AttributeError:
        return ""
    return found if isinstance(found, str) else ""


def quoted(text: str) -> str:
    """A text in the quotes of JSON, for messages."""
    return json.dumps(text, ensure_ascii=False)


def opened() -> Any:
    """The event that the page which is being laid out was opened."""
    from gradio.context import Context as Here

    assert Here.root_block is not None
    return Here.root_block.load
