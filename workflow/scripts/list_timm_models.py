"""Rewrite resources/timm_models.txt: every pinned ``arch.tag`` that the installed timm knows.

Run it after a new timm release is put into the lock:
``python workflow/scripts/list_timm_models.py resources/timm_models.txt``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import timm

from transfergrid.runtime.atomic import write_text


def lines() -> list[str]:
    """Return a line for each name; a network of one input size only has that size after it."""
    found = []
    for name in sorted(timm.list_pretrained()):
        config = timm.get_pretrained_cfg(name)
        if config is not None and config.fixed_input_size:
            name += f" {config.input_size[1]}"
        found.append(name)
    return found


def main() -> None:
    """Parse, list, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="file to write, one name per line")
    arguments = parser.parse_args()
    write_text(arguments.output, "".join(f"{line}\n" for line in lines()))


if __name__ == "__main__":
    main()
