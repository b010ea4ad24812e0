#!/usr/bin/env bash
# Guess: imagehash sees the same picture in a film of 16 bits and in the same film at 8 bits, up to a few bits of
#   the hash, as the hashes compare brightness alone.
# Happens: films of 12 bits in 16-bit PNG files become almost white before they are hashed, since converting to
#   8 bits clips at 255 of 65,535 and does not scale. Hashes say little of the picture: films that differ in
#   23 or more of 64 bits at 8 bits are at most 11 bits apart at 16 bits, so that a search for duplicates takes many
#   pairs of different patients for one film. Scaling to 8 bits first mends it.
# Version: ImageHash 4.3.2, Pillow 13.0.0, numpy 2.4.6, scipy 1.17.1
# Source: imagehash.dhash calls convert("L") on what it is given; Pillow's convert from "I;16" to "L" clips
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "ImageHash==4.3.2" "Pillow==13.0.0" "numpy==2.4.6" "scipy==1.17.1" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import io
import itertools
import sys
from importlib.metadata import version

import imagehash
import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

print("ImageHash", version("ImageHash"), "Pillow", version("Pillow"))
random = np.random.default_rng(0)
hashes = {8: [], 16: []}
for _ in range(6):
    film = gaussian_filter(random.normal(size=(256, 256)), 12)
    film = (film - film.min()) / (film.max() - film.min())
    for bits, pixels in ((8, (film * 255).astype(np.uint8)), (16, (film * 4095).astype(np.uint16))):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "png")
        opened = Image.open(file)
        hashes[bits].append(imagehash.dhash(opened))
    white = (np.asarray(opened.convert("L")) == 255).mean()
    print(f"mode {opened.mode}: {white:.1%} of its pixels are white when hashed")
apart = {bits: [int(a - b) for a, b in itertools.combinations(of, 2)] for bits, of in hashes.items()}
itself = [int(a - b) for a, b in zip(hashes[8], hashes[16], strict=True)]
print("bits between two films, 8 bits:", sorted(apart[8]))
print("bits between two films, 16 bits:", sorted(apart[16]))
print("bits between a film and itself, 8 against 16 bits:", sorted(itself))
ok = min(apart[8]) == 23 and max(apart[16]) == 11 and min(itself) == 28 and white > 0.9
print("behaves as described" if ok else "has changed")
sys.exit(not ok)
PYTHON
