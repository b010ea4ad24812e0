from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]


def layers() -> list[str]:
    """Return the rooms from top to bottom, as lint-imports enforces them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        one for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers"
    )
    return [layer.replace("transfergrid.", "") for layer in contract["layers"]]


def test_every_folder_of_the_package_is_a_room() -> None:
    folders = {path.parent.name for path in (ROOT / "src/transfergrid").glob("*/__init__.py")}
    assert {room for layer in layers() for room in layer.split(" | ")} == folders


def test_the_documents_draw_the_rooms_that_are_enforced() -> None:
    design = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    (drawn,) = re.findall(r"^commands > .+$", design, re.MULTILINE)
    assert drawn.replace(", ", " | ").split(" > ") == layers()
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", text, re.MULTILINE)
    assert [row.replace("`", "").replace(", ", " | ") for row in rows] == layers()
