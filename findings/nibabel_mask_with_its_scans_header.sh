#!/usr/bin/env bash
# Guess: a mask of labels 0 to 3 that is saved with the header of its CT, so that it lies in the same place, comes back
#   as it was, whichever program reads it.
# Happens: labels of a real type (those of get_fdata, of a resized mask) are stretched over the header's type, int16 for
#   a CT, and come back beside whole numbers: `mask == 1` has no voxel. As uint8, a mask of 0 and 1 is empty, and
#   labels 1, 2 and 3 become 0, 1 and 2, one structure for another. SimpleITK reads 1, 2 and 3 from the same file; of
#   labels 1 to 4, nibabel's become 1, 2, 2 and 3, and SimpleITK's 1, 2, 2 and 4. Labels that are integers are kept.
# Version: nibabel 5.4.2, SimpleITK 2.5.7, numpy 2.4.6
# Source: SlopeInterArrayWriter, nibabel/arraywriters.py, by which AnalyzeImage.to_file_map (analyze.py) writes
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "nibabel==5.4.2" "SimpleITK==2.5.7" "numpy==2.4.6" 2>&1 |
  grep -v WARNING || true
"$folder/venv/bin/python" - "$folder/mask.nii.gz" <<'PYTHON'
import sys
from importlib.metadata import version

import nibabel
import numpy as np
import SimpleITK

print(*(f"{name} {version(name)}" for name in ("nibabel", "SimpleITK", "numpy")))
path = sys.argv[1]
ct = nibabel.Nifti1Image(np.random.default_rng(0).integers(-1000, 2000, (16, 16, 4), dtype=np.int16), np.eye(4))


def whole(numbers, mask):
    """Return which label the voxels of each have as uint8."""
    return [int(np.unique(numbers.astype(np.uint8)[mask == label]).item()) for label in np.unique(mask)]


same = True
seen = {1: ([0, 0], [0, 1]), 3: ([0, 0, 1, 2], [0, 1, 2, 3]), 4: ([0, 1, 2, 2, 3], [0, 1, 2, 2, 4])}
for highest, expected in seen.items():
    mask = np.repeat(np.arange(16.0) % (highest + 1), 64).reshape(16, 16, 4)
    nibabel.save(nibabel.Nifti1Image(mask, ct.affine, ct.header), path)
    read = nibabel.load(path).get_fdata()
    other = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path)).T
    equal = int((read == mask)[mask > 0].sum())
    found = whole(read, mask), whole(other, mask)
    nibabel.save(nibabel.Nifti1Image(mask.astype(np.int32), ct.affine, ct.header), path)
    kept = bool((nibabel.load(path).get_fdata() == mask).all())
    print(f"labels 0 to {highest}: equal in {equal} of {(mask > 0).sum()} voxels", end="; ")
    print(f"as uint8 {found[0]}, by SimpleITK {found[1]}; as integers {'' if kept else 'not '}kept")
    same &= equal == 0 and found == expected and kept
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
