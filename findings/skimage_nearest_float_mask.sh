#!/usr/bin/env bash
# Guess: a mask that is made smaller by order=0, the nearest pixel, has the labels that it had before.
# Happens: if its labels are whole numbers of a real type, as nibabel's get_fdata gives them, it is blurred first, for
#   anti-aliasing is left out for bool and integers alone. As uint8 again, a disc labelled 1 has 92, 76 and 47 % of its
#   area at a half, a quarter and an eighth of the size: a Dice of .956, .863 and .638 with the same mask as integers.
#   A disc labelled 3 is labelled 2 everywhere at half the size. Rounding helps where there is one label, and leaves
#   rings of 1 and 2 around label 3.
# Version: scikit-image 0.26.0, numpy 2.4.6, scipy 1.17.1
# Source: resize, skimage/transform/_warps.py (anti_aliasing, whose documentation names integers)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "scikit-image==0.26.0" "numpy==2.4.6" "scipy==1.17.1" \
  2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys

import numpy as np
import skimage
from skimage.transform import resize

print("scikit-image", skimage.__version__, "numpy", np.__version__)
rows, columns = np.mgrid[:512, :512]
disc = (rows - 250) ** 2 + (columns - 260) ** 2 <= 60**2


def smaller(label, dtype, px):
    return resize((label * disc).astype(dtype), (px, px), order=0, preserve_range=True)


def dice(found, truth):
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


seen = {(1, 256): (0.956, 0.917), (1, 128): (0.863, 0.759), (1, 64): (0.638, 0.469)}
seen |= {(3, 256): (0, 0), (3, 128): (0.863, 0.759), (3, 64): (0.638, 0.469)}
same = True
for (label, px), expected in seen.items():
    truth = smaller(label, np.uint8, px) == label
    found = smaller(label, np.float64, px)
    whole, rounded = found.astype(np.uint8), np.rint(found)
    got = dice(whole == label, truth), (whole == label).sum() / truth.sum()
    between = int(((rounded > 0) & (rounded < label)).sum())
    print(f"label {label}, {px} px: Dice {got[0]:.3f}, {got[1]:.0%} of the area, labels {np.unique(whole)[1:]};")
    print(f"  rounded, {between} pixels of labels that the mask has not")
    same &= np.allclose(got, expected, atol=0.001) and (between > 0) == (label == 3)
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
