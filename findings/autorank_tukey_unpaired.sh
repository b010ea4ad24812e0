#!/usr/bin/env bash
# Guess: rows are pairs, as the documentation asks, so methods that differ by one point on each of 20 data sets (with a
#   standard deviation of .6 points) are told apart, however unlike the data sets are.
# Happens: only the first test, an analysis of variance with repeated measures, knows of the rows (p = 8e-17). The second
#   one, which says *which* methods differ, is Tukey's for independent groups: the data sets' difficulty is its error,
#   "no significant differences within a and b; b and c", where a paired t test has p = 5e-8 and 3e-6. The method of
#   last resort, ranks (force_mode="nonparametric"), which the report calls less powerful, sets all three apart. A
#   study's answer so depends on whether its scores pass a test of normality.
# Version: autorank 1.3.0, numpy 2.4.6, scipy 1.17.1, pandas 2.3.3, statsmodels 0.14.6
# Source: rank_multiple_normal_homoscedastic, autorank/_util.py (MultiComparison(...).tukeyhsd(), without the rows)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "autorank==1.3.0" "numpy==2.4.6" "scipy==1.17.1" \
  "pandas==2.3.3" "statsmodels==0.14.6" 2>&1 | grep -v WARNING || true
MPLBACKEND=agg "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import contextlib
import io
import itertools
import sys
from importlib.metadata import version

import numpy as np
import pandas as pd
from autorank import autorank, create_report
from scipy import stats

print("autorank", version("autorank"), "statsmodels", version("statsmodels"), "pandas", version("pandas"))
random = np.random.default_rng(0)
difficulty = random.normal(0.8, 0.05, 20)
scores = {name: difficulty + gain + random.normal(0, 0.004, 20) for name, gain in zip("abc", (0, 0.01, 0.02))}
table = pd.DataFrame(scores)
told, first = {}, {}
for mode in (None, "nonparametric"):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        found = autorank(table, force_mode=mode)
        said.truncate(0)
        create_report(found)
    told[found.posthoc] = said.getvalue().strip().splitlines()[-1]
    first[found.posthoc] = found.pvalue
    print(f"{found.omnibus} p {found.pvalue:.1g}, {found.posthoc}: {told[found.posthoc]}")
paired = {}
for one, other in itertools.combinations("abc", 2):
    paired[one + other] = stats.ttest_rel(table[one], table[other]).pvalue
    print(f"{one} and {other}: paired t test p {paired[one + other]:.1g}")
same = first["tukeyhsd"] < 1e-15 and max(paired.values()) < 1e-5
same &= "a and b; b and c" in told["tukeyhsd"] and "all differences" in told["nemenyi"]
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
