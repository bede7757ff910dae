"""PNG pictures of layouts: Matplotlib draws the rectangles, lines and texts of the library's SVG."""

from __future__ import annotations

import io
import re
from typing import Any
from xml.etree import ElementTree

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle
except ImportError as error:
    raise ImportError("png needs Matplotlib, which is not installed: pip install matplotlib; svg() does not") from error

_SVG = "{http://www.w3.org/2000/svg}"
_DPI = 100  # at scale 1 a unit of the picture is a pixel
_POINT = 72 / _DPI
_GLYPH = 0.602  # width of a glyph of the monospaced font, relative to the font size


def png(svg: str, dark: bool, scale: float) -> bytes:
    """Draws the picture for a light or a dark page."""
    root = ElementTree.fromstring(svg)
    style = _style(root.findtext(f"{_SVG}style", ""), dark)
    width, height, size = (float(root.attrib[name]) for name in ("width", "height", "font-size"))
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI * scale, facecolor=style["page"]["fill"])
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    for element in (*root.findall("./*"), *root.findall(f"./{_SVG}g/*")):
        look = style.get(element.get("class", ""), {})
        if element.tag == f"{_SVG}rect" and element.get("class") != "page":
            _rectangle(axes, element, look, (style["hatch"] if element.get("class") == "gap" else look)["stroke"])
        elif element.tag == f"{_SVG}path":
            _line(axes, element.attrib["d"], look["stroke"])
        elif element.tag == f"{_SVG}text":
            _text(axes, element, style, size)
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()


def _style(sheet: str, dark: bool) -> dict[str, dict[str, str]]:
    """Style properties by class, or by element."""
    light, _, night = sheet.partition("@media")
    looks: dict[str, dict[str, str]] = {}
    for name, properties in re.findall(r"\.?(\w+)\{([^{}]*)\}", light + (night if dark else "")):
        looks.setdefault(name, {}).update(one.split(":") for one in properties.split(";"))
    return looks


def _rectangle(axes: Any, element: ElementTree.Element, look: dict[str, str], hatch: str) -> None:
    x, y, width, height = (float(element.attrib[name]) for name in ("x", "y", "width", "height"))
    dashes = [float(part) for part in look.get("stroke-dasharray", "").split()]
    line: dict[str, Any] = {"edgecolor": look["stroke"], "linewidth": _POINT, "linestyle": (0, dashes) if dashes else "solid"}
    if "fill" in look:
        axes.add_patch(Rectangle((x, y), width, height, facecolor=look["fill"], **line))
    else:
        axes.add_patch(Rectangle((x, y), width, height, fill=False, hatch="////", edgecolor=hatch, linewidth=0))
        axes.add_patch(Rectangle((x, y), width, height, fill=False, **line))


def _line(axes: Any, path: str, colour: str) -> None:
    xs: list[float] = []
    ys: list[float] = []
    for command, numbers in re.findall(r"([MLHv])([^MLHv]*)", path):
        values = [float(number) for number in numbers.split()]
        if command in "ML":
            x, y = values
        elif command == "H":
            x, y = values[0], ys[-1]
        else:
            x, y = xs[-1], ys[-1] + values[0]
        xs.append(x)
        ys.append(y)
    axes.add_line(Line2D(xs, ys, color=colour, linewidth=_POINT))


def _text(axes: Any, element: ElementTree.Element, style: dict[str, dict[str, str]], size: float) -> None:
    x, y = float(element.attrib["x"]), float(element.attrib["y"])
    for part in (element, *element.findall(f"{_SVG}tspan")):
        x += float(part.get("dx", 0))
        axes.text(
            x,
            y,
            part.text or "",
            color=style.get(part.get("class", ""), style["text"])["fill"],
            ha={"end": "right", "middle": "center"}.get(part.get("text-anchor", ""), "left"),
            va="baseline",
            family=["DejaVu Sans Mono", "DejaVu Sans"],  # shipped with Matplotlib
            size=size * _POINT,
            weight=part.get("font-weight", "normal"),
            parse_math=False,
        )
        x += size * _GLYPH * len(part.text or "")
