"""The scale of AUROC, for tests that need one."""

from __future__ import annotations

from transfergrid.statistics.scale import Scale

AUROC = Scale("auroc", 1, 1.0, roc_area=True)
