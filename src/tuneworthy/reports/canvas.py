"""A drawing measured in page pixels that becomes inline SVG in the page's own colours and font.

Matplotlib's object-oriented API: no pyplot, no display. Every colour is drawn as a stand-in hex value and
replaced with a CSS variable, so that one drawing serves light and dark mode; text stays text. A fixed hash
salt and no date make equal contents equal bytes.
"""

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

# Stand-ins: no chart uses these as real colours. The names are CSS variables of the page.
COLOURS = {
    name: f"#0a01{number:02x}"
    for number, name in enumerate(
        (
            "ink",
            "muted",
            "rule",
            "band",
            "paper",
            "baseline",
            "classifier",
            "prompt",
            "tuned",
            "target",
            "gain",
        ),
        start=16,
    )
}
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tuneworthy",
    "path.simplify": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 13.0,
}


class Canvas:
    """One drawing of `width` x `height` pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        FigureCanvasSVG(self.figure)
        self.figure.patch.set_visible(False)

    def axes(self, left: float, top: float, right: float, bottom: float) -> Any:
        """Axes with these margins in pixels, without a frame."""
        axes = self.figure.add_axes(
            (
                left / self.width,
                bottom / self.height,
                (self.width - left - right) / self.width,
                (self.height - top - bottom) / self.height,
            )
        )
        axes.patch.set_visible(False)
        for side in axes.spines.values():
            side.set_visible(False)
        axes.tick_params(length=0, colors=COLOURS["muted"], labelsize=12, pad=6)
        axes.set_axisbelow(True)
        return axes

    def band(self, top: float, height: float) -> None:
        """A tinted stripe over the whole width, behind everything; `top` is counted from the top edge."""
        stripe = Rectangle(
            (0, 1 - (top + height) / self.height),
            1,
            height / self.height,
            transform=self.figure.transFigure,
            facecolor=COLOURS["band"],
            edgecolor="none",
            zorder=-2,
        )
        self.figure.add_artist(stripe)

    def svg(self, name: str, label: str) -> str:
        """The drawing as inline SVG; `name` keeps its ids apart from other charts', `label` is read aloud."""
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        self.figure.savefig(buffer, format="svg", metadata=nothing)
        text = buffer.getvalue().replace("xlink:href=", "href=")
        body = text[text.index(">", text.index("<svg")) + 1 :]
        used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
        body = re.sub(r' id="([^"]*)"', lambda id: f' id="{name}-{id[1]}"' if id[1] in used else "", body)
        body = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", body)
        body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)  # would style the whole page
        body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
        body = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", body)
        for variable, stand_in in COLOURS.items():
            body = body.replace(stand_in, f"var(--{variable})")
        body = re.sub(r">\s+<", "><", body)
        opening = (
            f'<svg viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}" '
            f'role="img" aria-label="{html.escape(label)}">'
        )
        return opening + body.strip()


@contextmanager
def house_style() -> Iterator[None]:
    """The settings that every chart is drawn under: a user's own matplotlibrc changes nothing."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def write(axes: Any, words: str, at: tuple[float, float], move: tuple[float, float], **style: Any) -> None:
    """Text at a point of the axes, moved by pixels; never read as mathematics."""
    axes.annotate(words, at, xytext=move, textcoords="offset points", parse_math=False, **style)
