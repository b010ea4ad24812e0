"""Write resources/timm_models.txt anew: every pinned ``arch.tag`` that the installed timm knows.

Run it after a new timm release is put into the lock:
``python workflow/scripts/list_timm_models.py resources/timm_models.txt``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import timm

from transfergrid.runtime.atomic import write_text


def main() -> None:
    """Parse, list, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="file to write, a name a line")
    arguments = parser.parse_args()
    names = sorted(timm.list_pretrained())
    write_text(arguments.output, "".join(f"{name}\n" for name in names))


if __name__ == "__main__":
    main()
