"""`transfergrid init`: a study of somebody's data, with the reason of each guess, and its card."""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from transfergrid.commands.carded import card_of
from transfergrid.commands.divided import FOLDS, divided, masks_read
from transfergrid.commands.find import find
from transfergrid.commands.found import LINK, TABLE, Found
from transfergrid.commands.written_study import study_text
from transfergrid.planning.plan import plan_run
from transfergrid.runtime.atomic import replacing_directory
from transfergrid.runtime.errors import UserError

STUDY, CARD = "study.yaml", "data_card.md"
_USUAL_PX = (64, 96, 128)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="a folder, a table (.csv) or an .npz file"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="folder to write [the data's name, here]"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write a folder with a study and a card of its data.

    Raises:
        UserError: The data are nothing that a study can be guessed from, or the folder exists.
    """
    data: Path = arguments.data
    name = _name_of(data.resolve().stem)
    out = (arguments.out or Path(f"{name}_study")).absolute()
    if out.exists() or out.is_symlink():
        raise UserError(f"{out} is there already; name another folder with --out.")
    found = find(data)
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing_directory(out) as folder:
        if found.table is not None and found.link is not None:
            found.table.to_csv(folder / TABLE, index=False)
            (folder / LINK).symlink_to(found.link)
        text, card = _written(name, found, folder, out)
        (folder / STUDY).write_text(text, encoding="utf-8")
        (folder / CARD).write_text(card, encoding="utf-8")
    try:
        plan_run([], {"studies": [str(out / STUDY)]})
    except BaseException:
        shutil.rmtree(out)  # of which the study means nothing; links are not followed
        raise
    print(card, end="")
    where = out.relative_to(Path.cwd()) if out.is_relative_to(Path.cwd()) else out
    print(f"\nwritten: {where / STUDY}, {where / CARD}")
    print(f"read the guesses in {STUDY}, then:")
    print(f"  transfergrid plan {where / STUDY}")
    print(f"  snakemake --cores all --configfile {where / STUDY}")
    return 0


def _name_of(stem: str) -> str:
    """Return a name that a study may have, and that YAML reads as text: not `no` or `null`."""
    name = re.sub(r"\W+", "_", stem, flags=re.ASCII).strip("_").lower() or "films"
    return name if name[0].isalpha() and yaml.safe_load(name) == name else f"data_{name}"


def _written(name: str, found: Found, folder: Path, out: Path) -> tuple[str, str]:
    """Return the study and the card of what was found; the data are read once."""
    from transfergrid.data.kinds import read_unchecked

    settings = {guess.key: guess.value for guess in found.guesses if guess.value is not None}
    declaration: dict[str, Any] = {"kind": found.kind, **settings, "image_px": _px(found.size)}
    root = found.root or folder
    # A reader of tables wants a split or folds, and does nothing about the latter.
    undivided = (
        {"folds": {"k": FOLDS}} if found.parts == "settings" and "split" not in settings else {}
    )
    manifest = masks_read(read_unchecked({**undivided, **declaration}, root))
    parts = divided(manifest, declaration, root, found.parts)
    guesses = [*found.guesses, *parts.guesses]
    px = int(declaration["image_px"])
    text = study_text(name, found, guesses, px, str(found.root or out), parts.manifest)
    remarks = "".join(f"\n- {remark}\n" for remark in found.remarks)
    return text, card_of(name, parts.manifest) + remarks


def _px(size: int) -> int:
    """Return a side that is quick to learn from: no more than there is, but enough to be halved."""
    return next((px for px in reversed(_USUAL_PX) if px <= size), _USUAL_PX[0])
