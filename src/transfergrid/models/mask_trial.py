"""Try decoders of one's own on the networks that they are put on, where nothing is computed.

Planning runs this as a process of its own: it imports torch, and so takes seconds, and the user's
code. From a list of networks as JSON to a list of sentences, null where nothing is wrong.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

from transfergrid.models.mask_network import mask_cost
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.progress import progress


def tried(network: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a network and its decoder in a sentence, or None.

    Args:
        network: ``architecture`` of a specification, ``outputs`` and ``truncation``.
    """
    architecture = network["architecture"]
    try:
        mask_cost(architecture, network["outputs"], network["truncation"], architecture["input_px"])
    except UserError as error:
        return str(error)
    except Exception as error:  # of the user's module, while it is imported
        return f"{architecture['decoder']} failed with {type(error).__name__} ({error})."
    return None


def main() -> None:
    """Read networks from the standard input, and write what is wrong with each."""
    networks = json.load(sys.stdin)
    with redirect_stdout(sys.stderr):  # what the user's code prints is no answer
        told = progress(networks, len(networks), "decoders tried")
        found = [tried(network) for network in told]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
