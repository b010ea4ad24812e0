#!/usr/bin/env bash
# Guess: DeLong's test of a network with itself, or of its probabilities with its logits, says p = 1 or that there is
#   nothing to test: two AUROCs are equal, and so is every film's place.
# Happens: p = 0, "highly significant", for a difference of 0. The variance of the difference is 0 then, so the test
#   falls back to a bootstrap of its own, and its p-value doubles the smaller share of the two sides, one of which
#   ("> 0") leaves out the equal resamples that are all of them. The same for two networks that separate all films.
# Version: MLstatkit 0.1.91, numpy 2.4.6, scipy 1.17.1
# Source: Delong_test, MLstatkit/delong.py (bootstrap_diff)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "MLstatkit==0.1.91" "numpy==2.4.6" "scipy==1.17.1" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from MLstatkit import Delong_test

random = np.random.default_rng(0)
sick = random.integers(0, 2, 60)
logits = sick * 0.8 + random.normal(size=60)
other = sick * 0.5 + random.normal(size=60)
probabilities = 1 / (1 + np.exp(-logits))
print("MLstatkit", version("MLstatkit"), "numpy", np.__version__)
seen = {}
for name, scores in {"itself": logits, "its probabilities": probabilities, "another": other}.items():
    z, p = Delong_test(sick, logits, scores, return_ci=False, return_auc=False)
    seen[name] = (z, p)
    print(f"logits against {name}: z {z:.3f}, p {p:.3f}")
same = seen["itself"] == seen["its probabilities"] == (0.0, 0.0) and 0.1 < seen["another"][1] < 1
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
