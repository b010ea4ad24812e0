"""Networks tried in a process of its own: it has torch, and may take its time or crash.

Reads a JSON list of trials, and prints a list of what is wrong with each, or null.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

from transfergrid.runtime.errors import UserError


def fault_of(trial: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a network; None if nothing is.

    Args:
        trial: ``architecture`` and ``truncation``, as `transfergrid.models.zoo.build` takes them;
            ``px``, the side of its images; ``asked``, "maps" or "layers": whether it gets
            activation maps, or its activations are stored, of ``layers`` (null: of all blocks).
    """
    import torch

    from transfergrid.evaluation.cam import class_maps
    from transfergrid.models.taps import Taps
    from transfergrid.models.zoo import build

    try:
        network = build(trial["architecture"], 2, int(trial["truncation"]), 0).eval()
        draw = torch.Generator().manual_seed(0)
        images = torch.randn((1, 3, trial["px"], trial["px"]), generator=draw)
        if trial["asked"] == "maps":
            class_maps(network, images, [0])
            return None
        layers = None if trial["layers"] is None else tuple(trial["layers"])
        with Taps(network, layers) as taps:
            taps.shapes(images)
    except UserError as error:
        return str(error)
    except Exception as error:  # a network of the user's own may fail in any way
        return f"it cannot be tried ({type(error).__name__}: {error})."
    return None


def main() -> None:
    """Try the networks on standard input."""
    trials = json.load(sys.stdin)
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing):
        faults = [fault_of(trial) for trial in trials]
    print(json.dumps(faults))


if __name__ == "__main__":
    main()
