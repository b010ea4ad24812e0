"""Which studies have masks compared anew, and what that is named after."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from unit.data.discs import discs
from unit.training.disc_cells import study

from transfergrid.catalog.kinds import DATASET_KINDS, DatasetKind
from transfergrid.catalog.mask_metrics import MASK_METRICS
from transfergrid.planning.distances import tolerances_of
from transfergrid.planning.ids import OUTLINES_ID, WEIGHING_ID
from transfergrid.planning.metrics import declare
from transfergrid.planning.outlined import numbers_of
from transfergrid.planning.outputs import shard_sources
from transfergrid.planning.planned import PlannedStudy, plan_study
from transfergrid.planning.study import load_study
from transfergrid.runtime.errors import UserError

MASKED = ("segmentation",)
MASKS = {metric.name: metric for metric in MASK_METRICS}


def planned(folder: Path, asked: list[str], **sections: Any) -> PlannedStudy:
    evaluation = {"metrics": asked, **sections.pop("evaluation", {})}
    return plan_study(load_study(study(folder, evaluation=evaluation, **sections)))


def made(folder: Path, asked: list[str], **sections: Any) -> str:
    found = planned(folder, asked, **sections)
    (outlines,) = found.outlined.values()
    return outlines


def test_all_tolerances_are_measured_at_once() -> None:
    asked = [declare(MASKS["dice"]), declare(MASKS["hd95"])]
    assert tolerances_of(asked[:1]) is None and tolerances_of(asked) == []
    wide = declare(MASKS["surface_dice"], "wide", settings={"tolerance": 4.0})
    found = tolerances_of([*asked, wide, declare(MASKS["surface_dice_pooled"])])
    assert found == [2.0, 4.0]
    assert [numbers_of(one) for one in (None, [], found)] == [4, 8, 14]


def test_only_a_study_that_asks_for_distances_measures_them(tmp_path: Path) -> None:
    without = planned(tmp_path, ["iou"])
    assert not without.outlined and not without.weighings
    assert without.stamps["ensembles"][1]["outlined"] == {}
    found = planned(tmp_path, ["iou", "hd95_by_film"])
    (cell,) = found.targets
    ((one,), (outlines,)) = found.weighings, found.outlined.values()
    assert one.id == outlines and one.cell == cell.name == found.targets[0].name
    assert one.made_from == {
        "cell": cell.name,
        "selections": ["best", "last"],
        "tolerances": [],
    }
    assert found.targets[0].name == without.targets[0].name  # no part of a training
    (shard,) = found.shards
    assert shard_sources(found, shard) == [f"cells/{cell.name}/receipts/evaluate.json", one.mark]
    assert re.fullmatch(OUTLINES_ID, one.id) and re.fullmatch(WEIGHING_ID, one.id)


def test_a_question_may_ask_for_distances(tmp_path: Path) -> None:
    question = {"name": "seeds", "kind": "seed_noise", "metric": "surface_dice"}
    found = planned(tmp_path, [], questions=[question])
    (one,) = found.weighings
    assert one.made_from["tolerances"] == [2.0]


def test_what_is_measured_is_named_after_what_decides_it(tmp_path: Path) -> None:
    before = made(tmp_path, ["hd95"])
    assert made(tmp_path, ["hd95", "iou", "dice_pooled"]) == before
    assert made(tmp_path, ["hd95"], evaluation={"confidence": 0.9}) == before
    assert made(tmp_path, ["hd95"], evaluation={"selections": ["last", "best"]}) == before
    assert made(tmp_path, ["hd95"], evaluation={"selections": ["top2"]}) != before
    assert made(tmp_path, ["hd95", "surface_dice"]) != before
    wide = {"wide": {"of": "surface_dice", "tolerance": 3.0}}
    assert made(tmp_path, ["wide"], metrics=wide) != made(tmp_path, ["surface_dice"])
    assert made(tmp_path, ["hd95"], recipe={"epochs": 4}) != before


def test_checkpoints_are_not_ranked_by_distances(tmp_path: Path) -> None:
    films = load_study(study(tmp_path)).config["datasets"]["discs"] | {"metric": "hd95"}
    kept = ("kind", "root", "structures", "image_px", "metric")
    own = {key: films[key] for key in kept}
    with pytest.raises(UserError, match="'hd95' is of outlines, .* such as dice, and name it in"):
        planned(tmp_path, [], datasets={"discs": own})


def films(folder: Path, **settings: Any) -> dict[str, Any]:
    root = str(folder / "discs.npz")
    own = {"kind": "mask_npz", "root": root, "structures": ["disc"], "image_px": 32, **settings}
    return {"datasets": {"discs": own}}


def test_how_masks_are_compared_is_no_part_of_a_training(tmp_path: Path) -> None:
    plain = planned(tmp_path, ["hd95"])
    at_film = planned(tmp_path, ["iou"], **films(tmp_path, scored_at="film", spacing=[0.2, 0.1]))
    assert at_film.targets[0].name == plain.targets[0].name
    (one,) = at_film.weighings
    assert one.made_from["scored_at"] == "film" and one.made_from["tolerances"] is None
    # How far pixels are apart decides nothing where no distance is measured.
    assert "spacing" not in one.made_from
    without = planned(tmp_path, ["iou"], **films(tmp_path, scored_at="film"))
    assert without.outlined == at_film.outlined
    in_mm = planned(tmp_path, ["hd95"], **films(tmp_path, scored_at="film", spacing=[0.2, 0.1]))
    assert in_mm.weighings[0].made_from["spacing"] == [0.2, 0.1]
    named = {
        made(tmp_path, ["hd95"], **films(tmp_path, **how))
        for how in ({}, {"spacing": 0.2}, {"spacing": [0.2, 0.1]}, {"scored_at": "film"})
    }
    assert len(named) == 4 and set(plain.outlined.values()) < named
    assert made(tmp_path, ["hd95"], **films(tmp_path, scored_at="cache")) in named
    assert not planned(tmp_path, ["iou"], **films(tmp_path, spacing=0.2)).outlined


@pytest.mark.parametrize("kind", [kind for kind in DATASET_KINDS if kind.task_kinds == MASKED])
def test_every_kind_with_masks_says_how_these_are_compared(kind: DatasetKind) -> None:
    assert {"scored_at", "spacing"} <= set(kind.settings)


def test_drawn_films_are_compared_at_their_own_size_too(tmp_path: Path) -> None:
    def data(**settings: Any) -> dict[str, Any]:
        return {"datasets": {"discs": {"kind": "mask_phantom", "image_px": 32, **settings}}}

    plain = planned(tmp_path, ["iou"], **data())
    at_film = planned(tmp_path, ["iou"], **data(scored_at="film"))
    assert at_film.targets[0].name == plain.targets[0].name
    assert [one.made_from["scored_at"] for one in at_film.weighings] == ["film"]


@pytest.mark.parametrize("spacing", [0, "mm", [0.1], ["a", "b"], {"row": 1}])
def test_spacing_of_arrays_is_one_number_or_two(spacing: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="spacing"):
        planned(tmp_path, ["hd95"], **films(tmp_path, spacing=spacing))


def table(folder: Path, *rows: str, **settings: Any) -> dict[str, Any]:
    """Return a data set of a table of films, whose rows end in a column of spacing."""
    lines = ["image,mask,patient,Row mm", *(f"{n}.png,m{n}.png,p,{r}" for n, r in enumerate(rows))]
    (folder / "films.csv").write_text("\n".join(lines) + "\n")
    layers = [{"structures": ["disc"], "files": ["mask"]}]
    own = {"kind": "mask_table", "root": str(folder), "table": "films.csv", "image_px": 32}
    own |= {"layers": layers, "image_column": "image", "patient_column": "patient"}
    own |= {"split": {"random": {"valid": 0.2, "test": 0.2}}, **settings}
    return {"datasets": {"discs": own}}


def test_a_column_of_spacing_is_looked_for_before_anything_runs(tmp_path: Path) -> None:
    planned(tmp_path, ["hd95"], **table(tmp_path, "1", spacing=["Row mm", "Row mm"]))
    with pytest.raises(UserError, match="spacing of data set 'discs' is 'row_mm', which is no"):
        planned(tmp_path, ["hd95"], **table(tmp_path, "1", spacing="row_mm"))


@pytest.mark.parametrize("cell", ["", "0", "-1", "x", "nan", "inf", "0;5"])
def test_every_film_has_a_spacing_before_anything_runs(cell: str, tmp_path: Path) -> None:
    own = table(tmp_path, "0.2", " 1e-1 ", cell, spacing="Row mm")
    told = f"'{cell}'" if cell else "nothing"
    with pytest.raises(UserError, match=f"has {told} in column 'Row mm' of row 3, and spacing"):
        planned(tmp_path, ["hd95"], **own)
    planned(tmp_path, ["iou"], **own)  # which measures no distance


def test_observers_are_compared_anew_by_spacing_only_if_distances_are_asked(
    tmp_path: Path,
) -> None:
    root, seen = str(tmp_path / "discs.npz"), ("train", "val", "test")
    discs(tmp_path / "discs.npz", dict.fromkeys(seen, 6), side=32, observers=("second",))
    own = {"kind": "mask_npz", "root": root, "structures": ["disc"], "observers": ["second"]}

    def told(metric: str, spacing: float | None) -> Any:
        data = {"discs": own | {"image_px": 32, "spacing": spacing}}
        return planned(tmp_path, [metric], datasets=data).content("observers")["observers"]

    assert told("iou", 0.2) == told("iou", None)
    assert told("hd95", 0.2) != told("hd95", None)
