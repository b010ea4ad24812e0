"""A figure's SVG made part of the page: harmless, following the page's colours, no name clashes."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from markupsafe import Markup

from transfergrid.reporting.figures import palette
from transfergrid.runtime.errors import UserError

ALLOWED = frozenset(
    {"svg", "g", "defs", "clipPath", "use", "path", "rect", "circle", "ellipse"}
    | {"line", "polyline", "polygon", "text", "tspan", "title", "desc", "image"}
)
PICTURE = "data:image/png;base64,"
DROPPED = frozenset({"metadata", "style"})
# matplotlib sets these for every element of the document; inside a page they belong to the figure.
ROOT_STYLE = "stroke-linejoin:round;stroke-linecap:butt"
VARIABLES = {
    palette.INK: "--ink",
    palette.MUTED: "--muted",
    palette.LINE: "--line",
    palette.PAPER: "--paper",
    palette.BASELINE: "--c0",
    **{colour: f"--c{i}" for i, colour in enumerate(palette.PALETTE, start=1)},
}


def inline_svg(text: str, name: str, label: str) -> Markup:
    """Turn the text of an SVG file into an element for an HTML page.

    Args:
        text: The file's text.
        name: Prefix of every identifier, unique on the page.
        label: What a screen reader says.

    Returns:
        The element: no fixed size, house colours as CSS variables, no style sheet, no script.

    Raises:
        UserError: The text is no SVG, or holds an element, event handler or link that a page from
            elsewhere must not bring.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise UserError(f"figure '{name}' is not valid SVG ({error}); draw it again.") from None
    _clean(root, name)
    box = root.get("viewBox") or f"0 0 {root.get('width', '0')} {root.get('height', '0')}"
    root.attrib = {
        "viewBox": box,
        "role": "img",
        "aria-label": label,
        "style": ROOT_STYLE,
    }
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _plain(name: str) -> str:
    return name.rpartition("}")[2]


def _clean(element: ElementTree.Element, name: str) -> None:
    """Check an element and all below it, and rename, recolour and strip in place."""
    element.tag = _plain(element.tag)
    if element.tag not in ALLOWED:
        raise UserError(f"figure '{name}' holds a <{element.tag}>, which no figure may; remove it.")
    element.attrib = dict(_attribute(_plain(k), v, name) for k, v in element.attrib.items())
    # The numbers between elements are line breaks of the file.
    if element.tag not in ("text", "tspan", "title", "desc"):
        element.text = None
    element.tail = None
    for child in list(element):
        if _plain(child.tag) in DROPPED:
            element.remove(child)
        else:
            _clean(child, name)


def _attribute(key: str, value: str, name: str) -> tuple[str, str]:
    if key.lower().startswith("on"):
        raise UserError(f"figure '{name}' holds the event handler {key}; remove it.")
    if key == "href" and value.startswith(PICTURE):
        return key, value
    if key == "href":
        if not value.startswith("#"):
            raise UserError(f"figure '{name}' links to {value!r}; a figure must stand alone.")
        return key, f"#{name}-{value[1:]}"
    if key == "id":
        return key, f"{name}-{value}"
    value = re.sub(r"url\(#([^)]*)\)", rf"url(#{name}-\1)", value)
    if re.search(r"url\((?!#)", value):
        raise UserError(f"figure '{name}' refers to {value!r}; a figure must stand alone.")
    return key, re.sub(r"#[0-9a-f]{6}\b", _variable, value)


def _variable(match: re.Match[str]) -> str:
    variable = VARIABLES.get(match[0])
    return f"var({variable})" if variable else match[0]
