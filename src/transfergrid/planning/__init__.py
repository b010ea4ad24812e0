"""From a study file to frozen cells, names and hashes; no torch, pandas or timm."""
