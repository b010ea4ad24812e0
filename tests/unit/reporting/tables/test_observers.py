"""What a second observer of masks scores against the first, against Dice computed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from unit.data.discs import discs
from unit.planning.made_up_plan import grid, planned

from transfergrid.catalog.mask_metrics import MASK_METRICS
from transfergrid.catalog.stages import STAGE
from transfergrid.data.cache import build_cache
from transfergrid.data.observed import ObservedFilms, as_answer
from transfergrid.data.store import open_split
from transfergrid.evaluation.ensemble import Ensemble, write_ensemble
from transfergrid.metrics.mask_record import COUNTS, pack
from transfergrid.metrics.overlap import count_overlap
from transfergrid.planning.metrics import declare
from transfergrid.planning.paths import ensemble_directory
from transfergrid.planning.planned import PlannedStudy, stamped
from transfergrid.reporting.tables.observers import observers
from transfergrid.runtime.atomic import write_json
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json

PX = 32
CHASE = Path(__file__).resolve().parents[4].parent / "shared/data/segmentation"


def films(folder: Path) -> Path:
    """Write films of which a second observer has shifted each disc, and left out some."""
    root = discs(folder / "discs.npz", {"train": 8, "val": 4, "test": 6}, side=PX)
    arrays = dict(np.load(root))
    for split in ("train", "val", "test"):
        second = np.pad(arrays[f"{split}_masks"], ((0, 0), (3, 0), (1, 0)))[:, :PX, :PX]
        second[0] = 255
        arrays[f"{split}_second"] = second
    np.savez(root, **arrays)
    return root


def study(folder: Path, *more: str, **settings: Any) -> PlannedStudy:
    data = {"kind": "mask_npz", "root": str(films(folder)), "structures": ["disc"], "image_px": PX}
    data |= {"observers": ["second"], "unknown_values": [255]}
    axes = grid(datasets=["discs"], pretrainings=["random"], truncations=[0], seeds=[0])
    metrics = {"metrics": ["iou_pooled", *more], "selections": ["best"]}
    return planned(folder, {"datasets": {"discs": data | settings}, "evaluation": metrics, **axes})


def true_masks(root: Path | None) -> dict[str, np.ndarray]:
    """Return the first observer's mask of each film, by its id, at its own size."""
    assert root is not None
    arrays = np.load(root)
    return {
        str(film): mask[None]
        for split in ("train", "val", "test")
        for film, mask in zip(arrays[f"{split}_image_id"], arrays[f"{split}_masks"], strict=True)
    }


def scored(made: PlannedStudy, results: Path) -> dict[str, Any]:
    """Make caches, notes and ensembles; return what the stage is told."""
    data = made.datasets["discs"]
    cache = results / "cache" / data.id
    build_cache(data.declaration, data.root, cache, 1)
    name, note = stamped(data.id, "location", data.location)
    write_json(results / "stamps" / name, note)
    for cell in made.targets:
        fold = None if cell.point.fold in (None, "all") else int(cell.point.fold)
        split = open_split(cache, "test", fold)
        own = true_masks(data.root)
        truth = np.stack([own[film] for film in split.image_id])
        counts = pack(count_overlap(np.zeros_like(truth), truth))
        table = Ensemble(
            split.image_id,
            split.patient_id,
            ("disc",),
            counts,
            split.labels,
            1,
            len(split.images),
            numbers=COUNTS,
        )
        place = ensemble_directory(made.name, cell.name, "best", results)
        place.mkdir(parents=True)
        write_ensemble(place / "test.parquet", table)
    content: dict[str, Any] = json.loads(canonical_json(made.content("observers")))
    return content


def by_hand(root: Path, splits: tuple[str, ...]) -> pd.DataFrame:
    """Return counts of pixels of each film that both observers know."""
    rows, arrays = [], np.load(root)
    for split in splits:
        for first, second, patient in zip(
            *(arrays[f"{split}_{name}"] for name in ("masks", "second", "patient_id")), strict=True
        ):
            if (second != 255).any():
                both = int(((first == 1) & (second == 1)).sum())
                rows.append((patient, both, int((first == 1).sum()), int((second == 1).sum())))
    return pd.DataFrame(rows, columns=["patient", "both", "first", "second"])


def test_a_second_observer_is_scored_as_a_network_is(tmp_path: Path) -> None:
    told = scored(study(tmp_path), tmp_path / "results")
    (hd95,) = (metric for metric in MASK_METRICS if metric.name == "hd95")
    told["metrics"]["hd95"] = declare(hd95)
    told["extra_metrics"] = [*told["extra_metrics"], "hd95"]
    table = observers(told, tmp_path / "results", 2)["observers"].set_index(["metric", "task"])
    hand = by_hand(tmp_path / "discs.npz", ("test",))
    dice = (2 * hand["both"] / (hand["first"] + hand["second"])).groupby(hand["patient"]).mean()
    for task in ("", "disc"):
        row = table.loc[("dice", task)]
        assert row["value"] == pytest.approx(dice.mean()) and row["low"] < dice.mean() < row["high"]
        assert (row["n"], row["n_patients"], row["observer"]) == (5, 3, 2)
        assert row["flags"] == "few_patients"
    union = hand["first"] + hand["second"] - hand["both"]
    pooled = hand["both"].sum() / union.sum()
    assert table.loc[("iou_pooled", "disc"), "value"] == pytest.approx(pooled)
    # A disc that is moved by (3, 1) is nowhere farther away than that.
    assert 1 < table.loc[("hd95", "disc"), "value"] <= np.hypot(3, 1)


def test_at_the_films_own_size_distances_are_in_mm_where_spacing_is_known(tmp_path: Path) -> None:
    made = study(tmp_path, "hd95", scored_at="film", spacing=0.5, image_px=16)
    told = scored(made, tmp_path / "results")
    table = observers(told, tmp_path / "results", 1)["observers"].set_index(["metric", "task"])
    hand = by_hand(tmp_path / "discs.npz", ("test",))
    dice = (2 * hand["both"] / (hand["first"] + hand["second"])).groupby(hand["patient"]).mean()
    assert table.loc[("dice", "disc"), "value"] == pytest.approx(dice.mean())
    assert set(table["scored_at"]) == {"film"} and set(table["unit"]) == {"mm"}
    assert 0.5 < table.loc[("hd95", "disc"), "value"] <= np.hypot(3, 1) / 2


def layered(folder: Path) -> PlannedStudy:
    """Plan a table of films whose discs two people drew, and whose edges one of them."""
    rng, names = np.random.default_rng(0), [f"film{number}.png" for number in range(12)]
    for name in names:
        disc, edge = np.zeros((2, PX, PX), np.uint8)
        top, left = rng.integers(4, 12, 2)
        disc[top : top + 12, left : left + 12] = edge[top, left : left + 12] = 1
        drawn = {"": disc * 200, "disc-": disc, "second-": np.roll(disc, 2, axis=1), "edge-": edge}
        for kind, pixels in drawn.items():
            Image.fromarray(pixels).save(folder / f"{kind}{name}")
    cells = [f"{n},disc-{n},second-{n},edge-{n},p{i // 2}" for i, n in enumerate(names)]
    lines = ["image,disc,second,edge,patient", *cells]
    (folder / "films.csv").write_text("\n".join(lines) + "\n")
    seen = [{"files": ["disc"]}, {"files": ["second"]}]
    layers = [
        {"structures": ["disc"], "observers": seen, "combine": "first"},
        {"structures": ["edge"], "files": ["edge"]},
    ]
    data = {"kind": "mask_table", "root": str(folder), "table": "films.csv", "layers": layers}
    data |= {"image_column": "image", "patient_column": "patient", "image_px": PX}
    data |= {"split": {"random": {"valid": 0.2, "test": 0.4}}}
    axes = grid(datasets=["discs"], pretrainings=["random"], truncations=[0], seeds=[0])
    asked = {"metrics": [], "selections": ["best"]}
    return planned(folder, {"datasets": {"discs": data}, "evaluation": asked, **axes})


def test_a_structure_that_one_person_drew_is_not_compared_with_itself(tmp_path: Path) -> None:
    made, results = layered(tmp_path), tmp_path / "results"
    data = made.datasets["discs"]
    build_cache(data.declaration, data.root, results / "cache" / data.id, 1)
    name, note = stamped(data.id, "location", data.location)
    write_json(results / "stamps" / name, note)
    split = open_split(results / "cache" / data.id, "test")
    assert split.masks is not None
    truth = np.asarray(split.masks[:])
    (cell,) = made.targets
    place = ensemble_directory(made.name, cell.name, "best", results)
    place.mkdir(parents=True)
    table = Ensemble(
        split.image_id,
        split.patient_id,
        ("disc", "edge"),
        pack(count_overlap(np.zeros_like(truth), truth)),
        split.labels,
        1,
        len(split.images),
        numbers=COUNTS,
    )
    write_ensemble(place / "test.parquet", table)
    told = json.loads(canonical_json(made.content("observers")))
    (row,) = observers(told, results, 1)["observers"].to_dict("records")
    # Discs of 12 columns that are moved by 2 share 10 of them; there is no mean with the edges.
    assert row["task"] == "disc" and row["value"] == pytest.approx(10 / 12)


def test_over_folds_it_is_the_mean_over_folds_as_of_a_run(tmp_path: Path) -> None:
    made = study(tmp_path, folds={"k": 3})
    told = scored(made, tmp_path / "results")
    table = observers(told, tmp_path / "results", 1)["observers"].set_index(["metric", "task"])
    hand = by_hand(tmp_path / "discs.npz", ("train", "val", "test"))
    hand["dice"] = 2 * hand["both"] / (hand["first"] + hand["second"])
    fold_of = {}
    for fold in range(3):
        cache = tmp_path / "results" / "cache" / made.datasets["discs"].id
        fold_of |= dict.fromkeys(open_split(cache, "test", fold).patient_id.tolist(), fold)
    means = hand.groupby("patient")["dice"].mean()
    value = np.mean([means[[p for p in means.index if fold_of[p] == f]].mean() for f in range(3)])
    row = table.loc[("dice", "disc")]
    assert row["value"] == pytest.approx(value) and (row["n"], row["n_folds"]) == (15, 3)


def test_masks_that_cells_were_not_scored_on_are_refused(tmp_path: Path) -> None:
    made = study(tmp_path)
    results = tmp_path / "results"
    told = scored(made, results)
    file = ensemble_directory(made.name, made.targets[0].name, "best", results) / "test.parquet"
    split = open_split(results / "cache" / made.datasets["discs"].id, "test")
    counts = np.ones((6, 1, 4))
    write_ensemble(
        file,
        Ensemble(
            split.image_id, split.patient_id, ("disc",), counts, split.labels, 1, 6, numbers=COUNTS
        ),
    )
    with pytest.raises(UserError, match="masks of film test0 are not those that cells were scored"):
        observers(told, results, 1)


def test_only_a_study_with_several_observers_has_the_stage(tmp_path: Path) -> None:
    assert study(tmp_path).has(STAGE["observers"])
    assert not study(tmp_path, observers=[]).has(STAGE["observers"])


@pytest.mark.skipif(not CHASE.is_dir(), reason="the real films of CHASE_DB1 are not here")
def test_the_second_observer_of_chase_db1_is_as_known() -> None:
    films = ObservedFilms.read(
        {
            "kind": "mask_npz",
            "structures": ["vessel"],
            "image_px": 256,
            "masks": ["masks", "masks_observer2"],
            "folds": {"k": 5},
        },
        CHASE / "chase_db1_256px.npz",
    )
    rows = []
    for film in films.rows:
        answer, truth = as_answer(films.masks(film, 1), films.masks(film, 0))
        rows.append(pack(count_overlap(answer, truth))[0])
    both, second, first, _ = np.array(rows).T
    # As the set's own description says of all 28 films.
    assert np.mean(2 * both / (first + second)) == pytest.approx(0.786, abs=0.002)
