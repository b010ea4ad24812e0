#!/usr/bin/env bash
# Guess: a structure that a network misses has no distance to the true one, or the largest that there is.
# Happens: it has the best: hd, hd95 and msd are 0, as for a mask without a fault, and so they are for a structure that
#   is marked where there is none. A log line tells of precision and recall, and nothing of distances. Where two
#   networks find three of four structures alike, the mean HD95 of the one that finds the fourth 8 pixels beside its
#   place is 2.75, and of the one that misses it .75: the worse network is better. Published code has the same rule
#   (issue 39 of Beckschen/TransUNet asks why).
# Version: seg-metrics 1.2.8, SimpleITK 2.5.7, numpy 2.4.6
# Source: computeQualityMeasures, seg_metrics/seg_metrics.py (the distance map of an empty mask is the mask itself: 0)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "seg-metrics==1.2.8" "SimpleITK==2.5.7" "numpy==2.4.6" 2>&1 | grep -v WARNING || true
MPLBACKEND=agg "$folder/venv/bin/python" -W ignore - 2>/dev/null <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from seg_metrics.seg_metrics import write_metrics

print("seg-metrics", version("seg-metrics"), "SimpleITK", version("SimpleITK"), "numpy", np.__version__)
rows, columns = np.mgrid[:128, :128]
true = ((rows - 60) ** 2 + (columns - 64) ** 2 <= 15**2).astype(np.uint8)
empty = 0 * true


def measured(truth, marked):
    (found,) = write_metrics([1], gdth_img=truth, pred_img=marked, metrics=["dice", "hd", "hd95", "msd"])
    return [float(found[name][0]) for name in ("dice", "hd", "hd95", "msd")]


kinds = {"without a fault": (true, true), "missed": (true, empty), "false alarm": (empty, true)}
kinds |= {"8 pixels away": (true, np.roll(true, 8, 1)), "1 pixel away": (true, np.roll(true, 1, 1))}
found = {name: measured(*pair) for name, pair in kinds.items()}
for name, values in found.items():
    print(f"{name}: Dice {values[0]:.2f}, HD {values[1]:.2f}, HD95 {values[2]:.2f}, MSD {values[3]:.2f}")
means = {name: np.mean([found[fourth][2]] + 3 * [found["1 pixel away"][2]]) for name, fourth in
         (("finds the fourth badly", "8 pixels away"), ("misses it", "missed"))}
print(", ".join(f"{name}: mean HD95 {mean:.2f}" for name, mean in means.items()))
same = found["missed"] == found["false alarm"] == [0, 0, 0, 0] and found["without a fault"] == [1, 0, 0, 0]
same &= np.allclose(list(means.values()), (2.75, 0.75))
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
