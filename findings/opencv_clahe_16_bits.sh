#!/usr/bin/env bash
# Guess: CLAHE makes the same picture of a film in 16 bits as in 8, and a higher clip limit shows more contrast in both.
# Happens: the limit becomes a number of pixels: clipLimit x the pixels of a tile / the number of greys, in whole ones,
#   and at least 1. With 65,536 greys and 8 x 8 tiles that is 1 for each limit from 1 to 7 in a film of 1024 pixels, and
#   from 1 to 31 in one of 512: the same picture to the last bit. A film of 12 bits comes out dark, the more so the
#   larger it is: its brightest pixel has 60, 24 and 11 % of the range at 256, 512 and 1024 pixels, and that of the same
#   film in 8 bits 91 to 93 %.
# Version: opencv-python-headless 5.0.0.93, numpy 2.4.6
# Source: CLAHE_Impl::apply, modules/imgproc/src/clahe.cpp
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "opencv-python-headless==5.0.0.93" "numpy==2.4.6" 2>&1 |
  grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import cv2
import numpy as np

print("opencv-python-headless", version("opencv-python-headless"), "numpy", np.__version__)


def film(px):
    rows, columns = np.mgrid[:px, :px] / px
    waves = np.sin(5 * columns) * np.cos(6 * rows) + 0.07 * np.random.default_rng(0).normal(size=(px, px))
    return np.clip(0.5 + 0.3 * waves, 0, 1)


def brightest(greys, limit):
    return cv2.createCLAHE(limit, (8, 8)).apply(greys).max() / np.iinfo(greys.dtype).max


def kinds(greys, limits):
    return len({cv2.createCLAHE(limit, (8, 8)).apply(greys).tobytes() for limit in limits})


same = True
for px, seen in ((256, (0.925, 0.596)), (512, (0.906, 0.243)), (1024, (0.914, 0.112))):
    last = 65536 * 64 // px**2 * 2 - 1
    of_8 = (film(px) * 255).astype(np.uint8)
    of_12, of_16 = ((film(px) * top).astype(np.uint16) for top in (4095, 65535))
    limits = np.linspace(1, last, 7)
    found, shown = (kinds(of_8, limits), kinds(of_16, limits)), (brightest(of_8, 2), brightest(of_12, 2))
    print(f"{px} px: 7 limits from 1 to {last} make {found[0]} pictures of 8 bits, and {found[1]} of 16")
    print(f"  the brightest pixel, with a limit of 2: {shown[0]:.3f} of 8 bits, {shown[1]:.3f} of 12")
    same &= found[0] > 1 and found[1] == 1 and np.allclose(shown, seen, atol=0.002)
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
