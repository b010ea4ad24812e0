#!/usr/bin/env bash
# Guess: quadratic kappa of grades 0 to 4 takes a miss by three grades for nine times a miss by one.
# Happens: distances are between places in the list of the grades that occur. Where truth and answers have 0, 1 and 4,
#   4 is as far from 1 as 0 is: a network that calls twelve films of grade 0 grade 1 has .867, and one that calls four
#   of grade 4 grade 1 has .951; with labels=range(5) they have .957 and .849, the other way round. And where nobody
#   says 3, a network that calls a film of grade 4 grade 3, and no longer 2, loses: .939 becomes .929, with all five
#   .926 becomes .929. So do values of hospitals, folds and resamples differ by which grades occur there.
# Version: scikit-learn 1.9.1, numpy 2.4.6, scipy 1.17.1
# Source: cohen_kappa_score, sklearn/metrics/_classification.py (w_mat, of the size of the confusion matrix)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "scikit-learn==1.9.1" "numpy==2.4.6" "scipy==1.17.1" \
  2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import sklearn
from sklearn.metrics import cohen_kappa_score

print("scikit-learn", sklearn.__version__, "numpy", np.__version__)


def kappas(truth, answers):
    """Return quadratic kappa as it is called by default, and with all five grades."""
    return [cohen_kappa_score(truth, answers, weights="quadratic", labels=labels) for labels in (None, range(5))]


truth = np.repeat([0, 1, 4], [60, 30, 10])
near, far = truth.copy(), truth.copy()
near[:12], far[-4:] = 1, 1
graded = np.repeat([0, 1, 2, 4], [300, 100, 80, 20])
random = np.random.default_rng(1)
before, wrong = graded.copy(), random.random(500) < 0.15
before[wrong] = np.clip(graded[wrong] + random.choice([-1, 1], wrong.sum()), 0, 4)
before[before == 3] = 2
before[-8:] = 2
after = before.copy()
after[-1] = 3
found = []
for what, answers, true in (
    ("twelve films off by one", near, truth),
    ("four films off by three", far, truth),
    ("grade 3 never said", before, graded),
    ("one film nearer its truth", after, graded),
):
    found.append(kappas(true, answers))
    print(f"{what}: {found[-1][0]:.3f}, of five grades {found[-1][1]:.3f}")
same = np.allclose(found, [(0.867, 0.957), (0.951, 0.849), (0.939, 0.926), (0.929, 0.929)], atol=0.0006)
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
