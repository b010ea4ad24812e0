"""Cells that a process may train after its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import going_on
import pytest
from unit.training.ahead.worker import SETTINGS
from unit.training.tiny import make_cache, make_spec


@pytest.fixture()
def results(tmp_path: Path) -> Path:
    make_cache(tmp_path / "results")
    (tmp_path / "results" / "cache" / "tiny-0" / "card.json").touch()
    return tmp_path / "results"


@pytest.fixture()
def specs() -> list[dict[str, Any]]:
    """Cells of different networks, recipes and seeds."""
    return [
        make_spec(seed=0, **SETTINGS),
        make_spec("dropout_network", seed=1, **SETTINGS),
        make_spec(seed=2, **{**SETTINGS, "optimizer": "sgd", "epochs": 1}),
    ]


@pytest.fixture()
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the cells that would have been trained; none is."""
    began: list[str] = []

    def note(cell: str, *rest: Any) -> None:
        began.append(cell)

    monkeypatch.setattr(going_on, "_train", note)
    return began
