"""Images that look like one of another split or data set, against what was planted."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.data.leaky_study import leaky, prepare

from transfergrid.data.admission import read_origin
from transfergrid.data.leaks import between, within
from transfergrid.data.origin import Origin
from transfergrid.planning.paths import origin_file


@pytest.fixture()
def origins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Origin]:
    monkeypatch.chdir(tmp_path)
    study = leaky(tmp_path)
    prepare(study, tmp_path / "results")
    found = {
        name: read_origin(origin_file(data.id, tmp_path / "results"))
        for name, data in study.datasets.items()
    }
    return {name: origin for name, origin in found.items() if origin is not None}


def test_pairs_in_two_splits_are_found(origins: dict[str, Origin]) -> None:
    leaks = {(leak.split, leak.other): leak for leak in within(origins["target"], "target", 2)}
    counts = {key: (leak.equal, leak.near) for key, leak in leaks.items()}
    assert counts == {
        ("test", "train"): (0, 1),
        ("test", "valid"): (0, 1),
        ("valid", "train"): (0, 0),
    }
    (pair,) = leaks["test", "train"].pairs
    assert pair[:4] == ("055.png", "test", "000.png", "train") and max(pair[4:]) <= 24
    (pair,) = leaks["test", "valid"].pairs
    assert pair[:4] == ("005.png", "test", "060.png", "valid")
    assert sum(leak.images for leak in leaks.values()) == 2 * 15 + 16
    assert all(leak.equal == leak.near == 0 for leak in within(origins["source"], "source"))


def test_images_of_two_data_sets_are_compared(origins: dict[str, Origin]) -> None:
    leaks = {leak.split: leak for leak in between(origins["target"], origins["source"], "both")}
    counts = {split: (leak.images, leak.equal, leak.near) for split, leak in leaks.items()}
    # Two are equal as files, although they are cached in different sizes.
    assert counts == {"train": (24, 0, 1), "valid": (16, 0, 0), "test": (15, 2, 0)}
    assert [pair[:4] for pair in leaks["train"].pairs] == [("001.png", "train", "201.png", "train")]
    found = [pair[0:3:2] for pair in leaks["test"].pairs]
    assert found == [("020.png", "020.png"), ("026.png", "026.png")]
    back = {leak.split: leak for leak in between(origins["source"], origins["target"], "both")}
    assert sum(leak.equal for leak in back.values()) == 2
