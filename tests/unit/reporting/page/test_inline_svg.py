from __future__ import annotations

import pytest

from transfergrid.reporting.page.inline_svg import inline_svg
from transfergrid.runtime.errors import UserError


def test_an_svg_is_renamed_recoloured_and_stripped() -> None:
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'width="10pt" height="5pt" viewBox="0 0 10 5"><metadata/><defs><style>*{}</style>'
        '<path id="m"/></defs><g clip-path="url(#c)"><use xlink:href="#m" '
        'style="stroke: #0072b2; fill: #123456"/></g></svg>'
    )
    svg = inline_svg(text, "a", "A & B")
    assert 'id="a-m"' in svg
    assert 'href="#a-m"' in svg
    assert "url(#a-c)" in svg
    assert "stroke: var(--c1); fill: #123456" in svg
    assert "A &amp; B" in svg
    for gone in ("metadata", "<style", "width=", "xmlns", "xlink"):
        assert gone not in svg


@pytest.mark.parametrize(
    ("inside", "complaint"),
    [
        ("<script>1</script>", "script"),
        ("<foreignObject/>", "foreignObject"),
        ('<path onload="x()"/>', "onload"),
        ('<use href="https://example.org/x.svg#a"/>', "stand alone"),
        ('<path style="fill: url(https://example.org/x)"/>', "stand alone"),
        ('<image href="https://example.org/x.png"/>', "stand alone"),
        ('<image href="data:image/svg+xml;base64,AAAA"/>', "stand alone"),
        ("<g>", "not valid SVG"),
    ],
)
def test_an_svg_that_could_do_harm_is_refused(inside: str, complaint: str) -> None:
    text = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1">{inside}</svg>'
    with pytest.raises(UserError, match=complaint):
        inline_svg(text, "a", "A")
