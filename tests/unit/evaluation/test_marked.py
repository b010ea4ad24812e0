"""What selections mark on films, against probabilities that are averaged whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from unit.training.disc_cells import PX, cache_of, scored_cell

from transfergrid.data.store import open_split
from transfergrid.evaluation.marked import MarkedFilms, Marker, Marks, chosen_by, marked_films
from transfergrid.evaluation.scores import read_cell_scores
from transfergrid.metrics.mask_record import pack
from transfergrid.metrics.overlap import count_overlap
from transfergrid.models.mask_network import mask_network
from transfergrid.models.normalise import Normalise, Preprocessing
from transfergrid.models.trained import Trained
from transfergrid.models.zoo import build
from transfergrid.runtime.errors import UserError
from transfergrid.tasks.learn.segmentation import Segmentation

Cell = tuple[dict[str, Any], Path, Path]


@pytest.fixture(scope="module", params=[False, True], ids=["overlapping", "exclusive"])
def cell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Cell:
    """Return a scored cell's specification, its folder and the results."""
    results = tmp_path_factory.mktemp("marked")
    films = {"kind": "mask_npz", "root": str(results / "discs.npz"), "structures": ["disc"]}
    films |= {"image_px": PX, "exclusive": request.param}
    spec, name = scored_cell(results, datasets={"discs": films})
    return spec, results / "cells" / name, results


def together(parts: list[MarkedFilms], name: str) -> Marks:
    marks = [part.marks[name] for part in parts]
    return Marks(
        np.concatenate([one.probability for one in marks]),
        np.concatenate([one.marked for one in marks]),
    )


def whole(spec: dict[str, Any], folder: Path, images: Any) -> np.ndarray:
    """Return (checkpoint, film, output, row, column) probabilities, all films at once."""
    exclusive, cell = spec["dataset"]["exclusive"], Trained.of(folder)
    preprocessing = Preprocessing.from_dict(cell.json("proof.json")["preprocessing"])
    normalise = Normalise(preprocessing, torch.device("cpu"))
    encoder = build(spec["architecture"], 1, 2, 0)
    network = mask_network(encoder, 2 if exclusive else 1, 0, PX).eval()
    found = []
    for checkpoint in cell.checkpoints():
        network.load_state_dict(cell.tensors(checkpoint["file"]))
        with torch.inference_mode():
            logits = network(normalise(torch.from_numpy(np.array(images)))).double()
        found.append((logits.softmax(dim=1) if exclusive else logits.sigmoid()).numpy())
    return np.stack(found)


def test_selections_mark_what_their_mean_probability_says(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, folder, results = cell
    films = open_split(cache_of(spec, results), "test")
    assert films.masks is not None and len(films.images) == 6
    monkeypatch.setattr(Segmentation, "batch", 4)  # otherwise all films are one part
    parts = list(marked_films(spec, results, ["top2", "last"]))
    assert [part.rows.tolist() for part in parts] == [[0, 1, 2, 3], [4, 5]]
    assert np.array_equal(np.concatenate([part.images for part in parts]), films.images[:])
    assert np.array_equal(np.concatenate([part.truth for part in parts]), films.masks[:])
    every = whole(spec, folder, films.images)
    scores = read_cell_scores(folder, "valid").valid_score
    chosen = {"top2": np.argsort(-scores, kind="stable")[:2], "last": np.array([2])}
    found = chosen_by(spec, Trained.of(folder), ["top2", "last"])
    assert {name: list(own) for name, own in found.items()} == {
        name: numbers.tolist() for name, numbers in chosen.items()
    }
    for name, numbers in chosen.items():
        mean, marks = every[numbers].mean(axis=0), together(parts, name)
        # Other batches round last bits differently.
        assert marks.probability.shape == marks.marked.shape == (6, 1, PX, PX)
        np.testing.assert_allclose(marks.probability[:, 0], mean[:, -1], atol=1e-5)
        limit = mean[:, 0] if spec["dataset"]["exclusive"] else 0.5
        sure = np.abs(mean[:, -1] - limit) > 1e-4
        assert np.array_equal(marks.marked[:, 0][sure], (mean[:, -1] > limit)[sure])


def test_marks_have_the_counts_that_scoring_stored(cell: Cell) -> None:
    spec, folder, results = cell
    stored = read_cell_scores(folder, "test")
    names = ("best", "top2", "top3", "last")
    parts = list(marked_films(spec, results, names))
    truth = np.concatenate([part.truth for part in parts])
    assert stored.tops is not None
    wanted = dict(zip(names, [*stored.tops[:3], stored.logits[2]], strict=True))
    for name, counts in wanted.items():
        marked = together(parts, name).marked
        assert np.array_equal(pack(count_overlap(marked, truth)), counts)


def test_an_output_that_is_not_finite_marks_nothing_that_counts() -> None:
    """Of exclusive structures, even if only the background's is lost."""
    outputs = torch.tensor([[-torch.inf, 1.0], [0.0, 1.0]])[:, :, None, None]
    device = torch.device("cpu")

    def marks(exclusive: bool) -> Marks:
        marker = Marker(
            {"best": (0,)}, lambda n: torch.nn.Identity(), lambda x: x, exclusive, 2, device
        )
        return marker(outputs.numpy())["best"]  # type: ignore[arg-type]

    overlapping, exclusive = marks(False), marks(True)
    assert np.isnan(overlapping.probability[:, :, 0, 0]).tolist() == [[True, False], [False] * 2]
    assert np.isnan(exclusive.probability[:, :, 0, 0]).tolist() == [[True], [False]]
    for found in (overlapping, exclusive):
        with pytest.raises(UserError, match=r"networks of c give numbers .* for one, and nothing"):
            found.check("c", ["one", "two"])


def test_few_films_can_be_had_in_any_order(cell: Cell) -> None:
    spec, _, results = cell
    (every,) = marked_films(spec, results, ["best"])
    (two,) = marked_films(spec, results, ["best"], rows=[5, 0])
    assert two.rows.tolist() == [5, 0] and np.array_equal(two.images, every.images[[5, 0]])
    own, same = two.marks["best"].probability, every.marks["best"].probability[[5, 0]]
    np.testing.assert_allclose(own, same, atol=1e-5)
