#!/usr/bin/env bash
# Guess: the p-value of a difference of two accuracies is that of a two-sided test, the same whichever network is named
#   first: .037 for .85 and .80 on 500 films each. Two equal accuracies have p = 1.
# Happens: it is the share of the normal distribution below z. So p is .981 where the better network is named first,
#   .019 where it is named last, and .5 for equal ones: a significant difference depends on the order of two arguments,
#   and in the other order no difference is ever significant. Nothing says that the test is one-sided; the example of
#   the package's guide finds a z of -1.754 significant (p = .040), after a text that asks for 1.96.
# Version: mlxtend 0.25.0, numpy 2.4.6, scipy 1.17.1, statsmodels 0.15.0
# Source: proportion_difference, mlxtend/evaluate/proportion_difference.py (p = norm.cdf(z)); its guide,
#   docs/sources/user_guide/evaluate/proportion_difference.ipynb
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "mlxtend==0.25.0" "numpy==2.4.6" "scipy==1.17.1" "statsmodels==0.15.0" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from mlxtend.evaluate import proportion_difference
from statsmodels.stats.proportion import test_proportions_2indep

print("mlxtend", version("mlxtend"), "scipy", version("scipy"), "statsmodels", version("statsmodels"))
films, seen = 500, []
for one, other in ((0.85, 0.80), (0.80, 0.85), (0.80, 0.80)):
    z, p = proportion_difference(one, other, n_1=films)
    counts = (round(one * films), films, round(other * films), films)
    two_sided = test_proportions_2indep(*counts, method="wald").pvalue
    seen.append((p, two_sided))
    print(f"{one:.2f} against {other:.2f}: p {p:.3f}, two-sided {two_sided:.3f}")
expected = [(0.981, 0.037), (0.019, 0.037), (0.5, 1.0)]
same = np.allclose(seen, expected, atol=0.0006)
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
