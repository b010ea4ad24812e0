#!/usr/bin/env bash
# Guess: Bonferroni's correction of three p-values is three times each of them, so that equal ones stay equal and the
#   smallest stays the smallest.
# Happens: only the smallest is multiplied by 3, the next by 2 and the largest by 1, whether or not a smaller one was
#   significant. Three p-values of .04 become .12, .08 and .04, in the order in which they are given, and of .02, .021
#   and .03 only the largest ends below .05. Holm's method has the same factors, but no later p-value falls below an
#   earlier one. The package's page says only that the function is for Bonferroni's correction; its source names
#   partial conjunction, which counts how many data sets show an effect and does not say which.
# Version: deepsig 1.2.8, numpy 2.4.6, statsmodels 0.15.0
# Source: bonferroni_correction and calculate_partial_conjunction, deepsig/correction.py; README of
#   Kaleidophon/deep-significance ("Permutation and bootstrap test")
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "deepsig==1.2.8" "numpy==2.4.6" "statsmodels==0.15.0" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from deepsig import bonferroni_correction
from statsmodels.stats.multitest import multipletests

print("deepsig", version("deepsig"), "statsmodels", version("statsmodels"))
found = {}
for given in ((0.04, 0.04, 0.04), (0.02, 0.021, 0.03)):
    print("p-values", *given)
    adjusted = {"deepsig": bonferroni_correction(np.array(given))}
    adjusted |= {name: multipletests(given, method=name)[1] for name in ("bonferroni", "holm")}
    for name, values in adjusted.items():
        print(f"  {name:10s}", *(f"{value:.3f}" for value in values))
    assert np.allclose(adjusted["bonferroni"], 3 * np.array(given))
    found[given] = adjusted["deepsig"]
same = np.allclose(found[0.04, 0.04, 0.04], [0.12, 0.08, 0.04])
same &= np.allclose(found[0.02, 0.021, 0.03], [0.06, 0.042, 0.03])
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
