"""Figures as parts of an HTML page: SVG whose text and axes take the colours of the page."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING

from cisreg.report.plot import DENSITY
from cisreg.report.style import BLUE, GREEN, GUIDE, INK, MUTED, ORANGE, VERMILION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMESPACE = re.compile(r"\{.*\}")
# Variables of page.css, by the colours that matplotlib writes in lower case.
_VARIABLES = {
    color.lower(): f"var(--{name})"
    for color, name in (
        *((INK, "ink"), (MUTED, "muted"), (GUIDE, "guide"), (BLUE, "blue")),
        *((VERMILION, "vermilion"), (GREEN, "green"), (ORANGE, "orange")),
    )
}
_COLORS = re.compile("|".join(_VARIABLES))
_FONT = re.compile(r"font: (?:(bold|[0-9]+) )?([0-9.]+)px [^;]*")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def inline_svg(figure: Figure, key: str, label: str) -> str:
    """A figure as an `<svg>` element that loads nothing and fits any page.

    Args:
        figure: the figure.
        key: begins all its identifiers, so that those of other figures are different.
        label: what it shows, for those who do not see it.

    Returns:
        Text in which names are escaped.

    Example:
        >>> inline_svg(figure, "training", "Loss by epoch")[:20]  # doctest: +SKIP
        '<svg viewBox="0 0 31'
    """
    from matplotlib import rc_context

    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": key}):
        figure.savefig(buffer, format="svg", metadata=nothing, transparent=True)
    root = ElementTree.fromstring(buffer.getvalue().partition("<svg")[1] + _after(buffer))
    _clean(root, key)
    width = float(root.attrib["viewBox"].split()[2])
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-label": label,
        # Points of matplotlib in pixels of a page.
        "style": f"width:{width * 4 / 3:.0f}px",
        "class": "plot",
    }
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _after(buffer: io.StringIO) -> str:
    return buffer.getvalue().partition("<svg")[2]


def _clean(root: ElementTree.Element, key: str) -> None:
    """Drops namespaces, styles of the whole page, identifiers that nothing names; sets colours."""
    used = set(_REFERENCE.findall(ElementTree.tostring(root, encoding="unicode")))
    for parent in root.iter():
        for child in list(parent):
            if _NAMESPACE.sub("", child.tag) in ("style", "metadata"):
                parent.remove(child)
    for element in root.iter():
        element.tag = _NAMESPACE.sub("", element.tag)
        # Not what it holds: names of factors are text.
        attributes = {_NAMESPACE.sub("", name): each for name, each in element.attrib.items()}
        if attributes.get("href", "").startswith("#"):
            used.add(attributes["href"][1:])
        if attributes.get("id") == DENSITY:
            attributes["class"] = DENSITY
        element.attrib = attributes
    for element in root.iter():
        element.attrib = {
            name: _attribute(name, value, key)
            for name, value in element.attrib.items()
            if name != "id" or value in used
        }


def _attribute(name: str, value: str, key: str) -> str:
    if name == "id":
        return f"{key}-{value}"
    if name == "href" and value.startswith("#"):
        return f"#{key}-{value[1:]}"
    value = _REFERENCE.sub(lambda found: f"url(#{key}-{found[1]})", value)
    if name == "style":
        value = _FONT.sub(_font, value)
        value = _COLORS.sub(lambda found: _VARIABLES[found[0]], value)
    return value


def _font(found: re.Match[str]) -> str:
    weight = f"font-weight: {found[1]}; " if found[1] else ""
    return f"{weight}font-size: {found[2]}px"
