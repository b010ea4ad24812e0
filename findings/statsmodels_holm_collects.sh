#!/usr/bin/env bash
# Guess: adjusting three p-values by Holm's method takes microseconds with statsmodels, as it does by any other step-wise
#   method, whatever else the process holds.
# Happens: method "holm" alone ends with gc.collect(), a search of all objects of the process for garbage. Beside two
#   million lists (a process with torch, pandas and pytest has as many objects) one adjustment takes a tenth of a
#   second or more, thousands of times what "holm-sidak" takes, so that a simulation of a thousand tests spends nearly
#   all its time there. p-values are right. Holm's method is np.maximum.accumulate(p * np.arange(n, 0, -1)) of sorted
#   p-values; or gc.freeze() first.
# Version: statsmodels 0.15.0, numpy 2.4.6, scipy 1.17.1, pandas 3.1.1
# Source: statsmodels/stats/multitest.py, multipletests, the branch of "h" and "holm"
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "statsmodels==0.15.0" "numpy==2.4.6" "scipy==1.17.1" "pandas==3.1.1" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import gc
import sys
import time
from importlib.metadata import version

from statsmodels.stats.multitest import multipletests

print("statsmodels", version("statsmodels"))
searches = []
gc.callbacks.append(
    lambda phase, told: phase == "start" and told["generation"] == 2 and searches.append(1)
)
kept = [[] for _ in range(2_000_000)]
gc.collect()
found = {}
for method in ("bonferroni", "holm-sidak", "simes-hochberg", "hommel", "fdr_bh", "holm"):
    multipletests([0.01, 0.02, 0.03], method=method)
    searches.clear()
    start = time.perf_counter()
    for _ in range(5):
        multipletests([0.01, 0.02, 0.03], method=method)
    took = (time.perf_counter() - start) / 5
    found[method] = len(searches) / 5, took
    print(f"{method}: {found[method][0]:.0f} full searches and {1e3 * took:.3f} ms a call")
searched, took = found.pop("holm")
ok = searched == 1 and not any(count for count, _ in found.values())
ok = ok and took > 20 * found["holm-sidak"][1]
print("behaves as described" if ok else "has changed")
sys.exit(not ok)
PYTHON
