#!/usr/bin/env bash
# Guess: the representational dissimilarity matrix with method "euclidean" holds Euclidean distances, so that
#   (0, 0, 0, 0) and (3, 4, 0, 0) are 5 apart.
# Happens: it holds squared distances divided by the number of channels: 6.25. Layers of different widths are thereby
#   on one scale, but a rank correlation apart, whatever is computed from the matrix (its cosine with another, a
#   model's fit) is that of squared distances.
# Version: rsatoolbox 0.3.2, numpy 2.4.6
# Source: rsatoolbox.rdm.calc_rdm(dataset, method="euclidean"), whose docstring only names the method
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "rsatoolbox==0.3.2" "numpy==2.4.6" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import rsatoolbox
from scipy.spatial.distance import pdist

print("rsatoolbox", version("rsatoolbox"))
rows = np.array([[0.0, 0, 0, 0], [3, 4, 0, 0], [0, 0, 6, 8]])
given = rsatoolbox.rdm.calc_rdm(rsatoolbox.data.Dataset(rows), method="euclidean").dissimilarities[0]
print("calc_rdm:", given, "Euclidean:", pdist(rows))
same = np.allclose(given, pdist(rows) ** 2 / rows.shape[1])
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
