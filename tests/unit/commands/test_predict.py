"""A trained cell gives films the probabilities that its study has stored."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from unit.training.tiny import PX, make_cache, make_spec

import transfergrid
from transfergrid.catalog.kinds import DATASET_KINDS
from transfergrid.commands.main import main
from transfergrid.commands.predict import _masks
from transfergrid.data.cache import build_cache
from transfergrid.data.images import resize
from transfergrid.data.store import open_split
from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.evaluation.ensembles import Ensembles
from transfergrid.evaluation.loaded import LoadedCell
from transfergrid.evaluation.marked import Marks
from transfergrid.evaluation.predict import score_cell
from transfergrid.planning.naming import cell_name
from transfergrid.planning.stamps import StampName
from transfergrid.reporting.loading import about, load_cell
from transfergrid.reporting.tables.stage_files import seal_stage
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json, short_hash
from transfergrid.training.loop import train

SELECTIONS = ("top2", "best", "last", "top1_per_task")


@pytest.fixture(scope="module", params=["multilabel", "multiclass"])
def cell(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The folder of a scored cell of the run here, whose test films lie in ``films``."""
    results = tmp_path_factory.mktemp(request.param) / "results"
    make_cache(results, request.param)
    spec = make_spec(epochs=3, keep_checkpoints=3)
    spec["dataset"] |= {"image_px": PX, "resize": "crop", "channels": "grey", "aggregate": "max"}
    folder = results / "cells" / cell_name(spec)
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(spec))
    card = json.loads((results / "cache" / "tiny-0" / "card.json").read_text())
    assert card["aggregate"] == "max"
    (folder / "card.json").write_text(json.dumps(card))
    train(spec, results, threads=1)
    score_cell(spec, results)
    Ensembles(results, "ours", SELECTIONS, "code").make(folder.name)
    stamp(results, "ours", folder.name, SELECTIONS)
    films = results.parent / "films"
    films.mkdir()
    for number, image in enumerate(open_split(results / "cache" / "tiny-0", "test").images):
        Image.fromarray(np.array(image)).save(films / f"{number:02d}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(results.parent)  # its network is the tests' own
        yield folder


def stamp(results: Path, study: str, cell: str, selections: tuple[str, ...]) -> None:
    content = {"targets": [cell], "evaluation": {"selections": list(selections)}}
    name = StampName(study, "ensembles", short_hash(content))
    (results / "stamps").mkdir(exist_ok=True)
    (results / "stamps" / str(name)).write_text(canonical_json(content))


def films_of(cell: Path) -> list[Path]:
    return sorted((cell.parents[2] / "films").glob("*.png"))


@pytest.mark.parametrize("selection", SELECTIONS)
def test_probabilities_are_those_that_the_study_stored(cell: Path, selection: str) -> None:
    stored = read_ensemble(
        cell.parents[1] / "ours" / "ensemble" / cell.name / selection / "test.parquet"
    )
    studies = open_split(cell.parents[1] / "cache" / "tiny-0", "test").study_id
    loaded = transfergrid.load_cell(cell, selection=selection)
    found = loaded.predict(films_of(cell), studies.tolist())
    assert np.array_equal(found, stored.probabilities) and loaded.tasks == stored.tasks
    assert loaded.chosen.shape[1] == stored.n_checkpoints


def test_a_film_alone_has_the_logit_that_the_study_stored(cell: Path) -> None:
    loaded, films = transfergrid.load_cell(cell), films_of(cell)
    assert loaded.selection == "top2"
    each = loaded.predict(films)
    one = loaded.predict([np.asarray(Image.open(films[3]))])
    assert each.shape == (20, len(loaded.tasks)) and np.allclose(one[0], each[3], atol=1e-6)
    pair = loaded.predict(films[2:4], ["a", "a"])
    if loaded.card.task_kind == "multilabel":
        assert np.allclose(pair[0], each[2:4].max(axis=0), atol=0.02)
    assert pair.shape == (1, len(loaded.tasks))


def test_the_command_prints_a_row_a_film_and_what_the_cell_is(
    cell: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films = films_of(cell)[:3]
    assert main(["predict", str(cell), *map(str, films)]) == 0
    told = capsys.readouterr()
    head, *rows = csv.reader(io.StringIO(told.out))
    loaded = load_cell(cell)
    assert head == ["film", *loaded.tasks] and [row[0] for row in rows] == list(map(str, films))
    assert [list(map(float, row[1:])) for row in rows] == loaded.predict(films).tolist()
    assert told.err.strip() == loaded.about
    assert "recipe 'short', seed 0, trained on the train films of data set 'tiny'" in loaded.about
    assert "No study's table says how well it did." in loaded.about
    assert main(["predict", str(cell), "--one-study", *map(str, films)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_cell_of_a_readers_own_films_says_how_others_are_read(cell: Path) -> None:
    loaded = load_cell(cell)
    assert "give it the pixels" not in loaded.about
    spec = {**loaded.spec, "dataset": {**loaded.spec["dataset"], "kind": "my_lab:read"}}
    told = about(replace(loaded, spec=spec), {})
    assert "were read by my_lab:read; files named here are read as image files" in told


def test_patients_are_counted_where_they_are_known(cell: Path) -> None:
    loaded = load_cell(cell)
    splits = {split: {"images": 1200, "patients": 300} for split in ("train", "valid", "test")}
    for patients, told in (
        ("known", "1,200 films of 300 patients of"),
        ("unknown", "1,200 films of"),
    ):
        card = replace(loaded.card, splits=splits, patients=patients)
        assert f"trained on {told} data set" in about(replace(loaded, card=card), {})


def test_films_that_cannot_be_read_are_all_named_and_nothing_is_predicted(
    cell: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, cut = films_of(cell)[0], tmp_path / "cut.png"
    cut.write_bytes(good.read_bytes()[:60])
    assert main(["predict", str(cell), str(good), str(cut), str(tmp_path / "none.png")]) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("error: 2 of 3 films cannot be read, and nothing")
    assert str(cut) in told.err and f"{tmp_path / 'none.png'} does not exist" in told.err
    lost = [str(tmp_path / f"lost{number}.png") for number in range(20)]
    assert main(["predict", str(cell), *lost]) == 1
    told = capsys.readouterr()
    assert len(told.err.splitlines()) == 1 + len(lost)  # a line of its own for each
    assert all(name in told.err for name in lost)
    assert main(["predict", str(cell), str(good), str(tmp_path)]) == 1
    assert f"{tmp_path} is a folder; name the films in it" in capsys.readouterr().err
    assert main(["predict", str(cell), str(tmp_path / "v.nii.gz")]) == 1
    assert "v.nii.gz is a NIfTI volume, of which a cell sees one slice" in capsys.readouterr().err
    with pytest.raises(UserError, match="is not an"):
        load_cell(cell).predict([np.zeros((4, 4, 2), np.uint8)])
    for kind in (np.float32, np.uint16):  # of 12 bits, say, which are no white
        with pytest.raises(UserError, match=f"array of {kind.__name__} .*; give uint8"):
            load_cell(cell).predict([np.zeros((4, 4), kind)])  # type: ignore[list-item]
    with pytest.raises(UserError, match="no films"):
        load_cell(cell).predict([])


@pytest.mark.parametrize(
    ("device", "told"),
    [
        ("gpu", "there is no device 'gpu'; allowed are cpu, cuda and cuda:N"),
        ("meta", "there is no device 'meta'"),
        ("cuda", "device 'cuda' cannot be used: torch sees 0 GPUs here; use cpu"),
        ("cuda:1", "device 'cuda:1' cannot be used"),
    ],
)
def test_a_device_that_is_not_there_is_refused_before_films_are_read(
    cell: Path,
    device: str,
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["predict", str(cell), "no_such_film.png", "--device", device]) == 1
    error = capsys.readouterr().err
    assert told in error and "film" not in error


def test_what_is_no_trained_cell_is_refused_in_a_sentence(cell: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no cell .*nowhere; name its folder"):
        load_cell(tmp_path / "nowhere")
    with pytest.raises(UserError, match=f"there is no cell .*did you mean '{cell.name}'"):
        load_cell(Path(cell.name[:-1]))
    with pytest.raises(UserError, match="is no cell: it has no spec.json"):
        load_cell(tmp_path)
    with pytest.raises(UserError, match="no selection 'tops'"):
        load_cell(cell, selection="tops")
    with pytest.raises(UserError, match="study 'other' has made no ensemble.*it is in ours"):
        load_cell(cell, study="other")
    freed = tmp_path / "cells" / cell.name
    shutil.copytree(cell, freed)
    for file in (freed / "checkpoints").glob("*.safetensors"):
        file.write_bytes(b"x")
    with pytest.raises(UserError, match="is not the file that was written"):
        load_cell(freed, own_code=True).predict(films_of(cell)[:1])
    shutil.rmtree(freed / "checkpoints")
    with pytest.raises(
        UserError, match="has no checkpoints: it is not trained, or they were freed"
    ):
        load_cell(freed)


def test_studies_that_disagree_are_asked_for(
    cell: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results"
    shutil.copytree(cell, results / "cells" / cell.name)
    for study, first in (("a", "best"), ("b", "last")):
        stamp(results, study, cell.name, (first,))
    folder = results / "cells" / cell.name
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is in a, b, whose first selections are best, last; name"):
        load_cell(folder)
    assert load_cell(folder, study="b").selection == "last"
    tables = results / "b" / "tables"
    tables.mkdir(parents=True)
    head = "cell,selection,metric,score,score_low,score_high,flags"
    (tables / "cells.csv").write_text(f"{head}\n{cell.name},last,auroc,0.8125,0.7,0.9,\n")
    seal_stage(results / "b", "cells", ["tables/cells.csv"])
    told = load_cell(folder, study="b").about
    assert (
        "In study 'b' it was tested on the test films of the same data set: auroc 0.812 (0.700"
        in told
    )


def test_outputs_that_are_not_finite_give_no_mask(tmp_path: Path) -> None:
    lost = Marks(np.full((1, 1, 2, 2), np.nan, np.float32), np.zeros((1, 1, 2, 2), bool))
    own: Any = SimpleNamespace(
        tasks=("disc",), folder=tmp_path / "cell", marked=lambda films: iter([lost])
    )
    with pytest.raises(UserError, match=r"networks of cell give numbers .* for .*film\.png, and"):
        _masks(own, [tmp_path / "film.png"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_films_are_read_as_the_cache_reads_them(tmp_path: Path) -> None:
    """Of any size and kind: turned, drafted JPEGs, 16 bits, colours that become grey."""
    rng = np.random.default_rng(0)
    root, lines = tmp_path / "data", ["image,finding,split"]
    root.mkdir()
    for number in range(12):
        pixels = rng.integers(0, 256, (90 + number, 70, 3), dtype=np.uint8)
        image = Image.fromarray(pixels if number % 3 else pixels[..., 0])
        name = f"{number}.{'jpg' if number % 2 else 'png'}"
        exif = Image.Exif()
        exif[274] = 6 if number == 5 else 1
        if number == 4:
            image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
        image.save(root / name, **({"exif": exif} if number % 2 else {}))
        lines.append(f"{name},{number // 3 % 2},{('train', 'valid', 'test')[number % 3]}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    for rule, channels in (("pad", "grey"), ("crop", "rgb")):
        data: dict[str, Any] = {
            **{"kind": "csv", "table": "labels.csv", "image_column": "image", "image_px": 16},
            "label_columns": ["finding"],
            "split": {"column": "split", "train": ["train"], "valid": ["valid"], "test": ["test"]},
            **{"resize": rule, "channels": channels},
        }
        cache = tmp_path / "cache" / f"films-{rule}"
        build_cache(data, root, cache, 1)
        cell = LoadedCell(tmp_path, {"dataset": data}, None, None, "best", np.zeros((1, 1)))  # type: ignore[arg-type]
        for split in ("train", "valid", "test"):
            rows = open_split(cache, split)
            found = cell.read([root / name for name in rows.image_id])
            assert np.array_equal(found, np.asarray(rows.images)), (rule, split)


@pytest.mark.parametrize("kind", [kind.name for kind in DATASET_KINDS if kind.arrays])
def test_films_of_kinds_of_arrays_are_read_as_arrays_are(kind: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    data = {"kind": kind, "image_px": 16, "resize": "pad", "channels": "grey"}
    cell = LoadedCell(tmp_path, {"dataset": data}, None, None, "best", np.zeros((1, 1)))  # type: ignore[arg-type]
    for name in ("film.png", "film.jpg"):
        Image.fromarray(pixels).save(tmp_path / name)
        with Image.open(tmp_path / name) as image:
            want = resize(np.asarray(image), 16, "pad", "grey")
        assert np.array_equal(cell.read([tmp_path / name])[0], want)
