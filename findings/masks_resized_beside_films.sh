#!/usr/bin/env bash
# Guess: a film and its mask that go through one Resize still show the structure in the same place.
# Happens: the film is averaged around the centres of its pixels, and the mask takes the pixel at their first corner
#   ("nearest"), so masks lie too far down and to the right: by .25 pixels of the smaller image where it has half the
#   size, .38 of a quarter, .44 of an eighth. A disc that a network marks exactly where the smaller film shows it (at
#   half of its brightness) has a Dice of .991, .979 and .952. torchvision, MONAI and albumentations agree to .05 pixels,
#   so numbers of one agree with another's and not with the film. Pillow's nearest is within .06 at these two sizes.
# Version: torchvision 0.29.1, MONAI 1.6.1, albumentations 2.0.8, torch 2.14.1, numpy 2.4.6
# Source: resize_mask, torchvision/transforms/v2/functional/_geometry.py; Resized(mode="nearest"),
#   monai/transforms/spatial/dictionary.py; Resize, albumentations (mask_interpolation: cv2.INTER_NEAREST). Each has an
#   exact nearest pixel as well (issue 34808 of pytorch/pytorch), which torchvision's Resize then takes for the film too
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "torchvision==0.29.1" "torch==2.14.1" "monai==1.6.1" \
  "albumentations==2.0.8" "numpy==2.4.6" 2>&1 | grep -v WARNING || true
NO_ALBUMENTATIONS_UPDATE=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import albumentations
import numpy as np
import torch
from monai.transforms import Resized
from torchvision import tv_tensors
from torchvision.transforms import v2

print(*(f"{name} {version(name)}" for name in ("torchvision", "monai", "albumentations", "torch", "numpy")))
rows, columns = np.mgrid[:1024, :1024]
disc = ((rows - 500) ** 2 + (columns - 520) ** 2 <= 60**2).astype(np.float32)


def centre(image):
    return np.array([(place * image).sum() / image.sum() for place in np.indices(image.shape)])


def torchvisions(px):
    film, mask = v2.Resize((px, px))(tv_tensors.Image(disc[None]), tv_tensors.Mask(disc[None].astype(np.uint8)))
    return film[0].numpy(), mask[0].numpy()


def monais(px):
    images = {"film": torch.from_numpy(disc[None]), "mask": torch.from_numpy(disc[None])}
    found = Resized(["film", "mask"], (px, px), mode=["area", "nearest"])(images)
    return found["film"][0].numpy(), found["mask"][0].numpy()


def albumentationss(px):
    found = albumentations.Compose([albumentations.Resize(px, px)])(image=disc[..., None], mask=disc.astype(np.uint8))
    return found["image"].squeeze(), found["mask"]


same = True
for px, shift, dice in ((512, 0.25, 0.991), (256, 0.375, 0.979), (128, 0.4375, 0.952)):
    for resize in (torchvisions, monais, albumentationss):
        film, mask = resize(px)
        beside = centre(mask) - centre(film)
        shown = film >= 0.5
        overlap = 2 * (shown & (mask > 0)).sum() / (shown.sum() + (mask > 0).sum())
        print(f"{resize.__name__[:-1]}, {px} px: {beside[0]:.2f} down, {beside[1]:.2f} right, Dice {overlap:.3f}")
        same &= np.allclose(beside, shift, atol=0.05)
        same &= resize is not torchvisions or abs(overlap - dice) < 0.0006
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
