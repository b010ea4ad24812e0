#!/usr/bin/env bash
# Guess: four runs reach a level after 1, 2, 3 and 4 thousand steps, none is censored, so the median is 2.5 thousand
#   in every package, as in numpy.median.
# Happens: lifelines says 2, statsmodels says 3. The Kaplan-Meier curve lies at exactly one half between the two
#   middle runs; lifelines takes where it arrives there, statsmodels where it leaves. R's survival takes the middle
#   (2.5). Any even number of runs without censoring before the median is such a case, so the packages differ on
#   most small experiments by the whole gap between two runs.
# Version: lifelines 0.30.3, statsmodels 0.15.0, numpy 2.4.6, pandas 2.3.3
# Source: KaplanMeierFitter.median_survival_time_; SurvfuncRight.quantile; help page of quantile.survfit in R's survival
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "lifelines==0.30.3" "statsmodels==0.15.0" "numpy==2.4.6" "pandas==2.3.3" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from lifelines import KaplanMeierFitter
from statsmodels.duration.survfunc import SurvfuncRight

steps, reached = np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4)
seen = {
    "numpy": float(np.median(steps)),
    "lifelines": float(KaplanMeierFitter().fit(steps, reached).median_survival_time_),
    "statsmodels": float(SurvfuncRight(steps, reached).quantile(0.5)),
}
for package, median in seen.items():
    print(package, version(package), "median", median)
same = seen == {"numpy": 2.5, "lifelines": 2.0, "statsmodels": 3.0}
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
