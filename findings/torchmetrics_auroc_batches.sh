#!/usr/bin/env bash
# Guess: a metric that collects all scores before it is computed does not depend on how they came in batches.
# Happens: each update decides by its own scores whether they are logits, and puts a sigmoid over them unless all lie
#   within 0 and 1. So logits of a batch that happen to lie there stay as they are, among others that were changed:
#   twelve films in the right order have an AUROC of 1 in one batch and of .528 film by film.
# Version: torchmetrics 1.9.0, torch 2.14.1
# Source: torchmetrics/utilities/compute.py, normalize_logits_if_needed
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "torchmetrics==1.9.0" "torch==2.14.1" \
  2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from torchmetrics.classification import BinaryAUROC

ill = torch.tensor([0.05, 0.1, 0.2, 0.3, 1.5, 2.5])
well = torch.tensor([-3.0, -2.0, -1.0, -0.5, -0.2, -0.1])
logits = torch.stack([well, ill], 1).flatten()
labels = torch.tensor([0, 1]).repeat(6)
print("torchmetrics", version("torchmetrics"), "torch", torch.__version__)
found = {}
for size in (12, 2, 1):
    metric = BinaryAUROC()
    for scores, truth in zip(logits.split(size), labels.split(size), strict=True):
        metric.update(scores, truth)
    found[size] = round(float(metric.compute()), 3)
    print(f"in batches of {size}: AUROC {found[size]}")
same = found == {12: 1.0, 2: 1.0, 1: 0.528}
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
