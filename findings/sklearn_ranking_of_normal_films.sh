#!/usr/bin/env bash
# Guess: a film without any finding has no ranking of its findings, and does not count in their mean.
# Happens: it counts as a perfect one: 1 in label ranking average precision, 0 in label ranking loss and coverage error.
#   So scores that are drawn at random have a precision of .751 where 64 % of the films are normal, and .315 on those
#   with findings. One network has .597 in a hospital where 10 % are normal and .958 where 90 % are.
# Version: scikit-learn 1.9.1, numpy 2.4.6, scipy 1.17.1
# Source: label_ranking_average_precision_score (aux = 1.0), label_ranking_loss and coverage_error,
#   sklearn/metrics/_ranking.py
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "scikit-learn==1.9.1" "numpy==2.4.6" "scipy==1.17.1" \
  2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import sklearn
from sklearn.metrics import coverage_error, label_ranking_average_precision_score, label_ranking_loss

print("scikit-learn", sklearn.__version__, "numpy", np.__version__)
random = np.random.default_rng(0)
labels = np.zeros((2000, 14))
sick = random.random(2000) < 0.4
labels[sick] = random.random((sick.sum(), 14)) < 0.15
normal = ~labels.any(axis=1)
network, chance = labels + random.normal(size=labels.shape), random.normal(size=labels.shape)


def values(films, scores):
    metrics = (label_ranking_average_precision_score, label_ranking_loss, coverage_error)
    return [metric(labels[films], scores[films]) for metric in metrics]


def hospital(share):
    count = int(800 * share)
    return np.concatenate([np.flatnonzero(normal)[:count], np.flatnonzero(~normal)[: 800 - count]])


found = []
for what, films, scores in (
    (f"chance, {normal.mean():.0%} normal", np.arange(2000), chance),
    ("chance, films with findings", np.flatnonzero(~normal), chance),
    ("a network, 10% normal", hospital(0.1), network),
    ("a network, 90% normal", hospital(0.9), network),
):
    found.append(values(films, scores))
    print(f"{what}: average precision {found[-1][0]:.3f}, loss {found[-1][1]:.3f}, coverage {found[-1][2]:.2f}")
same = np.allclose([value[0] for value in found], (0.751, 0.315, 0.597, 0.958), atol=0.0006)
same &= values(np.flatnonzero(normal), chance) == [1, 0, 0]
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
