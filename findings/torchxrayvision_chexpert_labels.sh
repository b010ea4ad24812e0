#!/usr/bin/env bash
# Guess: the CheXpert loader, which takes one film of each patient as it comes, gives that film its own labels.
# Happens: its rows come from pandas' groupby(...).first(), which takes the first label that is not blank, column by
#   column, from any of the patient's films of that view: 3,197 of 20,543 PA films (15.6 %) have a label that their own
#   row of the table leaves blank or gives otherwise. The table is the one that the package brings.
# Version: torchxrayvision 1.5.7, pandas 3.1.1
# Source: torchxrayvision/datasets.py, CheX_Dataset
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "torchxrayvision==1.5.7" "pandas==3.1.1" \
  "torch==2.14.1" "torchvision==0.29.1" 2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" - "$folder/first_train.csv" <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torchxrayvision

loader = torchxrayvision.datasets.CheX_Dataset
table = pd.read_csv(Path(torchxrayvision.datasets.datapath) / "chexpert_train.csv.gz")
table = table[table["AP/PA"] == "PA"]
patients = table["Path"].str.extract(r"(patient\d+)")[0]
table[~patients.duplicated()].assign(patient=patients).sort_values("patient").to_csv(sys.argv[1])
own = loader(imgpath="", csvpath=sys.argv[1], unique_patients=False)
given = loader(imgpath="")
assert (own.csv["Path"].to_numpy() == given.csv["Path"].to_numpy()).all()
alike = (own.labels == given.labels) | (np.isnan(own.labels) & np.isnan(given.labels))
films, others = len(alike), int((~alike.all(axis=1)).sum())
print("torchxrayvision", version("torchxrayvision"), "pandas", version("pandas"))
print(f"{others} of {films} films have labels of other films of their patient ({others / films:.1%})")
same = (films, others) == (20543, 3197)
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
