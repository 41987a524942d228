"""Templates of a room, with escaping always on: one place decides that for reports and pages alike."""

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from tuneworthy.reports import formats


@cache
def environment(room: str = "reports") -> Environment:
    """Jinja over `templates/` of a room: escaping for every file, the house's number formats as filters."""
    made = Environment(
        loader=PackageLoader(f"tuneworthy.{room}", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(formats.FILTERS)
    made.filters["prose"] = prose
    return made


def prose(text: str) -> Markup:
    """A sentence with its `commands` set as code; everything else is escaped."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def writable(page: str) -> str:
    """The page without lone surrogates, which no file can hold in UTF-8."""
    return page.encode("utf-8", "replace").decode("utf-8")
