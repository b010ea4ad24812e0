#!/usr/bin/env bash
# Guess: the 95 % interval of a macro F1 is as wide as the score varies from one test set to the next (3.92 standard
#   deviations), whatever the number of classes, and holds the true score in 95 of 100 test sets.
# Happens: of two equally frequent classes it is 2.1 times as wide and holds the true score in all of 400 test sets;
#   with three classes it is 1.6 times as wide, and with eight it happens to fit. Of 400 films without a mistake it is
#   .931 to 1.069. So where classes are few, differences between networks look like chance that are none. The
#   package's bootstrap is right.
# Version: confidenceinterval 1.0.5, numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1, statsmodels 0.15.0, pandas 3.1.1
# Source: macro_f1_score_takahashi, confidenceinterval/takahashi_methods.py, which adds F/2 + a/b where the variance in
#   section 3.2 of Takahashi et al. (2022, Applied Intelligence 52:4961) multiplies by it, and sums two more factors
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "confidenceinterval==1.0.5" "numpy==2.4.6" "scipy==1.17.1" "scikit-learn==1.9.1" "statsmodels==0.15.0" \
  "pandas==3.1.1" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from confidenceinterval import f1_score

print("confidenceinterval", version("confidenceinterval"), "scikit-learn", version("scikit-learn"))
random = np.random.default_rng(0)
right = 0.7  # the other calls are drawn from all classes alike


def macro_f1(shares):
    return float(np.mean(2 * np.diag(shares) / (shares.sum(0) + shares.sum(1))))


ratios, held = {}, {}
for classes in (2, 3, 8):
    expected = np.full((classes, classes), (1 - right) / classes**2) + np.eye(classes) * right / classes
    scores, widths, inside = [], [], []
    for _ in range(400):
        truth = random.integers(0, classes, 400)
        called = np.where(random.random(400) < right, truth, random.integers(0, classes, 400))
        score, (low, high) = f1_score(truth, called, average="macro")
        counts = np.zeros((classes, classes))
        np.add.at(counts, (truth, called), 1)
        assert abs(score - macro_f1(counts)) < 1e-6
        scores.append(score)
        widths.append(high - low)
        inside.append(low <= macro_f1(expected) <= high)
    ratios[classes] = np.mean(widths) / (3.92 * np.std(scores))
    held[classes] = np.mean(inside)
    print(
        f"{classes} classes: {np.mean(widths):.3f} wide, 3.92 SD of the scores {3.92 * np.std(scores):.3f},",
        f"ratio {ratios[classes]:.2f}, holds the true score in {held[classes]:.1%}",
    )
perfect = np.repeat([0, 1], 200)
_, bounds = f1_score(perfect, perfect, average="macro")
print("no mistake: {:.3f} to {:.3f}".format(*bounds))
same = 1.9 < ratios[2] < 2.4 and 1.4 < ratios[3] < 1.8 and 0.8 < ratios[8] < 1 and held[2] == 1
same &= np.allclose(bounds, (0.931, 1.069), atol=1e-3)
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
