#!/usr/bin/env bash
# Guess: the gap of AUROC between two groups is unknown (NaN) where one group has no sick patient, and AUROC has
#   no value there.
# Happens: the group's own value is NaN, and the gap is 0.0: "no difference". Minimum and maximum over groups leave
#   NaN out, so both are the other group's value; the ratio is 1.0. A gap is understated too where a third group is
#   the one without a value. The smaller a group, the likelier it is to have no sick patient, and to look fair.
# Version: fairlearn 0.15.0, scikit-learn 1.9.1, numpy 2.4.6, pandas 3.1.1
# Source: MetricFrame.difference and ratio, fairlearn/metrics/_metric_frame.py
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "fairlearn==0.15.0" "scikit-learn==1.9.1" "numpy==2.4.6" "pandas==3.1.1" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from fairlearn.metrics import MetricFrame
from sklearn.metrics import roc_auc_score

random = np.random.default_rng(0)
sex = np.repeat(["F", "M"], [50, 10])
sick = np.where(sex == "F", random.integers(0, 2, 60), 0)
scores = sick * 0.8 + random.normal(size=60)
frame = MetricFrame(metrics=roc_auc_score, y_true=sick, y_pred=scores, sensitive_features=sex)
print("fairlearn", version("fairlearn"), "scikit-learn", version("scikit-learn"))
print("AUROC by group", {name: round(float(value), 3) for name, value in frame.by_group.items()})
print("difference", frame.difference(), "ratio", frame.ratio())
same = bool(np.isnan(frame.by_group["M"])) and frame.difference() == 0.0 and frame.ratio() == 1.0
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
