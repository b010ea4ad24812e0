"""Images that look like one of another split or data set, against what was planted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from unit.data.films import film
from unit.data.leaky_study import leaky, prepare

from transfergrid.data.admission import read_origin
from transfergrid.data.leaks import between, within
from transfergrid.data.likeness import print_of, prints_of
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


def folded(numbers: range, px: int = 64) -> Origin:
    """Return the record of some films, dealt out to three parts in turn."""
    prints = prints_of(b"".join(print_of(film(number, px)) for number in numbers))
    none = np.zeros(len(numbers), np.int64)
    return Origin(
        base=None,
        names=[f"{number}.png" for number in numbers],
        digests=[bytes([number]) * 32 for number in numbers],
        sizes=none,
        times=none,
        parts=[f"part{number % 3}" for number in numbers],
        prints=prints,
        px=px,
        content={},
        decoders={},
    )


def test_of_folds_only_what_a_training_learned_is_compared() -> None:
    # Two data sets of the same films, cut into the same three folds.
    one, other = folded(range(9)), folded(range(9))
    kept = list(between(one, other, "both", folds=[(str(fold), str(fold)) for fold in range(3)]))
    assert [(leak.fold, leak.split, leak.other) for leak in kept] == [
        (str(fold), "test", "train and valid") for fold in range(3)
    ]
    assert [(leak.images, leak.equal, leak.near) for leak in kept] == [(3, 0, 0)] * 3
    (torn,) = between(one, other, "both", folds=[("0", "1")])
    assert (torn.images, torn.equal) == (3, 3) and torn.other == "train and valid of fold 1"
    assert all(pair.part == pair.other_part == "part0" for pair in torn.pairs)
    (whole,) = between(one, other, "both")
    assert (whole.split, whole.other, whole.images, whole.equal) == ("all", "all", 9, 9)
