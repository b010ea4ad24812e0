"""Which images count as near duplicates, against loops over bits and against real films."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from unit.data.films import film

from transfergrid.data import likeness
from transfergrid.data.likeness import BITS, NEAR, PRINT, find_twins, print_of, prints_of
from transfergrid.planning.paths import PROJECT

Pixels = npt.NDArray[np.uint8]
REAL = Path(os.environ.get("REAL_IMAGES", PROJECT.parent / "shared" / "data"))
BUSI = REAL / "classification" / "busi_128px.npz"
NIH = REAL / "classification" / "nih14_mini"


def bits_of(data: bytes) -> list[str]:
    """Return both hashes of a print as text, bit by bit."""
    text = "".join(f"{byte:08b}" for byte in data[-2 * BITS // 8 :])
    return [text[:BITS], text[BITS:]]


def are_near(one: bytes, other: bytes) -> bool:
    """Tell whether two prints are near, bit by bit."""
    pairs = zip(bits_of(one), bits_of(other), strict=True)
    return all(sum(a != b for a, b in zip(*pair, strict=True)) <= NEAR for pair in pairs)


def test_hashes_compare_the_means_of_neighbouring_fields() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16 * 17, 16 * 17)).astype(np.uint8)
    rows = image.reshape(16, 17, 17, 16).mean((1, 3))  # 16 rows of 17 fields
    columns = image.reshape(17, 16, 16, 17).mean((1, 3))
    for found, steps in zip(
        bits_of(print_of(image)), (np.diff(rows, axis=1), np.diff(columns, axis=0)), strict=True
    ):
        clear = np.abs(steps.ravel()) > 2  # means are rounded to whole greys
        assert clear.sum() > 150
        assert (np.array(list(found)) == "1")[clear].tolist() == (steps.ravel() > 0)[clear].tolist()


def saved(image: Pixels, size: int, quality: int) -> Pixels:
    buffer = io.BytesIO()
    picture = Image.fromarray(image).resize((size, size))
    picture.save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).resize(image.shape[::-1]))


COPIES: dict[str, Any] = {
    "smaller": lambda image: saved(image, 48, 95),
    "compressed": lambda image: saved(image, 96, 20),
    "brighter": lambda image: (image * 0.7 + 40).astype(np.uint8),
    "cut at its edges": lambda image: np.asarray(
        Image.fromarray(image[1:-1, 1:-1]).resize(image.shape)
    ),
    "with a mark": lambda image: np.where(np.arange(96) < 90, image, 255).astype(np.uint8),
    "in colour": lambda image: np.dstack([image] * 3),
}


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_is_near_its_film_and_no_other(change: str) -> None:
    films = [film(number) for number in range(40)]
    copies = [print_of(COPIES[change](image)) for image in films]
    originals = [print_of(image) for image in films]
    near = np.array([[are_near(a, b) for b in copies] for a in originals])
    assert np.array_equal(near, np.eye(len(films), dtype=bool))
    assert len({data[:32] for data in (*copies, *originals)}) == 80  # none has equal pixels


def test_a_negative_is_not_its_film() -> None:
    image = np.add.outer(np.arange(96), np.arange(96)).astype(np.uint8)
    pair = prints_of(print_of(image) + print_of(255 - image))
    assert bits_of(pair.tobytes()[:PRINT]) == ["1" * BITS] * 2
    twins = find_twins(pair, 96, "films")
    assert len(twins.near) == 0


def made_up(rng: np.random.Generator, count: int) -> tuple[bytes, npt.NDArray[np.uint64]]:
    """Return prints, many of which are near or equal to an earlier one."""
    rows = [rng.bytes(PRINT)]
    while len(rows) < count:
        old = bytearray(rows[rng.integers(len(rows))])
        if rng.random() < 0.3:
            old = bytearray(rng.bytes(PRINT))
        elif rng.random() < 0.8:
            old[:32] = rng.bytes(32)
            for half in (32, 64):
                for bit in rng.permutation(BITS)[: rng.integers(NEAR - 2, NEAR + 3)]:
                    old[half + bit // 8] ^= 1 << (bit % 8)
        rows.append(bytes(old))
    return b"".join(rows), prints_of(b"".join(rows))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 40), st.integers(1, 2))
def test_every_near_pair_is_found_and_no_other(seed: int, count: int, workers: int) -> None:
    rng = np.random.default_rng(seed)
    data, prints = made_up(rng, count)
    rows = [data[i * PRINT : (i + 1) * PRINT] for i in range(count)]
    near = np.array([[are_near(a, b) for b in rows] for a in rows])
    with pytest.MonkeyPatch.context() as patch:  # so that there are several blocks
        for name, size in (("_ROWS", 3), ("_COLUMNS", 5), ("_STRIPE", 6)):
            patch.setattr(likeness, name, size)
        twins = find_twins(prints, 64, "films", workers)
        before = int(rng.integers(1, count))
        between = find_twins(prints, 64, "films", workers, before)
    others = near & ~np.eye(count, dtype=bool)
    assert [twins.of(row).tolist() for row in range(count)] == [
        np.flatnonzero(row).tolist() for row in others
    ]
    places = rng.integers(0, 3, count)
    equal = np.array([[a[:32] == b[:32] for b in rows] for a in rows])
    equal &= ~np.eye(count, dtype=bool)
    same, alike = twins.seen(places, 3)
    for place in range(3):
        assert np.array_equal(same[:, place], equal[:, places == place].any(axis=1))
        assert np.array_equal(alike[:, place], others[:, places == place].any(axis=1))
    sides = (np.arange(count) >= before).astype(int)
    found = between.seen(sides, 2)[1]
    assert np.array_equal(found[:before, 1], near[:before, before:].any(axis=1))
    assert np.array_equal(found[before:, 0], near[before:, :before].any(axis=1))


def test_a_chain_of_twins_is_one_group() -> None:
    row = bytearray(PRINT)
    rows = [bytes(row)]
    for link in range(4):  # each near the one before, the ends far apart
        row[32 + 2 * link : 34 + 2 * link] = b"\xff\xff"
        rows.append(bytes(row))
    rows.append(bytes(32) + b"\x0f" * 64)
    twins = find_twins(prints_of(b"".join(rows)), 64, "films")
    groups = twins.groups().tolist()
    assert len(set(groups[:5])) == 1 and groups[5] not in groups[:5]


def test_small_images_and_images_all_alike_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    _, prints = made_up(np.random.default_rng(1), 60)
    small = find_twins(prints, 27, "films")
    assert not small.judged and np.array_equal(small.same, small.kind) and len(small.near) == 0
    every = find_twins(prints, 28, "films")
    assert every.judged and len(every.near) > 3
    monkeypatch.setattr(likeness, "MOST_PAIRS", 3)
    many = find_twins(prints, 28, "films")
    assert not many.judged and np.array_equal(many.same, every.same) and len(many.near) == 0


@pytest.mark.skipif(not BUSI.is_file(), reason="no BUSI; its folder is named in $REAL_IMAGES")
def test_near_duplicates_of_breasts_are_those_that_another_hash_found() -> None:
    with np.load(BUSI) as arrays:
        parts = ("train", "val", "test")
        images = np.concatenate([arrays[f"{part}_images"] for part in parts])
        others = np.concatenate([arrays[f"{part}_group_id"].ravel() for part in parts])
    twins = find_twins(prints_of(b"".join(map(print_of, images))), 128, "busi")
    ours = twins.groups()
    first, second = np.triu_indices(len(images), 1)
    theirs = others[first] == others[second]
    # Theirs is a hash of larger images, along rows alone, at most 16 of 256 bits apart.
    assert theirs.sum() == 86
    assert (theirs & (ours[first] == ours[second])).sum() >= 84
    assert 650 <= len(set(ours.tolist())) <= 665
    assert np.bincount(ours).max() <= 5


@pytest.mark.skipif(not NIH.is_dir(), reason="no chest films; their folder is in $REAL_IMAGES")
def test_chest_films_of_two_patients_are_no_near_duplicates() -> None:
    films = sorted((NIH / "images").glob("*.png"))
    patients = np.array([path.name.split("_")[0] for path in films])
    images = [np.asarray(Image.open(path).convert("L")) for path in films]
    prints = prints_of(b"".join(map(print_of, images)))
    twins = find_twins(prints, 160, "nih")
    pairs = [(row, other) for row in range(len(films)) for other in twins.of(row)]
    assert pairs and all(patients[a] == patients[b] for a, b in pairs)
    # Along rows alone, as one hash compares them, films of two patients look alike.
    rows = prints[:, 4:8]
    apart = np.bitwise_count(rows[:, None] ^ rows).sum(axis=2)
    assert ((apart <= NEAR) & (patients[:, None] != patients)).any()
