#!/usr/bin/env bash
# Guess: the average Hausdorff distance of two masks is the mean distance of their outlines, so that a mask which lies
#   4 pixels beside the true one has about the same, whatever the size of the structure.
# Happens: it averages over all pixels of a mask, and those inside of the other mask count 0. The same 4 pixels are
#   1.02 of a disc with a radius of 5, and .51, .26 and .13 of radii of 10, 20 and 40; between outlines they are 2.1 to
#   2.4. So in a mean over structures large ones hardly count, and numbers are not comparable with average surface
#   distances. (Of both directions it takes the larger.) It is as documented, if one reads that both are distances of
#   the sets of non-zero pixels; ITK's page of the directed filter spells out that overlaps count 0.
# Version: SimpleITK 2.5.7, numpy 2.4.6, scipy 1.17.1
# Source: GetAverageHausdorffDistance of HausdorffDistanceImageFilter; ITK 6.0.0, DirectedHausdorffDistanceImageFilter
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "SimpleITK==2.5.7" "numpy==2.4.6" "scipy==1.17.1" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import SimpleITK
from scipy.ndimage import binary_erosion, distance_transform_edt

print("SimpleITK", version("SimpleITK"), "scipy", version("scipy"))
rows, columns = np.mgrid[:128, :128]
found, outlines = [], []
for radius in (5, 10, 20, 40):
    true = (rows - 64) ** 2 + (columns - 62) ** 2 <= radius**2
    marked = np.roll(true, 4, axis=1)
    filter = SimpleITK.HausdorffDistanceImageFilter()
    filter.Execute(*(SimpleITK.GetImageFromArray(mask.astype(np.uint8)) for mask in (true, marked)))
    edges = [mask & ~binary_erosion(mask) for mask in (true, marked)]
    away = [distance_transform_edt(~edges[1])[edges[0]], distance_transform_edt(~edges[0])[edges[1]]]
    over_pixels = max(distance_transform_edt(~marked)[true].mean(), distance_transform_edt(~true)[marked].mean())
    assert np.isclose(filter.GetAverageHausdorffDistance(), over_pixels)
    assert filter.GetHausdorffDistance() == 4 == max(each.max() for each in away)
    found.append(filter.GetAverageHausdorffDistance())
    outlines.append(np.concatenate(away).mean())
    print(f"radius {radius}: {found[-1]:.2f} on average, between outlines {outlines[-1]:.2f}, largest 4")
same = np.allclose(found, (1.02, 0.51, 0.26, 0.13), atol=0.006) and 2.0 < min(outlines) < max(outlines) < 2.5
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
