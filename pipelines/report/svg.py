"""A matplotlib figure as inline SVG: same bytes for the same data, legible on light and dark paper.

Colours are drawn as placeholders, one for each role, and replaced by CSS variables, so that the
page's style sheet decides them. Texts stay texts. Nothing refers to anything outside the file.
"""

import io
import re
from collections.abc import Callable
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

_ROLES = [
    "ink",
    "muted",
    "grid",
    "paper",
    "shade",
    "model",
    "heuristic",
    "constant",
    "drift",
    "good",
    "second",
    "third",
]
COLOUR = {role: f"#0{number:x}1f2e" for number, role in enumerate(_ROLES)}
"""Placeholder of each role; `style.css` gives `--model` and so on for light and dark."""

_FONT = "DejaVu Sans"  # comes with matplotlib: the layout is the same on every machine
_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": _FONT,
    "font.size": 13,
    "text.color": COLOUR["ink"],
    "axes.edgecolor": COLOUR["muted"],
    "axes.labelcolor": COLOUR["muted"],
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": COLOUR["grid"],
    "grid.linewidth": 0.8,
    "xtick.color": COLOUR["muted"],
    "ytick.color": COLOUR["muted"],
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "xtick.minor.size": 0,
    "xtick.major.size": 3,
    "lines.linewidth": 1.8,
    "lines.markersize": 4,
    "figure.facecolor": "none",
}
_POINTS_PER_INCH = 72


def inline_svg(
    name: str, title: str, description: str, draw: Callable[[Any], None], height: int = 280
) -> str:
    """One panel, 420 units wide.

    Args:
        name: unique on the page; ids inside the picture start with it.
        title, description: what a screen reader says.
        draw: puts the content on the axes that it is given.
        height: in the same units; texts are 13 units high.
    """
    with mpl.rc_context({**_SETTINGS, "svg.hashsalt": name}):
        figure = Figure(
            figsize=(420 / _POINTS_PER_INCH, height / _POINTS_PER_INCH), layout="constrained"
        )
        canvas = FigureCanvasSVG(figure)
        draw(figure.subplots())
        stream = io.StringIO()
        canvas.print_svg(stream, metadata={"Date": None})
    return _inline(stream.getvalue(), name, title, description)


def _inline(text: str, name: str, title: str, description: str) -> str:
    """Only the picture itself, with ids of its own and colours by role."""
    body = text[text.index("<svg") :].strip()
    body = re.sub(r"<(metadata|style)\b.*?</\1>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->\s*|<defs>\s*</defs>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # nothing refers to groups
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'(xlink:href="|url\()#', rf"\1#{name}-", body).replace("xlink:href", "href")
    body = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", body)
    body = re.sub(r"\s*\n\s*", " ", body).replace("> <", ">\n<")
    body = body.replace(f"'{_FONT}'", "var(--font)")
    for role, placeholder in COLOUR.items():
        body = body.replace(placeholder, f"var(--{role})")
    view_box = re.search(r'viewBox="([^"]+)"', body)
    start = (
        f'<svg viewBox="{view_box[1] if view_box else ""}" role="img"'
        f' aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(description)}</desc>'
    )
    return re.sub(r"<svg\b[^>]*>", lambda _: start, body, count=1)
