#!/usr/bin/env bash
# Guess: writing a mask as a DICOM segmentation leaves the array of the mask as it is.
# Happens: a mask of 0 and 1 (uint8) that is written as FRACTIONAL is multiplied by 255 in the caller's memory. What is
#   scored afterwards is another mask: `mask == 1` has no voxel, so its Dice with itself is 0, and its sum, a volume, is
#   255 times as large. The file is right. Masks of bool, uint16 and real numbers, and BINARY ones, are left alone.
# Version: highdicom 0.28.2, pydicom 3.0.2, numpy 2.4.6
# Source: Segmentation._get_segment_pixel_array, highdicom/seg/sop.py (segment_array *= int(max_fractional_value))
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "highdicom==0.28.2" "pydicom==3.0.2" "numpy==2.4.6" 2>&1 |
  grep -v WARNING || true
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from highdicom import AlgorithmIdentificationSequence as Algorithm
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

print(*(f"{name} {version(name)}" for name in ("highdicom", "pydicom", "numpy")))
STUDY, SERIES, FRAME = generate_uid(), generate_uid(), generate_uid()
EMPTY = ("PatientBirthDate", "PatientSex", "AccessionNumber", "ReferringPhysicianName", "StudyDate", "StudyTime")


def plane(number):
    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.SOPClassUID, found.SOPInstanceUID, found.Modality = CTImageStorage, generate_uid(), "CT"
    found.StudyInstanceUID, found.SeriesInstanceUID, found.FrameOfReferenceUID = STUDY, SERIES, FRAME
    found.PatientID = found.PatientName = found.StudyID = "1"
    for name in EMPTY:
        setattr(found, name, "")
    found.Rows = found.Columns = 32
    found.ImagePositionPatient, found.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
    found.PixelSpacing, found.SliceThickness, found.InstanceNumber = [1, 1], 1, number + 1
    found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = 16, 16, 15, 0
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.PixelData = bytes(2 * 32 * 32)
    return found


def written(mask, kind):
    algorithm = Algorithm("network", codes.DCM.ArtificialIntelligence, "1")
    what = SegmentDescription(1, "lung", codes.SCT.Organ, codes.SCT.Lung, "AUTOMATIC", algorithm)
    return Segmentation(planes, mask, kind, [what], generate_uid(), 1, generate_uid(), 1, "m", "m", "1", "1")


planes = [plane(number) for number in range(4)]
truth = np.zeros((4, 32, 32), bool)
truth[:, 8:20, 10:25] = True
found = {}
for kind, dtype in (("FRACTIONAL", "uint8"), ("FRACTIONAL", "bool"), ("FRACTIONAL", "float32"), ("BINARY", "uint8")):
    mask = truth.astype(dtype)
    file = written(mask, kind).pixel_array
    dice = 2 * ((mask == 1) & truth).sum() / ((mask == 1).sum() + truth.sum())
    found[kind, dtype] = float(dice), float(mask.sum() / truth.sum()), bool(((file > 0).sum() == truth.sum()))
    print(f"{kind}, {dtype}: Dice {dice:.0f}, volume x {found[kind, dtype][1]:g}, file {found[kind, dtype][2]}")
same = found.pop(("FRACTIONAL", "uint8")) == (0, 255, True) and set(found.values()) == {(1, 1, True)}
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
