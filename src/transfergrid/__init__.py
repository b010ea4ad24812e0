"""TransferGrid: grids of transfer-learning experiments on medical images."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transfergrid.evaluation.loaded import LoadedCell

__version__ = "0.1.0"


def load_cell(
    path: str | Path,
    selection: str | None = None,
    study: str | None = None,
    device: str = "cpu",
    *,
    own_code: bool = False,
) -> LoadedCell:
    """Load a trained cell to predict films with; see `transfergrid.reporting.loading.load_cell`."""
    # By its name: whoever asks for the version needs none of this, and no stage depends on it.
    loading = import_module("transfergrid.reporting.loading")
    loaded: LoadedCell = loading.load_cell(path, selection, study, device, own_code=own_code)
    return loaded
