"""Makes SVG that goes inside a page: its colours are the page's own, so that it turns dark with it."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, FAINT, FIRST, SECOND, THIRD = "#000001", "#000002", "#000003", "#000004", "#000005"
"""What is drawn with; the page says what colours they are, in light and in dark."""
_COLOURS: Final = {INK: "--ink", FAINT: "--line", FIRST: "--first", SECOND: "--second", THIRD: "--third"}
_STYLE: Final = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and scaled
    "svg.hashsalt": "cio-spark",  # equal figures give an equal page
    "text.parse_math": False,  # an error code may hold $
    "font.family": "sans-serif",
    "font.size": 10,
    "hatch.linewidth": 0.6,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "timezone": "UTC",
}
_IDENTIFIER = re.compile(r'(\bid="|href="#|url\(#)')
_FONT = re.compile(r"(font(?:-family)?: [^;\"]*?)'?sans-serif'?(?:, [^;\"]*)?(?=[;\"])")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Plot:
    """A plot.

    Attributes:
        title: what it shows.
        description: the same for those who do not see it, with its main figures.
        svg: the drawing.
    """

    title: str
    description: str
    svg: Markup


def style() -> AbstractContextManager[None]:
    """The style within which axes are made and drawn on."""
    return mpl.rc_context(_STYLE)  # type: ignore[arg-type]  # its stubs know keys as literals only


def draw(
    title: str,
    description: str,
    paint: Callable[[Sequence[Axes]], Any],
    *,
    rows: int = 1,
    height: float = 2.6,
) -> Plot:
    """Draws a plot.

    Args:
        title, description: see `Plot`.
        paint: draws on the axes, which lie one above the other and share their x.
        rows: how many.
        height: of all of them, in inches; the width is 9.
    """
    with style():
        figure = Figure(figsize=(9, height), layout="constrained")
        axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
        paint(list(axes))
        buffer = io.StringIO()
        empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=empty)
    return Plot(title, description, _inside_a_page(buffer.getvalue(), title, description))


def _inside_a_page(svg: str, title: str, description: str) -> Markup:
    """The element alone, with a name, identifiers of its own, and colours that the page defines."""
    svg = svg[svg.index("<svg") :]
    name = f"plot{next(_numbers)}"
    svg = _IDENTIFIER.sub(rf"\g<1>{name}-", svg)
    for colour, variable in _COLOURS.items():
        svg = svg.replace(colour, f"var({variable})")
    svg = _FONT.sub(r"\g<1>system-ui, sans-serif", svg)
    # The drawing takes the width that it is given
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    label = f' role="img" aria-labelledby="{name}-title {name}-desc">'
    said = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
    svg = svg.replace(">", label + said, 1)
    return Markup(svg)  # drawn here; matplotlib escapes the texts in it
