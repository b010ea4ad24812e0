#!/usr/bin/env bash
# Guess: with `ignore_index`, a loss is the mean over the pixels that are not ignored, as in torch's cross_entropy, so
#   that a film half of which lies outside of the field of view weighs like any other.
# Happens: SoftBCEWithLogitsLoss and SoftCrossEntropyLoss set ignored pixels to 0 and divide by all of them: where half
#   are ignored the loss is half as large. The package's Dice, Tversky, Lovasz and focal losses do leave them out, so
#   in a sum such as BCE + Dice the weight of BCE depends on how much of a film is unknown.
# Version: segmentation-models-pytorch 0.6.0, torch 2.14.1, torchvision 0.29.1
# Source: segmentation_models_pytorch/losses/soft_bce.py, soft_ce.py, _functional.py
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "segmentation-models-pytorch==0.6.0" "torch==2.14.1" "torchvision==0.29.1" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from segmentation_models_pytorch import losses

draw = torch.Generator().manual_seed(0)
binary = torch.randn(2, 1, 8, 8, generator=draw), torch.randint(0, 2, (2, 1, 8, 8), generator=draw)
classes = torch.randn(2, 3, 8, 8, generator=draw), torch.randint(0, 3, (2, 8, 8), generator=draw)
cases = {
    "SoftBCEWithLogitsLoss": (losses.SoftBCEWithLogitsLoss(ignore_index=255), binary),
    "DiceLoss": (losses.DiceLoss("binary", ignore_index=255), binary),
    "FocalLoss": (losses.FocalLoss("binary", ignore_index=255), binary),
    "LovaszLoss": (losses.LovaszLoss("binary", ignore_index=255), binary),
    "SoftCrossEntropyLoss": (
        losses.SoftCrossEntropyLoss(ignore_index=255, smooth_factor=0.0),
        classes,
    ),
}
print("segmentation-models-pytorch", version("segmentation-models-pytorch"), "torch", torch.__version__)
ratios = {}
for name, (loss, (logits, truth)) in cases.items():
    truth = truth if truth.dim() == 3 else truth.float()
    half = truth.clone()
    half[..., 4:, :] = 255
    known, ignored = loss(logits[..., :4, :], truth[..., :4, :]), loss(logits, half)
    ratios[name] = float(ignored / known)
    print(f"{name}: {float(known):.4f} of the known pixels, {float(ignored):.4f} with the others ignored")
halved = {name for name, ratio in ratios.items() if abs(ratio - 0.5) < 1e-3}
kept = {name for name, ratio in ratios.items() if abs(ratio - 1) < 1e-3}
same = halved == {"SoftBCEWithLogitsLoss", "SoftCrossEntropyLoss"} and len(halved | kept) == len(ratios)
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
