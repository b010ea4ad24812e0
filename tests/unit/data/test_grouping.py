"""Near duplicates: where they may be, what they count as, and what a card says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from unit.data.films import film

from transfergrid.data import blocks, likeness
from transfergrid.data.cache import build_cache
from transfergrid.data.store import SPLITS, open_split
from transfergrid.runtime.errors import UserError

FILMS, COPIED = 60, 20
RANDOM = {"split": {"random": {"valid": 0.2, "test": 0.3}, "seed": 0}}
PUBLISHED = {"split": {"column": "part", "train": ["a"], "valid": ["b"], "test": ["c"]}}
CSV = {
    "kind": "csv",
    "table": "films.csv",
    "image_column": "path",
    "label_columns": ["finding"],
    "image_px": 32,
    "resize": "stretch",
}
GROUPED = {"group": "duplicates"}


def folds(**options: Any) -> dict[str, Any]:
    return {"folds": {"k": 4, "seed": 0, "valid": "next", **options}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty films, and of the first twenty a copy each, brighter, under the number + 100."""
    root = tmp_path_factory.mktemp("films")
    rows = []
    for number in range(FILMS + COPIED):
        original = number if number < FILMS else number - FILMS
        image = film(original, 48)
        name = f"{original + 100 * (number >= FILMS):03d}.png"
        Image.fromarray(image // 2 + 60 if number >= FILMS else image).save(root / name)
        place = (number + (number >= FILMS)) % 4
        row = {"path": name, "finding": int(number % 3 == 0), "part": "aabc"[place]}
        rows.append({**row, "patient": f"p{number // 2:02d}", "fold": place})
    pd.DataFrame(rows).to_csv(root / "films.csv", index=False)
    return root


def made(root: Path, tmp_path: Path, *settings: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    cache = tmp_path / "cache" / "films-12345678"
    declaration = dict(CSV)
    for some in settings:
        declaration |= some
    return cache, build_cache(declaration, root, cache, 2)


def rows_of(cache: Path) -> pd.DataFrame:
    """Return the index, with the film that each image shows."""
    table = pd.read_parquet(cache / "index.parquet").set_index("image_id")
    return table.assign(film=[int(name[:3]) % 100 for name in table.index])


def torn(table: pd.DataFrame) -> int:
    return int((table.groupby("film")["split"].nunique() > 1).sum())


def test_a_drawn_split_tears_no_group(root: Path, tmp_path: Path) -> None:
    cache, card = made(root, tmp_path, RANDOM)
    alone = rows_of(cache)
    assert torn(alone) >= 5 and "group" not in card and "groups" not in card["twins"]
    cache, card = made(root, tmp_path, RANDOM, GROUPED)
    table = rows_of(cache)
    assert torn(table) == 0
    assert card["group"] == "duplicates"
    assert card["twins"]["groups"] == {"groups": 60, "largest": 2, "grouped": 40, "torn": 0}
    assert (card["twins"]["threshold"], card["twins"]["bits"], card["twins"]["images"]) == (
        likeness.NEAR,
        likeness.BITS,
        40,
    )
    assert all(row["equal"] == row["near"] == 0 for row in card["twins"]["across"])
    # A group goes where the first of its images was drawn, and counts as one patient.
    firsts = [f"{number:03d}.png" for number in table["film"]]
    assert table["split"].tolist() == alone.loc[firsts, "split"].tolist()
    assert (table.groupby("film")["patient_id"].nunique() == 1).all()
    assert table["patient_id"].nunique() == 60
    assert sum(part["patients"] for part in card["splits"].values()) == 60
    assert card["patients"] == "unknown"
    assert any("each group of nearly equal images counts as" in note for note in card["notes"])


def test_what_a_card_says_is_what_was_planted(root: Path, tmp_path: Path) -> None:
    cache, card = made(root, tmp_path, RANDOM)
    table = rows_of(cache)
    expected = []
    for split, other in (("test", "train"), ("test", "valid"), ("valid", "train")):
        here, there = table[table["split"] == split], table[table["split"] == other]
        near = int(here["film"].isin(there["film"]).sum())
        row = {"fold": "all", "split": split, "other": other, "images": len(here)}
        expected.append({**row, "equal": 0, "near": near})
    assert card["twins"]["across"] == expected
    told = [note for note in card["notes"] if "look like" in note]
    assert len(told) == sum(row["near"] > 0 for row in expected)
    assert told[0].startswith(f"Of test, {expected[0]['near']} image(s) look like one of train: ")
    first = told[0].split(": ")[1].split(", ")[0].split(" ~ ")
    assert int(first[0][:3]) % 100 == int(first[1][:3]) % 100 and first[0] != first[1]


def test_every_image_keeps_its_pixels_and_is_decoded_once(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, _ = made(root, tmp_path / "alone", RANDOM)
    single = {}
    for name in SPLITS:
        part = open_split(cache, name)
        single |= dict(zip(part.image_id.tolist(), np.asarray(part.images), strict=True))
    decoded: list[int] = []
    real = blocks.decoded

    def counted(images: Any, index: int) -> Any:
        decoded.append(index)
        return real(images, index)

    monkeypatch.setattr(blocks, "decoded", counted)
    cache, _ = made(root, tmp_path, RANDOM, GROUPED)
    assert sorted(decoded) == list(range(80))
    assert sorted(path.name for path in cache.glob("*.npy")) == [
        "test.npy", "train.npy", "valid.npy"
    ]  # fmt: skip
    found = {}
    for name in SPLITS:
        part = open_split(cache, name)
        found |= dict(zip(part.image_id.tolist(), np.asarray(part.images), strict=True))
    assert found.keys() == single.keys()
    assert all(np.array_equal(found[name], single[name]) for name in found)


def test_the_split_depends_on_the_images_and_the_seed_alone(root: Path, tmp_path: Path) -> None:
    table = rows_of(made(root, tmp_path, RANDOM, GROUPED)[0])
    turned = tmp_path / "turned"
    turned.mkdir()
    for path in root.glob("*.png"):
        (turned / path.name).symlink_to(path)
    pd.read_csv(root / "films.csv", dtype=str)[::-1].to_csv(turned / "films.csv", index=False)
    again = rows_of(made(turned, tmp_path / "again", RANDOM, GROUPED)[0]).loc[table.index]
    assert (again["split"] == table["split"]).all()
    other = {"split": {**RANDOM["split"], "seed": 1}}
    drawn = rows_of(made(root, tmp_path / "other", other, GROUPED)[0]).loc[table.index]
    assert torn(drawn) == 0 and (drawn["split"] != table["split"]).any()


def test_a_published_split_stays_and_is_reported(root: Path, tmp_path: Path) -> None:
    alone = rows_of(made(root, tmp_path, PUBLISHED)[0])
    cache, card = made(root, tmp_path, PUBLISHED, GROUPED)
    table = rows_of(cache)
    assert (table["split"] == alone.loc[table.index, "split"]).all()
    count = torn(table)
    assert count == card["twins"]["groups"]["torn"] > 0
    assert any(
        note.startswith(f"{count} group(s) of near duplicates lie") for note in card["notes"]
    )
    # What of a group is in one split counts as one patient there.
    people = table.groupby(["film", "split"])["patient_id"].nunique()
    assert (people == 1).all() and table["patient_id"].nunique() == len(people)


@pytest.mark.parametrize("by", [None, "group", "stratified"])
@pytest.mark.parametrize("valid", ["next", 0.2])
def test_folds_tear_no_group(root: Path, tmp_path: Path, by: str | None, valid: Any) -> None:
    cache, card = made(root, tmp_path, folds(by=by, valid=valid), GROUPED)
    table = rows_of(cache)
    assert torn(table) == 0 and card["twins"]["groups"]["torn"] == 0
    for fold in range(4):
        films = [
            {int(name[:3]) % 100 for name in open_split(cache, split, fold).image_id}
            for split in SPLITS
        ]
        assert not films[0] & films[1] and not films[0] & films[2] and not films[1] & films[2]
    assert [row["fold"] for row in card["twins"]["across"]] == ["0", "1", "2", "3"]


def test_folds_without_groups_count_what_they_tear(root: Path, tmp_path: Path) -> None:
    for settings in (folds(), {"folds": {"k": 4, "column": "fold", "valid": "next"}}):
        cache, card = made(root, tmp_path, settings)
        table = rows_of(cache)
        for row in card["twins"]["across"]:
            here = table["split"] == f"part{row['fold']}"
            near = int((here & table["film"].isin(table.loc[~here, "film"])).sum())
            assert row == {
                "fold": row["fold"],
                "split": "test",
                "other": "train and valid",
                "images": int(here.sum()),
                "equal": 0,
                "near": near,
            }
        total = sum(row["near"] for row in card["twins"]["across"])
        told = [note for note in card["notes"] if "look like one in another part" in note]
        assert bool(told) == bool(total)
        assert all(note.startswith(f"{total} image(s) look") for note in told)


def test_published_folds_stay(root: Path, tmp_path: Path) -> None:
    table = pd.read_csv(root / "films.csv", dtype=str)
    shifted = tmp_path / "shifted"
    shifted.mkdir()
    for path in root.glob("*.png"):
        (shifted / path.name).symlink_to(path)
    apart = table["fold"].astype(int) + (table["path"] >= "100").astype(int)
    table.assign(fold=apart % 4).to_csv(shifted / "films.csv", index=False)
    published = {"folds": {"k": 4, "column": "fold", "valid": "next"}}
    alone = rows_of(made(shifted, tmp_path, published)[0])
    cache, card = made(shifted, tmp_path, published, GROUPED)
    assert (rows_of(cache)["split"] == alone["split"]).all()
    assert card["twins"]["groups"]["torn"] == torn(alone) == 20
    assert card["twins"]["images"] == 40


def test_a_group_joins_the_patients_of_its_images(root: Path, tmp_path: Path) -> None:
    known = {"patient_column": "patient"}
    for settings in (RANDOM, folds()):
        cache, card = made(root, tmp_path, settings, known, GROUPED)
        table = rows_of(cache)
        assert torn(table) == 0
        assert (table.groupby("patient_id")["split"].nunique() == 1).all()
        assert table["patient_id"].nunique() == 40 and card["patients"] == "known"


def test_equal_images_are_refused_only_where_they_stay_apart(root: Path, tmp_path: Path) -> None:
    same = tmp_path / "same"
    same.mkdir()
    for path in root.glob("*.png"):
        number = int(path.stem)
        (same / path.name).symlink_to(root / f"{number % 100:03d}.png")
    (same / "films.csv").write_bytes((root / "films.csv").read_bytes())
    with pytest.raises(UserError, match=r"keep them in one \(group: duplicates\), or allow it"):
        made(same, tmp_path, RANDOM)
    of = "folds.group_column of kind csv or mask_table"
    with pytest.raises(UserError, match=rf"one group \(group: duplicates, or {of}\)"):
        made(same, tmp_path, folds())
    for settings in (RANDOM, folds()):
        cache, card = made(same, tmp_path, settings, GROUPED)
        assert torn(rows_of(cache)) == 0
        assert not any("look like" in note for note in card["notes"])
    with pytest.raises(UserError, match="keep each in one split, or allow it"):
        made(same, tmp_path, PUBLISHED, GROUPED)
    cache, card = made(same, tmp_path, PUBLISHED, {"duplicates": "allow"})
    assert sum(row["equal"] for row in card["twins"]["across"]) > 0
    assert not any("look like" in note for note in card["notes"])  # told as equal byte for byte


def test_equal_pixels_in_other_files_are_told(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in root.glob("*.png"):
        image = Image.open(root / f"{int(path.stem) % 100:03d}.png")
        image.save(other / path.name, compress_level=1 if int(path.stem) > 99 else 9)
    (other / "films.csv").write_bytes((root / "films.csv").read_bytes())
    _, card = made(other, tmp_path, PUBLISHED)
    rows = [row for row in card["twins"]["across"] if row["equal"]]
    assert rows and all(row["near"] == 0 for row in rows)
    told = [note for note in card["notes"] if "equal pixel by pixel" in note]
    assert len(told) == len(rows)
    count = rows[0]["equal"]
    expected = (
        f"Of {rows[0]['split']}, {count} image(s) ({count} of them equal pixel by pixel) look"
    )
    assert told[0].startswith(expected)


def test_what_cannot_be_grouped_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="image_px is 27; images of less than 28 px cannot be told"):
        made(root, tmp_path, RANDOM, GROUPED, {"image_px": 27})
    with pytest.raises(UserError, match="group is 'patients'; allowed are duplicates"):
        made(root, tmp_path, RANDOM, {"group": "patients"})
    monkeypatch.setattr(likeness, "MOST_PAIRS", 5)
    of = r"of kind csv or mask_table \(folds.group_column\)"
    with pytest.raises(UserError, match=f"so alike that difference hashes do not tell .* {of}"):
        made(root, tmp_path, RANDOM, GROUPED)
    assert list((tmp_path / "cache").iterdir()) == []
    _, card = made(root, tmp_path, RANDOM)
    assert card["twins"]["threshold"] is None and card["twins"]["images"] == 0
    assert any("near duplicates are not known" in note for note in card["notes"])


def test_small_images_are_only_compared_for_equality(root: Path, tmp_path: Path) -> None:
    _, card = made(root, tmp_path, RANDOM, {"image_px": 16})
    assert card["twins"]["threshold"] is None and card["twins"]["images"] == 0


def test_a_strangely_large_group_is_pointed_out(tmp_path: Path) -> None:
    rows = []
    for number in range(40):
        image = film(0 if number < 12 else number, 48)
        image[number, 0] += 1
        Image.fromarray(image).save(tmp_path / f"{number:02d}.png")
        rows.append({"path": f"{number:02d}.png", "finding": number % 2})
    pd.DataFrame(rows).to_csv(tmp_path / "films.csv", index=False)
    _, card = made(tmp_path, tmp_path, RANDOM, GROUPED)
    assert card["twins"]["groups"]["largest"] == 12
    assert any(
        note.startswith("A group of 12 images is more than copies") for note in card["notes"]
    )
