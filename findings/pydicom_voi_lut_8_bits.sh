#!/usr/bin/env bash
# Guess: pydicom's apply_voi() looks every number of a film of 12 bits up in a VOI LUT of 4,096 entries, whether these
#   entries have 8 bits or 16.
# Happens: with entries of 8 bits it counts places modulo 256, so number 256 is given the first entry, 257 the second,
#   and a film comes out as sixteen ramps, without an error or a warning. With 10 to 16 bits it is right.
# Version: pydicom 3.0.2, numpy 2.4.6
# Source: pydicom.pixels.processing.apply_voi holds places in an array of the entries' type (clipped_iv, uint8), into
#   which numpy casts them. A VOI LUT of 8 bits is allowed by PS3.3 C.11.2.1.1 and C.8.11.3.1.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "pydicom==3.0.2" "numpy==2.4.6" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.pixels import apply_voi

print("pydicom", pydicom.__version__, "numpy", np.__version__)
film = np.arange(4096, dtype=np.uint16)
found = {}
for bits in (8, 12, 16):
    entries = np.floor(film / 4096 * 2**bits).astype("<u2")
    item, file = Dataset(), Dataset()
    item.LUTDescriptor = [4096, 0, bits]
    item.add_new("LUTData", "US", entries.tolist())
    file.VOILUTSequence = [item]
    found[bits] = int((apply_voi(film, file) != entries).sum())
    print(f"{bits:2d} bits: {found[bits]} of 4096 numbers are given another number's entry")
as_described = found[8] > 3000 and found[12] == found[16] == 0
print("behaves as described" if as_described else "has changed")
sys.exit(not as_described)
PYTHON
