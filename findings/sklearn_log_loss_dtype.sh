#!/usr/bin/env bash
# Guess: scikit-learn's log_loss of the same predictions is the same for float64, float32 and float16 arrays, up to
#   the rounding of the numbers, which here are 0, .25 and .75 and are the same in all three.
# Happens: one confident mistake among eight predictions costs 36.04 in float64, 15.94 in float32 and 6.93 in
#   float16, so that a network whose outputs are saved in half precision looks several times better.
#   No warning is given. brier_score_loss of the same arrays does not change.
# Version: scikit-learn 1.9.1, numpy 2.4.6
# Source: sklearn.metrics.log_loss clips probabilities to [eps, 1 - eps] with eps "the machine precision for `y_proba`'s
#   dtype", as its documentation says; it takes no argument that would set it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "scikit-learn==1.9.1" "numpy==2.4.6" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings

import numpy as np
import sklearn
from sklearn.metrics import brier_score_loss, log_loss

print("scikit-learn", sklearn.__version__, "numpy", np.__version__)
truth = np.array([1, 0, 1, 0, 1, 0, 1, 0])
told = np.array([0, 0.25, 0.75, 0.25, 0.75, 0.25, 0.75, 0.25])
others = 7 * -np.log(0.75)
costs = {}
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    for kind in ("float64", "float32", "float16"):
        given = told.astype(kind)
        assert (given == told).all()  # exact in all three
        costs[kind] = float(log_loss(truth, given)) * len(truth) - others
        print(f"{kind}: the mistake costs {costs[kind]:.2f}, Brier score {brier_score_loss(truth, given):.4f}")
print("warnings:", [str(warning.message) for warning in seen])
expected = {kind: -np.log(np.finfo(kind).eps) for kind in costs}
same = all(abs(costs[kind] - expected[kind]) < 0.05 for kind in costs) and not seen
print("behaves as described" if same else f"has changed: {costs}, expected {expected}")
sys.exit(not same)
PYTHON
