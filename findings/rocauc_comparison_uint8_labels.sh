#!/usr/bin/env bash
# Guess: an AUROC does not depend on the type of number in which 0 and 1 are stored.
# Happens: with labels of 8 bits without a sign, as MedMNIST's files have them, an AUROC of .806 becomes .425, its
#   variance doubles, and DeLong's test is of other numbers; nothing is said. Films are sorted by the negated labels,
#   the ill first, and in uint8 minus 1 is 255, so the healthy come first and are taken for the ill, as many as there
#   are ill ones. Labels of any other number type are right (those of bool raise an error).
# Version: rocauc-comparison 0.1.1, numpy 2.3.5, scipy 1.17.1 (with numpy 2.4 its test raises TypeError for any labels)
# Source: compute_ground_truth_statistics, rocauc_comparison/delong.py: (-ground_truth).argsort(). The line comes from
#   yandexdataschool/roc_comparison, which many programs have copied; confidenceinterval 1.0.5 has ~ in its place. The
#   type of MedMNIST's labels: issue 37 of MedMNIST/MedMNIST
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "rocauc-comparison==0.1.1" "numpy==2.3.5" "scipy==1.17.1" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from rocauc_comparison import delong_roc_test, delong_roc_variance

print("rocauc-comparison", version("rocauc-comparison"), "numpy", np.__version__)
random = np.random.default_rng(0)
ill = random.random(200) < 0.2
one, other = ill * 1.0 + random.normal(size=200), ill * 0.6 + random.normal(size=200)
pairs = (one[ill][:, None] > one[~ill]).mean()
print(f"a film that is ill has the higher score in {pairs:.3f} of all pairs")
found = {}
for kind in ("int64", "int8", "float32", "uint8"):
    labels = ill.astype(kind)
    area, variance = delong_roc_variance(labels, one)
    p = float(np.squeeze(delong_roc_test(labels, one, other).p_value))
    found[kind] = float(area), float(variance), p
    print(f"{kind:7s} AUROC {area:.3f}, variance {variance:.5f}, p of two networks {p:.3f}")
right = found["int64"]
same = all(np.allclose(found[kind], right) for kind in ("int8", "float32")) and np.isclose(right[0], pairs)
same &= abs(found["uint8"][0] - 0.425) < 0.001 and not np.allclose(found["uint8"], right)
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
