"""Draws plots as SVG to embed in a page; they use the page's colours, and so follow its dark mode."""

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
"""Placeholder colours of a drawing; the page defines the real ones for its light and its dark mode."""
_COLOURS: Final = {INK: "--ink", FAINT: "--line", FIRST: "--first", SECOND: "--second", THIRD: "--third"}
_STYLE: Final = {
    "svg.fonttype": "none",  # keep text as text, so that it can be read aloud, searched and scaled
    "svg.hashsalt": "cio-spark",  # fixed, so that equal figures give an equal page
    "text.parse_math": False,  # an error code may contain $
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
    """Holds a plot.

    Attributes:
        title: title of the plot.
        description: text with the main figures, for people who cannot see the plot.
        svg: the drawing as an SVG element.
    """

    title: str
    description: str
    svg: Markup


def style() -> AbstractContextManager[None]:
    """Return a context that applies the style; axes must be made and drawn on within it."""
    return mpl.rc_context(_STYLE)  # type: ignore[arg-type]  # its stubs know keys as literals only


def draw(
    title: str,
    description: str,
    paint: Callable[[Sequence[Axes]], Any],
    *,
    rows: int = 1,
    height: float = 2.6,
) -> Plot:
    """Draw a plot.

    Args:
        title, description: see `Plot`.
        paint: draws on the axes, which are stacked and share their x axis.
        rows: number of axes.
        height: height of all axes together, in inches; the width is 9 inches.
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
    """Return the SVG element with title, description, unique identifiers and the colours of the page."""
    svg = svg[svg.index("<svg") :]
    name = f"plot{next(_numbers)}"
    svg = _IDENTIFIER.sub(rf"\g<1>{name}-", svg)
    for colour, variable in _COLOURS.items():
        svg = svg.replace(colour, f"var({variable})")
    svg = _FONT.sub(r"\g<1>system-ui, sans-serif", svg)
    # Without a fixed size, the drawing takes the width of its container
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    label = f' role="img" aria-labelledby="{name}-title {name}-desc">'
    said = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
    svg = svg.replace(">", label + said, 1)
    return Markup(svg)  # drawn here; matplotlib escapes the texts in it
