"""Masks of a table of films in every form that they are published in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transfergrid.catalog.mask_pixels import UNKNOWN
from transfergrid.data.images import ImageFiles
from transfergrid.data.mask_layers import combined
from transfergrid.data.mask_set import MaskSet
from transfergrid.data.mask_table import declared_masks, observed
from transfergrid.data.tablefile import read_table
from transfergrid.runtime.errors import UserError

SIZE = (12, 10)
LEFT, RIGHT = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
LEFT[2:8, 1:4], RIGHT[3:9, 6:9] = True, True


def save(folder: Path, name: str, mask: np.ndarray, high: int = 255) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * np.uint8(high)).save(folder / name)


@pytest.fixture()
def place(tmp_path: Path) -> Path:
    """Two films, with masks of the left and right lung, two observers and a field of view."""
    for number in (1, 2):
        save(tmp_path, f"films/{number}.png", LEFT | RIGHT, 99)
        save(tmp_path, f"left/{number}.png", LEFT)
        save(tmp_path, f"right/{number}.gif", RIGHT)
        save(tmp_path, f"first/{number}.tif", LEFT, 1)
        save(tmp_path, f"second/{number}.png", LEFT | RIGHT)
        save(tmp_path, f"view/{number}.gif", np.indices(SIZE)[0] < 6)
    rows = [
        f"films/{n}.png,left/{n}.png,right/{n}.gif,first/{n}.tif,second/{n}.png,view/{n}.gif"
        for n in (1, 2)
    ]
    (tmp_path / "films.csv").write_text("\n".join(["film,left,right,first,second,view", *rows]))
    return tmp_path


def declared(place: Path, **declaration: Any) -> MaskSet:
    table = read_table(place / "films.csv")
    images = ImageFiles(place, table.text("film").tolist())
    return declared_masks(declaration, images, place, table)


def lungs(**options: Any) -> list[dict[str, Any]]:
    return [{"structures": ["Lung"], "files": ["left", "right"], **options}]


def refused(place: Path, **declaration: Any) -> str:
    with pytest.raises(UserError) as error:
        declared(place, **declaration).read(0)
    return str(error.value)


def test_the_left_and_the_right_lung_are_one_structure_or_two(place: Path) -> None:
    masks = declared(place, layers=lungs())
    assert masks.structures == ("lung",)
    assert np.array_equal(masks.read(1), [LEFT | RIGHT])
    sides = [{"structures": name, "files": name} for name in ("left", "right")]
    assert np.array_equal(declared(place, layers=sides).read(0), [LEFT, RIGHT])
    assert masks.missing() == []
    (place / "right/2.gif").unlink()
    assert [name for name, _ in masks.missing()] == ["right/2.gif"]


def test_outside_of_the_field_of_view_nothing_is_known(place: Path) -> None:
    masks = declared(place, layers=lungs(), field_of_view={"files": "view"}).read(0)[0]
    assert (masks[6:] == UNKNOWN).all()
    assert np.array_equal(masks[:6], (LEFT | RIGHT)[:6])


@pytest.mark.parametrize(
    ("rule", "where_they_differ"),
    [
        ("first", 0),
        ("union", 1),
        ("intersection", 0),
        ("majority", UNKNOWN),
        ("agreement", UNKNOWN),
    ],
)
def test_observers_are_combined_as_declared(place: Path, rule: str, where_they_differ: int) -> None:
    observers = [{"files": "first"}, {"files": "second"}]
    layers = [{"structures": "lung", "observers": observers, "combine": rule}]
    masks = declared(place, layers=layers)
    found = masks.read(0)[0]
    assert (found[LEFT] == 1).all()
    assert (found[RIGHT] == where_they_differ).all()
    assert not found[~(LEFT | RIGHT)].any()
    assert np.array_equal(observed(masks, 0).read(0), [LEFT])
    assert np.array_equal(observed(masks, 1).read(0), [LEFT | RIGHT])
    with pytest.raises(UserError, match="there is no observer 3 of the masks; there are 2"):
        observed(masks, 2)


def test_an_observer_who_does_not_know_decides_nothing() -> None:
    values = np.array(np.meshgrid([0, 1, UNKNOWN], [0, 1, UNKNOWN], [0, 1, UNKNOWN]), np.uint8)
    for rule in ("union", "intersection", "majority", "agreement"):
        for three in values.reshape(3, -1).T.tolist():
            yes, no = three.count(1), three.count(0)
            want = {
                "union": 1 if yes else 0 if no == 3 else UNKNOWN,
                "intersection": 1 if yes == 3 else 0 if no else UNKNOWN,
                "majority": 1 if yes > no else 0 if no > yes else UNKNOWN,
                "agreement": 1 if yes == 3 else 0 if no == 3 else UNKNOWN,
            }[rule]
            assert combined([np.uint8([[[value]]]) for value in three], rule).item() == want


def test_one_file_may_show_structures_that_exclude_each_other(place: Path) -> None:
    save(place, "left/1.png", LEFT + 2 * RIGHT.astype(int), 1)
    options = {"structures": ["left", "right"], "files": "left", "values": {"left": 1, "right": 2}}
    masks = declared(place, layers=[options], exclusive=True)
    assert np.array_equal(masks.read(0), [LEFT, RIGHT])
    both = [{"structures": name, "files": name} for name in ("first", "second")]
    masks = declared(place, layers=both, exclusive=True)
    with pytest.raises(UserError, match="masks of films/1.png: a pixel belongs to two structures"):
        masks.resized(masks.read(0), 0, 8, "crop")


def test_what_is_unknown_of_one_is_unknown_of_all_that_exclude_it(place: Path) -> None:
    save(place, "left/1.png", LEFT + 255 * RIGHT.astype(int), 1)
    coded = {"structures": "left", "files": "left", "values": 1, "unknown_values": 255}
    layers = [coded, {"structures": "other", "files": "view"}]
    save(place, "view/1.gif", np.indices(SIZE)[0] > 9)
    found = declared(place, layers=layers, exclusive=True).read(0)
    assert (found[:, RIGHT] == UNKNOWN).all()
    assert np.array_equal(found == 1, [LEFT, np.indices(SIZE)[0] > 9])


def test_films_without_a_file_are_refused_empty_or_unknown(place: Path) -> None:
    table = (place / "films.csv").read_text().replace("left/2.png,right/2.gif", ",")
    (place / "films.csv").write_text(table)
    assert "names no mask of lung in row 2 (left, right; 1 such row(s)); name it, or" in refused(
        place, layers=lungs()
    )
    for blank, value in (("empty", 0), ("unknown", UNKNOWN)):
        masks = declared(place, layers=lungs(blank=blank))
        assert (masks.read(1) == value).all()
        assert masks.read(0).any()
    (place / "films.csv").write_text(table.replace("left/1.png", ""))
    assert np.array_equal(declared(place, layers=lungs(blank="empty")).read(0), [RIGHT])


def test_a_mask_of_another_size_or_with_other_numbers_is_refused(place: Path) -> None:
    save(place, "left/1.png", LEFT[:, :9])
    assert "left/1.png is 12 x 9 and its film 12 x 10 (height x width)" in refused(
        place, layers=lungs()
    )
    save(place, "left/1.png", LEFT.T)
    assert "is 10 x 12 and its film 12 x 10" in refused(place, layers=lungs())
    save(place, "left/1.png", LEFT, 7)
    assert "left/1.png has the values 7, and a mask there has" in refused(place, layers=lungs())


def siim(place: Path, rows: list[str], **options: Any) -> list[dict[str, Any]]:
    (place / "rle.csv").write_text("\n".join(["ImageId, EncodedPixels", *rows]))
    runs = {"table": "rle.csv", "image_column": "ImageId", "runs_column": "EncodedPixels"}
    return [{"structures": "pneumothorax", "runs": {**runs, "form": "relative", **options}}]


LEFT_RUNS, RIGHT_RUNS = "14 6 6 6 6 6", "75 6 6 6 6 6"


def test_siims_rows_of_a_film_are_one_mask_and_minus_one_is_none(place: Path) -> None:
    masks = declared(place, layers=siim(place, [f"1, {LEFT_RUNS}", "2, -1", f"1,{RIGHT_RUNS}"]))
    assert np.array_equal(masks.read(0), [LEFT | RIGHT])
    assert not masks.read(1).any()


@pytest.mark.parametrize(
    ("rows", "options", "match"),
    [
        (["1,-1"], {}, "film films/2.png has no pneumothorax: it is without a mask in"),
        (["1,-1", "2,"], {}, "film films/2.png has no pneumothorax"),
        (["1,-1", "2,-1", "3,4 1"], {}, "has masks of 1 film(s) that the data set does not have"),
        (["1,-1", "1,4 1", "2,-1"], {}, "row 1 of"),
        (["1,115 6", "2,-1"], {}, "row 1 of"),
        (["1,4 1", "2,-1"], {"form": None}, "form is 'None'"),
    ],
)
def test_tables_of_runs_that_do_not_fit_the_films_are_refused(
    place: Path, rows: list[str], options: dict, match: str
) -> None:
    assert match in refused(place, layers=siim(place, rows, **options))


def test_runs_over_the_edge_name_their_row_and_the_film(place: Path) -> None:
    told = refused(place, layers=siim(place, ["1,115 6", "2,-1"]))
    assert "rle.csv is no mask of the film (its runs end at pixel 121, and the film has" in told
    told = refused(place, layers=siim(place, ["1,-1", "1,4 1", "2,-1"]))
    assert "row 1 of" in told and "says that the film has no mask, and row 2 of" in told
    assert told.endswith("is of the same film and structure; remove one of them.")


def test_films_and_masks_without_each_other_may_be_allowed(place: Path) -> None:
    rows = [f"1,{LEFT_RUNS}", "3,4 1"]
    for blank, value in (("empty", 0), ("unknown", UNKNOWN)):
        masks = declared(place, layers=siim(place, rows, other_films="ignore", blank=blank))
        assert np.array_equal(masks.read(0), [LEFT])
        assert (masks.read(1) == value).all()


def test_a_name_that_two_films_have_is_refused(place: Path) -> None:
    save(place, "others/1.png", LEFT)
    rows = (place / "films.csv").read_text()
    (place / "films.csv").write_text(f"{rows}\nothers/1.png,,,,,")
    told = refused(place, layers=siim(place, ["1,-1", "2,-1"]))
    assert "a mask of '1', and 2 films are called so (films/1.png, others/1.png)" in told
    paths = ["films/1,-1", "films/2.png,-1", f"others/1.png,{LEFT_RUNS}"]
    assert np.array_equal(declared(place, layers=siim(place, paths)).read(2), [LEFT])


def test_a_column_tells_structures_apart(place: Path) -> None:
    rows = [
        "id,class,runs",
        f"1,Left lung,{LEFT_RUNS}",
        f"1,right lung,{RIGHT_RUNS}",
        "2,left lung,",
    ]
    (place / "rle.csv").write_text("\n".join(rows))
    runs = {"table": "rle.csv", "image_column": "id", "runs_column": "runs", "blank": "empty"}
    runs |= {"structure_column": "class", "form": "relative"}
    layer = {"structures": ["left lung", "right lung"], "runs": runs}
    assert np.array_equal(declared(place, layers=[layer]).read(0), [LEFT, RIGHT])
    layer["structures"] = ["left lung"]
    assert "masks of 'right_lung'" in refused(place, layers=[layer])
    del runs["structure_column"]
    layer["structures"] = ["left lung", "right lung"]
    assert "name the structure_column" in refused(place, layers=[layer])


def coco(place: Path, **changes: Any) -> list[dict[str, Any]]:
    size = list(SIZE)
    counts = [14, 6, 6, 6, 6, 6, 76]
    content = {
        "images": [{"id": 7, "file_name": "1.png"}, {"id": 8, "file_name": "2.png"}],
        "categories": [{"id": 1, "name": "Lung"}, {"id": 2, "name": "heart"}],
        "annotations": [
            {
                "id": 70 + kind,
                "image_id": 7,
                "category_id": kind,
                "segmentation": {"counts": counts, "size": size},
            }
            for kind in (1, 2)
        ],
    }
    content |= changes
    (place / "coco.json").write_text(json.dumps(content))
    return [{"structures": "lung", "coco": {"file": "coco.json"}}]


def test_masks_of_cocos_json(place: Path) -> None:
    masks = declared(place, layers=coco(place))
    assert np.array_equal(masks.read(0), [LEFT])
    assert not masks.read(1).any()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"segmentation": [[1, 1, 3, 1, 3, 3]]}, "annotation 71 of"),
        ({"segmentation": {"counts": [120]}}, "has no counts and size"),
        ({"segmentation": {"counts": [120], "size": [10, 12]}}, "mask of 10 x 12 and its film 12"),
        ({"segmentation": {"counts": [119], "size": [12, 10]}}, "runs do not fill 12 x 10"),
        ({"segmentation": {"counts": 120, "size": [12, 10]}}, "has no counts and size"),
        ({"image_id": 9}, "is of image 9, which the file does not list"),
        ({"image_id": "7"}, "annotation 71 of"),
        ({"image_id": "7"}, "names image 7 as text, and the file lists it as a number; write"),
        ({"category_id": 3}, "is of category 3, which the file does not list; correct it"),
        ({"category_id": "1"}, "names category 1 as text, and the file lists it as a number"),
        ({"image_id": [7]}, "are not as COCO's (TypeError"),
    ],
)
def test_annotations_that_are_no_masks_are_refused(place: Path, change: dict, match: str) -> None:
    entry = {"id": 71, "image_id": 7, "category_id": 1, **change}
    entry.setdefault("segmentation", {"counts": [120], "size": [12, 10]})
    assert match in refused(place, layers=coco(place, annotations=[entry]))


@pytest.mark.parametrize("other", [7, 7.0, "7"])
def test_an_id_that_two_of_cocos_entries_have_is_refused(place: Path, other: Any) -> None:
    images = [{"id": 7, "file_name": "1.png"}, {"id": other, "file_name": "2.png"}]
    told = refused(place, layers=coco(place, images=images))
    assert f"coco.json gives the id {other} to two images, '1.png' and '2.png'; give each" in told
    kinds = [{"id": 7, "name": "Lung"}, {"id": other, "name": "heart"}]
    told = refused(place, layers=coco(place, categories=kinds, annotations=[]))
    assert f"gives the id {other} to two categories, 'Lung' and 'heart'; give each an id" in told


def test_ids_of_coco_may_be_text(place: Path) -> None:
    coco(place)
    content = json.loads((place / "coco.json").read_text())
    for entry in [*content["images"], *content["categories"]]:
        entry["id"] = f"n{entry['id']}"
    for entry in content["annotations"]:
        entry |= {key: f"n{entry[key]}" for key in ("image_id", "category_id")}
    masks = declared(place, layers=coco(place, **content))
    assert np.array_equal(masks.read(0), [LEFT]) and not masks.read(1).any()


@pytest.mark.parametrize("name", ["1.png", "films/1.png", "1"])
def test_a_film_that_coco_lists_twice_is_refused(place: Path, name: str) -> None:
    names = {7: "1.png", 8: "2.png", 9: name}
    images = [{"id": key, "file_name": value} for key, value in names.items()]
    told = refused(place, layers=coco(place, images=images))
    assert f"lists the film films/1.png twice, as '1.png' (id 7) and '{name}' (id 9)" in told


def test_cocos_that_do_not_fit_the_films_are_refused(place: Path) -> None:
    one = [{"id": 7, "file_name": "1.png"}]
    assert "film films/2.png has no lung: it is without an image in" in refused(
        place, layers=coco(place, images=one)
    )
    more = [{"id": 7, "file_name": "9.png"}, *({"id": n, "file_name": f"{n}.png"} for n in (1, 2))]
    assert "that the data set does not have, such as '9.png'" in refused(
        place, layers=coco(place, images=more)
    )
    told = refused(
        place, layers=coco(place, categories=[{"id": 1, "name": "lungs"}, {"id": 2, "name": "b"}])
    )
    assert "has no category 'lung' (did you mean 'lungs'?); it has b, lungs" in told
    assert "cannot be read as JSON" in refused(
        place, layers=[{"structures": "a", "coco": {"file": "films.csv"}}]
    )


@pytest.mark.parametrize(
    ("layers", "match"),
    [
        ([{"files": "left"}], "names no structures"),
        ([{"structures": "a"}], "are written in nothing; give one of files, runs, coco"),
        (
            [{"structures": "a", "files": "left", "runs": {}}],
            "are written in files, runs; give",
        ),
        ([{"structures": "a", "observers": [{"files": "left"}]}], "have 1 observer(s); give two"),
        ([{"structures": "a", "files": "lost"}], "has no column 'lost'"),
        ([{"structures": "A", "files": "left"}] * 2, "names 'a' twice"),
        ([], "names no structure"),
    ],
)
def test_declarations_that_name_no_masks_are_refused(place: Path, layers: list, match: str) -> None:
    assert match in refused(place, layers=layers)
