#!/usr/bin/env bash
# Guess: a mixed model whose `converged` is True is at its optimum, give or take a digit. Scores of two methods on 20 data
#   sets, three seeds each, are balanced, so the standard error of their difference is known in closed form.
# Happens: where data sets differ little (a standard deviation of .02, beside .005 of what a method does on one of them)
#   it is that. Where they differ as data sets do (.2) it is 2.4 to 3.3 times as large in seven of eight draws, and too
#   small in one; log-likelihoods are 78 to 103 below what the same model reaches from a start of the right size. Three of
#   the eight say that they have converged; one of these gives p = .026 for a difference that has 1e-11. The optimisers
#   start at equal variances and stop on their way. Warnings come by the dozen, also where all is well.
# Version: statsmodels 0.15.0, numpy 2.4.6, scipy 1.17.1, pandas 3.1.1
# Source: MixedLM.fit, statsmodels/regression/mixed_linear_model.py (start_params; bfgs, lbfgs, cg in turn)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "statsmodels==0.15.0" "numpy==2.4.6" \
  "scipy==1.17.1" "pandas==3.1.1" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import pandas as pd
from statsmodels.formula.api import mixedlm
from statsmodels.regression.mixed_linear_model import MixedLMParams

print(*(f"{name} {version(name)}" for name in ("statsmodels", "numpy", "scipy", "pandas")))
methods, datasets, seeds = 2, 20, 3


def fitted(random, ease):
    own = 0.005 * random.normal(size=(methods, datasets, 1)) + 0.003 * random.normal(size=(1, datasets, seeds))
    scores = own + ease * random.normal(size=(1, datasets, 1)) + 0.003 * random.normal(size=(methods, datasets, seeds))
    scores[1] += 0.01
    names = [grid.ravel() for grid in np.indices(scores.shape)]
    table = pd.DataFrame(dict(zip(("method", "dataset", "seed"), names)), dtype=int).assign(score=scores.ravel())
    parts = {"interaction": "0 + C(method)", "seed": "0 + C(seed)"}
    model = mixedlm("score ~ C(method)", table, groups="dataset", re_formula="1", vc_formula=parts)
    cells = scores.mean(axis=2)
    error = (cells[1] - cells[0]).std(ddof=1) / datasets**0.5
    within = (scores - cells[:, :, None]).var()
    start = MixedLMParams.from_components(
        fe_params=np.array([cells[0].mean(), 0]), cov_re=np.array([[cells.mean(axis=0).var() / within]]),
        vcomp=np.array([1.0, 1.0]))
    return model.fit(), model.fit(start_params=start, method=["powell"]), error


found = {}
for ease in (0.02, 0.2):
    rows = []
    for draw in range(8):
        plain, other, error = fitted(np.random.default_rng(draw), ease)
        times, better = plain.bse.iloc[1] / error, other.bse.iloc[1] / error
        rows.append((plain.converged, times, better, other.llf - plain.llf))
        print(f"data sets differ by {ease}: converged {plain.converged}, error {times:.2f} of the true one, log-likelihood "
              f"{plain.llf:.1f}, p {plain.pvalues.iloc[1]:.1g}; other start: {better:.2f}, {other.llf:.1f}, "
              f"{other.pvalues.iloc[1]:.1g}")
    found[ease] = np.array(rows, dtype=float).T
(_, times, better, below), (converged, many_times, many_better, far_below) = found[0.02], found[0.2]
same = np.allclose([times, better, many_better], 1, atol=0.03) and below.max() < 1
same &= far_below.min() > 50 and (many_times > 1.5).sum() >= 5 and 1 <= converged.sum() < 8
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
