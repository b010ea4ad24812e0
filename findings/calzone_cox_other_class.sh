#!/usr/bin/env bash
# Guess: asked for class 2 of three, a calibration slope compares the probabilities of class 2 with how often it is true:
#   labels that are drawn from the probabilities themselves give a slope of 1 and an intercept of 0 in each class.
# Happens: the labels are those of the class, the probabilities always those of class 1. So the slope is 1.01 for class 1,
#   and -.45 and -.38 for classes 0 and 2, which are as well calibrated: "the higher the probability, the rarer the
#   class". The class's other numbers (ECE, Spiegelhalter's z) are of its own probabilities, and say that all is well.
# Version: calzone-tool 0.1.0, numpy 2.4.6, scipy 1.17.1, statsmodels 0.15.0
# Source: cox_regression_analysis, calzone/metrics.py (y_proba[:, 1])
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "calzone-tool==0.1.0" "numpy==2.4.6" \
  "scipy==1.17.1" "statsmodels==0.15.0" 2>&1 | grep -v WARNING || true
MPLBACKEND=agg "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import statsmodels.api as models
from calzone.metrics import cox_regression_analysis, spiegelhalter_z_test

print("calzone-tool", version("calzone-tool"), "statsmodels", version("statsmodels"), "numpy", np.__version__)
random = np.random.default_rng(0)
odds = np.exp(random.normal(size=(4000, 3)))
probabilities = odds / odds.sum(axis=1, keepdims=True)
labels = np.array([random.choice(3, p=row) for row in probabilities])
slopes, own, z = [], [], []
for kind in range(3):
    slopes.append(float(cox_regression_analysis(labels, probabilities, class_to_calculate=kind)[0]))
    z.append(float(spiegelhalter_z_test(labels, probabilities, class_to_calculate=kind)[0]))
    share = probabilities[:, kind]
    fit = models.Logit(labels == kind, models.add_constant(np.log(share / (1 - share)))).fit(disp=0)
    own.append(float(fit.params[1]))
    print(f"class {kind}: slope {slopes[-1]:.2f}, of its own probabilities {own[-1]:.2f}, Spiegelhalter z {z[-1]:.2f}")
same = np.allclose(slopes, (-0.45, 1.01, -0.38), atol=0.006) and np.allclose(own, 1, atol=0.1)
same &= max(map(abs, z)) < 2
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
