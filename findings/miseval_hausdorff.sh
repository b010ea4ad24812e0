#!/usr/bin/env bash
# Guess: the Hausdorff distance of a mask that lies 5 pixels beside the true one is 5, in whatever direction, and the
#   average Hausdorff distance is smaller.
# Happens: "HD" is 0 for a mask that lies 5 pixels too low, or 20, and 3.16 for one that lies 5 too far to the right. The
#   whole array goes to a function that takes its rows for points: a mask of 128 x 128 is 128 points in 128 dimensions,
#   and a mask that moved down has the same rows in another order. A structure that was missed is 5.57 away. "AHD" is
#   the maximum: 5, 5 and 20, the distance of which the other should have been. Classes are no part of "HD", so each of
#   several has the same number.
# Version: miseval 1.3.0, hausdorff 0.2.6, numpy 2.4.6, scipy 1.17.1 (dictances 1.5.2, which these metrics do not use)
# Source: calc_SimpleHausdorffDistance and calc_AverageHausdorffDistance, miseval/hausdorff.py (the latter: np.max)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "numpy==2.4.6" "scipy==1.17.1" "scikit-image==0.26.0" \
  "scikit-learn==1.9.1" "numba==0.68.1" "hausdorff==0.2.6" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/pip" install -q --disable-pip-version-check --no-deps "miseval==1.3.0" "dictances==1.5.2" 2>&1 \
  | grep -v WARNING || true
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from miseval import evaluate
from scipy.ndimage import distance_transform_edt

print("miseval", version("miseval"), "hausdorff", version("hausdorff"), "scipy", version("scipy"))
rows, columns = np.mgrid[:128, :128]
true = ((rows - 60) ** 2 + (columns - 64) ** 2 <= 15**2).astype(np.uint8)
found = []
for down, right in ((5, 0), (20, 0), (0, 5)):
    marked = np.roll(true, (down, right), (0, 1))
    pairs = ((true, marked), (marked, true))
    distance = max(distance_transform_edt(1 - other)[one == 1].max() for one, other in pairs)
    found.append((distance, evaluate(true, marked, "HD"), evaluate(true, marked, "AHD")))
    print(f"{down} down, {right} right: distance {distance:.2f}, HD {found[-1][1]:.2f}, AHD {found[-1][2]:.2f}")
missed = evaluate(true, 0 * true, "HD")
print(f"missed: HD {missed:.2f}")
expected = [(5, 0, 5), (20, 0, 20), (5, 10**0.5, 5)]
same = np.allclose(found, expected) and abs(missed - 5.57) < 0.01
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
