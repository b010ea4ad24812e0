#!/usr/bin/env bash
# Guess: a TIFF that tifffile writes, big-endian, 16-bit signed, compressed by deflate, reads back by Pillow as
#   the numbers that were written, as the uncompressed file does.
# Happens: Pillow returns every number with its two bytes swapped, without an error or a warning. The same for
#   32-bit whole numbers and floats. Little-endian files, and unsigned 16-bit ones, are right.
# Version: Pillow 13.0.0, tifffile 2026.3.3, numpy 2.4.6
# Source: libtiff hands out numbers in the machine's order; TiffImagePlugin._setup turns the raw mode "I;16"
#   and those that end in ";16B" or ";16L" into the machine's order, and leaves I;16BS, I;32BS and F;32BF as they are.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "pillow==13.0.0" "tifffile==2026.3.3" "numpy==2.4.6" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import PIL
import tifffile
from PIL import Image

folder = Path(sys.argv[1])
print("Pillow", PIL.__version__, "tifffile", tifffile.__version__)
found = {}
for kind in ("uint16", "int16", "int32", "float32"):
    values = (np.arange(1, 13).reshape(3, 4) * 300).astype(kind)
    for order in "<>":
        for compression in (None, "zlib"):
            path = folder / f"{kind}{compression}{'II' if order == '<' else 'MM'}.tif"
            tifffile.imwrite(path, values, byteorder=order, compression=compression)
            assert np.array_equal(tifffile.imread(path), values)
            with Image.open(path) as image:
                read = np.asarray(image)
            name = f"{kind} {'little' if order == '<' else 'big'}-endian {compression or 'plain'}"
            swapped = values.byteswap()
            found[name] = (
                "right" if np.array_equal(read, values)
                else "bytes swapped" if np.array_equal(read, swapped) else "wrong"
            )
            print(f"{name:30s} {found[name]}")
wrong = {name for name, how in found.items() if how != "right"}
expected = {f"{kind} big-endian zlib" for kind in ("int16", "int32", "float32")}
print("behaves as described" if wrong == expected else f"has changed: {sorted(wrong)}")
sys.exit(wrong != expected)
PYTHON
