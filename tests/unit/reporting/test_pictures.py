"""Films with outlines: which are chosen, what is drawn on them, and what the page says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import ImageColor
from unit.data.discs import discs
from unit.planning.made_up_plan import grid, planned

from transfergrid.catalog.stages import STAGE
from transfergrid.evaluation.ensemble import Ensemble
from transfergrid.metrics.mask_record import COUNTS
from transfergrid.planning.planned import PlannedStudy
from transfergrid.reporting.page.shown_films import shown_films
from transfergrid.reporting.pictures.chosen import chosen_films, chosen_runs
from transfergrid.reporting.pictures.colours import BOTH, PREDICTED, TRUE
from transfergrid.reporting.pictures.drawn import SIDE, data_uri, outlined
from transfergrid.reporting.pictures.file import NAME, Picture, read_pictures, write_pictures
from transfergrid.runtime.errors import UserError
from transfergrid.statistics.runs import runs_of


def table(*films: list[tuple[int, int, int]]) -> Ensemble:
    """Return an ensemble of films, of each structure the pixels of both, predicted and true."""
    counts = np.array([[[*row, 100] for row in film] for film in films], dtype=np.float64)
    names = np.array([f"f{n}" for n in range(len(films))])
    tasks = ("artery", "vein")[: counts.shape[1]]
    labels = np.zeros(counts.shape[:2], np.float32)
    return Ensemble(names, names, tasks, counts, labels, 1, len(films), numbers=COUNTS)


def places(folds: dict[str, Ensemble], tasks: tuple[str, ...] | None = None) -> dict[str, Any]:
    return {one.place: (one.fold, one.film, one.value) for one in chosen_films(folds, tasks)}


def test_the_best_the_median_and_the_worst_film_are_shown() -> None:
    films = [[(5, 10, 10)], [(10, 10, 10)], [(0, 0, 0)], [(0, 5, 0)], [(8, 10, 10)], [(9, 10, 10)]]
    found = places({"all": table(*films)})
    # By Dice .5, 1, nothing to see, 0, .8, .9.
    assert found == {
        "best": ("all", "f1", 1.0),
        "median": ("all", "f4", 0.8),
        "worst": ("all", "f3", 0.0),
    }
    assert set(places({"all": table(*films[:2])})) == {"best", "worst"}
    assert set(places({"all": table(films[0])})) == {"best"}
    assert places({"all": table(films[2])}) == {}


def test_films_of_all_folds_are_one_choice_and_a_film_has_the_mean_of_its_structures() -> None:
    folds = {
        "0": table([(10, 10, 10), (0, 0, 4)]),
        "1": table([(10, 10, 10), (4, 4, 4)], [(1, 10, 10), (0, 0, 0)]),
    }
    found = places(folds)
    assert found["best"] == ("1", "f0", 1.0) and found["median"][:2] == ("1", "f1")
    # A structure that is rightly not there counts as 1, as in the metric.
    assert found["median"][2] == pytest.approx((0.1 + 1) / 2) and found["worst"][2] == 0.5
    assert places(folds, ("artery",))["worst"] == ("1", "f1", pytest.approx(0.1))
    diverged = table([(10, 10, 10)])
    lost = Ensemble(**{**vars(diverged), "probabilities": diverged.probabilities * np.nan})
    assert places({"all": lost}) == {}


def test_the_best_cell_of_each_data_set_and_pretraining_is_shown() -> None:
    rows, entries = [], []
    for number, (pretraining, score) in enumerate(
        [("random", 0.5), ("random", 0.7), ("imagenet", 0.6), ("imagenet", np.nan)]
    ):
        entry = {"cell": f"c{number}", "dataset": "eyes", "pretraining": pretraining, "fold": "all"}
        entries.append(entry)
        rows.append(entry | {"score": score, "metric": "dice"})
    cells, runs = pd.DataFrame(rows), list(runs_of(entries).values())
    names = ["c0", "c1", "c2", "c3"]

    def shown(*arguments: Any) -> list[str]:
        return [row["cell"] for row in chosen_runs(cells, runs, *arguments)]

    assert shown(names, "best", []) == ["c1", "c2"]
    assert shown(names, "best", ["dice"]) == ["c0", "c2"]
    assert shown(names, "all", []) == ["c0", "c1", "c2"]
    assert shown(["c0", "c3"], "best", []) == ["c0"]


def test_an_outline_is_the_edge_of_a_mask_and_white_where_both_have_it() -> None:
    side = SIDE // 4
    film = np.full((side, side), 100, np.uint8)
    truth, marked = np.zeros((2, 1, side, side), np.uint8)
    truth[0, 2:5, 2:5] = 1
    truth[0, 10] = 255  # unknown is no outline
    marked[0, 2:5, 4:8] = 1
    drawn = outlined(film, truth, marked.astype(bool))
    assert drawn.shape == (SIDE, SIDE, 3)
    true, said, both = (ImageColor.getrgb(name) for name in (TRUE, PREDICTED, BOTH))
    assert tuple(drawn[9, 9]) == true and tuple(drawn[10, 10]) == (100, 100, 100)
    assert tuple(drawn[8, 31]) == said and tuple(drawn[8, 17]) == both
    assert tuple(drawn[40, 40]) == (100, 100, 100)
    assert (drawn == true).all(axis=-1).sum() + (drawn == both).all(axis=-1).sum() == 12**2 - 8**2
    assert outlined(np.zeros((500, 500, 3), np.uint8), *np.zeros((2, 1, 500, 500), bool)).shape == (
        500,
        500,
        3,
    )
    assert data_uri(drawn).startswith("data:image/jpeg;base64,")


def test_pictures_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_pictures(tmp_path) == ()
    made = (Picture("c", "best", "f1", 0.9, "data:"), Picture("c", "worst", "f2", 0.1, ""))
    write_pictures(tmp_path, made)
    assert read_pictures(tmp_path) == made
    with open(tmp_path / NAME, "a") as file:
        file.write(" ")
    with pytest.raises(UserError, match="pictures.json"):
        read_pictures(tmp_path)


def study(folder: Path, pictures: Any) -> PlannedStudy:
    root = discs(folder / "discs.npz", {"train": 4, "val": 2, "test": 2})
    data = {"kind": "mask_npz", "root": str(root), "structures": ["disc"], "image_px": 32}
    axes = grid(datasets=["discs", "films"], pretrainings=["random"], truncations=[0], seeds=[0])
    return planned(folder, {"datasets": {"discs": data}, "pictures": pictures, **axes})


def test_a_study_says_whose_films_are_shown(tmp_path: Path) -> None:
    def told(pictures: Any) -> Any:
        return study(tmp_path, pictures).content("report")["pictured"]

    shown = told({})
    assert [name.split("-")[0] for name in shown["cells"]] == ["discs"] and shown["show"] == "best"
    assert told({"cells": "all"})["show"] == "all"
    assert told(None) == told({"hidden": ["discs"]}) == {}
    assert not study(tmp_path, None).has(STAGE["pictures"])
    with pytest.raises(UserError, match=r"hidden names data set 'disc' \(did you mean 'discs'"):
        study(tmp_path, {"hidden": ["disc"]})
    with pytest.raises(UserError, match="pictures.where is .* which no cell of the grid matches"):
        study(tmp_path, {"where": {"seed": 7}})


def test_the_page_names_cells_by_what_sets_them_apart() -> None:
    row = {"cell": "c", "dataset": "eyes", "pretraining": "random", "architecture": "net"}
    row |= {"truncation": 1, "protocol": "learn", "seed": 0, "metric": "dice"}
    film = Picture("c", "best", "f1", 0.9, "")
    ((dataset, (shown,)),) = shown_films(
        pd.DataFrame([row]), [film, Picture("x", "", "", 0, "")], {}
    )
    assert shown.metric.title == "dice"
    assert dataset == "eyes" and shown.films == (film,)
    assert shown.told == "random, net, one block removed, seed 0"
