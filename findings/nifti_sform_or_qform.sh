#!/usr/bin/env bash
# Guess: where a NIfTI header has two affines, all programs take the sform, if its code is not 0.
# Happens: SimpleITK takes it only if the code is 1 (scanner). For 2 to 4 (aligned, Talairach, MNI), as registration
#   leaves it, it takes the qform if there is one, and nibabel the sform. So the corner of a head that was turned by 10
#   degrees to align it lies 19.5 mm elsewhere in one program than in the other: masks that one of them puts onto
#   another grid, or onto an atlas, are not the other's.
# Version: nibabel 5.4.2, SimpleITK 2.5.7, numpy 2.4.6
# Source: Nifti1Header.get_best_affine, nibabel/nifti1.py; SetImageIOOrientationFromNIfTI, itkNiftiImageIO.cxx of ITK
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "nibabel==5.4.2" "SimpleITK==2.5.7" "numpy==2.4.6" 2>&1 |
  grep -v WARNING || true
"$folder/venv/bin/python" - "$folder/head.nii" <<'PYTHON'
import sys
from importlib.metadata import version

import nibabel
import numpy as np
import SimpleITK

print(*(f"{name} {version(name)}" for name in ("nibabel", "SimpleITK", "numpy")))
path, shape = sys.argv[1], (160, 160, 100)
cosine, sine = np.cos(np.radians(10)), np.sin(np.radians(10))
scanner, aligned = np.eye(4), np.eye(4)
scanner[:3, 3] = -80, -80, -50
aligned[:2, :2] = [[cosine, -sine], [sine, cosine]]
aligned[:3, 3] = aligned[:3, :3] @ scanner[:3, 3]
last = [size - 1 for size in shape]


def corners():
    """Return where the last voxel lies by each program, x to the right and y to the front."""
    ours = nibabel.load(path).affine @ [*last, 1]
    theirs = SimpleITK.ReadImage(path).TransformIndexToPhysicalPoint(last)
    return ours[:3], np.array(theirs) * [-1, -1, 1]


same = True
for code in (1, 2, 3, 4):
    image = nibabel.Nifti1Image(np.zeros(shape, np.int16), None)
    image.set_qform(scanner, 1)
    image.set_sform(aligned, code)
    nibabel.save(image, path)
    ours, theirs = corners()
    apart = float(np.linalg.norm(ours - theirs))
    print(f"sform_code {code}: nibabel {ours.round()}, SimpleITK {theirs.round()}, {apart:.1f} mm apart")
    same &= abs(apart - (0 if code == 1 else 19.5)) < 0.1
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
