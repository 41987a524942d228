"""Everything a page shows, as HTML from the templates of this room: escaping is always on."""

from typing import Any

from jinja2 import PackageLoader
from markupsafe import Markup

from tuneworthy.reports.templating import environment, writable

PAGES = (
    ("new", "/", "New run"),
    ("runs", "/runs", "Runs"),
    ("compare", "/compare", "Compare"),
    ("playground", "/playground", "Playground"),
    ("review", "/review", "Label review"),
)


def render(template: str, **views: Any) -> str:
    """One template; whatever is not `Markup` is escaped."""
    return writable(environment("web").get_template(f"{template}.html.j2").render(views))


def masthead(current: str, title: str) -> str:
    """The links to every page, and the page's heading."""
    return render("masthead", pages=PAGES, current=current, title=title)


def alert(message: object) -> str:
    """A sentence that a screen reader says at once; nothing for no sentence."""
    return render("alert", message=str(message)) if message else ""


def own_text(name: str) -> str:
    """A style sheet or script of this room, which no data goes into."""
    source, _, _ = PackageLoader("tuneworthy.web", "templates").get_source(environment("web"), name)
    return source


def drawing(svg: str) -> Markup:
    """A chart of `reports`, which has escaped its words itself."""
    return Markup(svg)
