from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets.chexpert.make import make, segment

from transfergrid.data.cache import build_cache
from transfergrid.data.images import resize
from transfergrid.data.phantom_film import draw_film
from transfergrid.data.regions import DrawnByReaders, PhantomRegions, true_regions
from transfergrid.data.store import open_split, read_card
from transfergrid.runtime.errors import UserError

DECLARATION: dict[str, Any] = {
    "id": "films-0",
    "kind": "phantom",
    "set": "chest",
    "patients": 20,
    "valid_patients": 15,
    "test_patients": 30,
    "seed": 4,
    "tasks": 14,
    "score_tasks": ["cardiomegaly"],
    "uncertain": "ignore",
    "blank": "zero",
    "views": "all",
    "image_px": 48,
    "resize": "crop",
    "channels": "grey",
    "aggregate": "max",
}


@pytest.fixture(scope="module", params=["crop", "pad"])
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    cache: Path = tmp_path_factory.mktemp("cache") / "films-0"
    declaration = DECLARATION | {"resize": request.param}
    build_cache(declaration, None, cache, 1)
    regions = true_regions(declaration)
    assert isinstance(regions, PhantomRegions)
    return regions, open_split(cache, "test"), read_card(cache).tasks


def test_the_films_are_those_of_the_cache(drawn: Any) -> None:
    regions, split, _ = drawn
    rule = regions.declaration["resize"]
    for i in (0, 7, len(split.images) - 1):
        film = regions._films[str(split.image_id[i])]
        again = resize(draw_film(film, 128), 48, rule, "grey").astype(float)
        assert np.abs(again - split.images[i]).mean() < 3  # JPEG


def test_regions_belong_to_positive_films_alone(drawn: Any) -> None:
    regions, split, tasks = drawn
    found = 0
    for i, image in enumerate(split.image_id):
        for t, task in enumerate(tasks):
            mask = regions.find(str(image), task)
            if mask is not None:
                assert split.labels[i, t] == 1
                assert mask.shape == (48, 48)
                assert 0 < mask.mean() < 0.7
                found += 1
    assert found > len(split.images)


def test_a_finding_without_a_place_has_no_region(drawn: Any) -> None:
    regions, split, _ = drawn
    assert regions.find(str(split.image_id[0]), "no_finding") is None


def test_an_effusion_changes_the_film_where_its_region_is(drawn: Any) -> None:
    from dataclasses import replace

    regions, split, tasks = drawn
    rule = regions.declaration["resize"]
    column = tasks.index("pleural_effusion")
    checked = 0
    for i in np.flatnonzero(split.labels[:, column] == 1)[:4]:
        film = regions._films[str(split.image_id[i])]
        mask = regions.find(str(split.image_id[i]), "pleural_effusion")
        if mask is None or mask.mean() < 0.01:
            continue
        healthy = replace(
            film, signs={k: v for k, v in film.signs.items() if k != "Pleural Effusion"}
        )
        pair = [resize(draw_film(f, 128), 48, rule, "grey").astype(float) for f in (film, healthy)]
        change = np.abs(pair[0] - pair[1])
        assert change[mask].mean() > 3 * change[~mask].mean()
        checked += 1
    assert checked


@pytest.fixture(params=["crop", "pad", "stretch"])
def read_by_experts(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    rng = np.random.default_rng(3)
    make(tmp_path, rng)
    boxes = segment(tmp_path / "CheXpert-v1.0-small", tmp_path / "regions.json", rng)
    declaration = {"id": "films-1", "kind": "chexpert", "image_px": 64, "resize": request.param}
    declaration |= {"channels": "grey", "aggregate": "max", "tasks": 14}
    build_cache(declaration, tmp_path, tmp_path / "cache", 1)
    regions = true_regions(declaration, tmp_path / "regions.json")
    assert isinstance(regions, DrawnByReaders)
    return regions, open_split(tmp_path / "cache", "test"), boxes


def test_what_readers_drew_lies_where_the_cached_film_shows_it(read_by_experts: Any) -> None:
    regions, split, boxes = read_by_experts
    regions.check(split.image_id)
    assert len(split.images) == len(boxes)
    for image, pixels in zip(split.image_id, split.images, strict=True):
        mask = regions.find(str(image), "cardiomegaly")
        assert mask.shape == pixels.shape == (64, 64)
        # The film is bright where the box is, and nowhere else.
        bright = np.asarray(pixels) > 127
        assert (mask & bright).sum() / (mask | bright).sum() > 0.9
        assert np.array_equal(regions.find(str(image), "lung_opacity"), mask)
        assert regions.find(str(image), "pneumothorax") is None  # nothing drawn
        assert regions.find(str(image), "fracture") is None  # never asked for
    assert regions.find("test/patient99999/study1/view1_frontal.jpg", "cardiomegaly") is None


def test_a_file_of_another_split_or_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "regions.json"
    regions = DrawnByReaders({"id": "films-1", "image_px": 8, "resize": "crop"}, path)
    image = "test/patient00001/study1/view1_frontal.jpg"
    for text, message in (
        ('{"patient00002_study1_view1_frontal": {}}', "has none of the test films"),
        ("[1]", "does not hold masks by film"),
        ("{", "cannot be read as JSON"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            DrawnByReaders(regions.declaration, path).check([image])
    entry = '{"size": [4, 4], "counts": "o1"}'
    path.write_text(f'{{"patient00001_study1_view1_frontal": {{"Edema": {entry}}}}}')
    with pytest.raises(
        UserError, match="'Edema' of patient00001_study1_view1_frontal is not a mask"
    ):
        regions.find(image, "edema")


def test_other_data_sets_know_no_regions() -> None:
    assert true_regions({"kind": "chexpert"}) is None
    assert true_regions({"kind": "phantom", "set": "shapes"}) is None
