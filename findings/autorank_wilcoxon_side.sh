#!/usr/bin/env bash
# Guess: of two methods on the same data sets, Wilcoxon's test asks whether they differ: the method that wins on 18 of
#   20, and loses by little on two, is significantly better.
# Happens: the test is one-sided, and its side is that of the larger median of the two columns, looked up in the same
#   data. Here the two losses lie in the middle, so the other method has the larger median, the test asks whether *it*
#   is better, and p = .999997, where both sides have .00001: "no statistically significant difference". With the
#   columns' medians on the winner's side p is half of the two-sided one, so an asterisk at .05 is one at .1. (Scores
#   that pass for normal are compared by a paired t test, two-sided.)
# Version: autorank 1.3.0, numpy 2.4.6, scipy 1.17.1, pandas 2.3.3
# Source: rank_two, autorank/_util.py (alternative="greater"); the documentation names no side, the report's sentence
#   says "is not greater than"
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "autorank==1.3.0" "numpy==2.4.6" "scipy==1.17.1" "pandas==2.3.3" 2>&1 | grep -v WARNING || true
MPLBACKEND=agg "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import contextlib
import io
import sys
from importlib.metadata import version

import numpy as np
import pandas as pd
from autorank import autorank
from scipy import stats

print("autorank", version("autorank"), "scipy", version("scipy"), "pandas", version("pandas"))


def asked(table):
    with contextlib.redirect_stdout(io.StringIO()):
        found = autorank(table)
    assert found.omnibus == "wilcoxon"
    return found.pvalue, stats.wilcoxon(table["new"], table["old"]).pvalue


old = np.round(np.r_[0.51, 0.53, 0.56, 0.59, np.linspace(0.8, 0.99, 16)], 3)
new = np.round(old + np.linspace(0.008, 0.012, 20), 4)
everywhere = asked(pd.DataFrame({"new": new, "old": old}))
new[9:11] = old[9:11] - [0.004, 0.005]
table = pd.DataFrame({"new": new, "old": old})
mostly = asked(table)
for name, (p, two_sided) in (("all", everywhere), (f"{int((new > old).sum())} of", mostly)):
    print(f"better on {name} 20 data sets: p {p:.7f}, two-sided {two_sided:.7f}")
print(f"medians: new {table['new'].median():.4f}, old {table['old'].median():.4f}")
same = mostly[0] > 0.9999 and mostly[1] < 0.0001 and np.isclose(everywhere[0], everywhere[1] / 2)
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
