"""Write a fake DDTI with the published layout: an XML file a case, its images beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

GRADES = ("2", "4a", "", "3", "4b", "2", "5", "", "4c", "3")
"""TI-RADS grades of cases 1 to 10, and again from there."""
CUT = '[{"points": [{"x": 182, "y": 104}, {"x": 17'
"""An outline that is cut off, as two of the published ones are."""

_CASE = """<case>
    <number>{number}</number>
    <age></age>
    <sex>F</sex>
    <composition>spongiform</composition>
    <echogenicity></echogenicity>
    <margins>well defined</margins>
    <calcifications></calcifications>
    <tirads>{grade}</tirads>
    <reportbacaf></reportbacaf>
    <reporteco></reporteco>
{marks}</case>
"""
_MARK = "    <mark>\n        <image>{image}</image>\n        <svg>{outline}</svg>\n    </mark>\n"


def images(case: int) -> int:
    """Return the number of images of a case."""
    return 1 + case % 3


def make(root: Path, rng: np.random.Generator, cases: int = 30) -> None:
    """Write `root`/1.xml, 1_1.jpg and so on.

    The last image of every fourth case has no mark, and the outline of case 3 is cut off.
    """
    root.mkdir(parents=True, exist_ok=True)
    for case in range(1, cases + 1):
        count = images(case)
        marked = count - (case % 4 == 0)
        outline = CUT if case == 3 else '[{"points": [{"x": 2, "y": 4}, {"x": 9, "y": 8}]}]'
        marks = "".join(
            _MARK.format(image=number, outline=outline) for number in range(1, marked + 1)
        )
        grade = GRADES[(case - 1) % len(GRADES)]
        text = _CASE.format(number=case, grade=grade, marks=marks)
        (root / f"{case}.xml").write_text(text)
        for number in range(1, count + 1):
            coarse = rng.integers(0, 256, (6, 8), dtype=np.uint8)
            picture = Image.fromarray(coarse).resize((40, 30))
            picture.save(root / f"{case}_{number}.jpg", quality=90)
