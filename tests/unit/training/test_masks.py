"""A cell that learns masks, from its study to its ensembles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from unit.training.disc_cells import PX, RECIPE, cache_of, planned, scored_cell, study

from transfergrid.catalog.tables import TABLES
from transfergrid.commands.main import main
from transfergrid.data.store import Split, open_split
from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.evaluation.ensembles import Ensembles
from transfergrid.evaluation.scores import read_cell_scores
from transfergrid.metrics.mask_record import pack
from transfergrid.metrics.overlap import count_overlap
from transfergrid.models.initial import initial_model
from transfergrid.models.mask_network import mask_network
from transfergrid.models.normalise import Normalise, Preprocessing
from transfergrid.models.trained import Trained
from transfergrid.models.zoo import build
from transfergrid.planning.metrics import built_in
from transfergrid.planning.planned import plan_study
from transfergrid.planning.study import load_study
from transfergrid.reporting.loading import load_cell
from transfergrid.reporting.tables import scores
from transfergrid.reporting.tables.calibration import calibration_table
from transfergrid.reporting.tables.cells import cells_table
from transfergrid.runtime.errors import Stopped, UserError
from transfergrid.runtime.watcher import Watcher
from transfergrid.training.loop import train

SELECTIONS = ("best", "last", "top1", "top2", "top3")


def outputs(spec: dict[str, Any], cell: Trained, file: str, films: Split) -> np.ndarray:
    """Return (N, 1 or 2, PX, PX) logits of a checkpoint, all films at once."""
    proof = cell.json("proof.json")
    normalise = Normalise(Preprocessing.from_dict(proof["preprocessing"]), torch.device("cpu"))
    count = 2 if spec["dataset"]["exclusive"] else 1
    network = mask_network(build(spec["architecture"], 1, 2, 0), count, 0, PX).eval()
    network.load_state_dict(cell.tensors(file))
    with torch.inference_mode():
        found: np.ndarray = network(normalise(torch.from_numpy(np.array(films.images)))).numpy()
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, Path]:
    """Return a cell's specification, its name and the results in which it is scored."""
    results = tmp_path_factory.mktemp("masks")
    spec, name = scored_cell(results)
    Ensembles(results, "discs", SELECTIONS, "code").make(name)
    return spec, name, results


def test_what_is_stored_are_counts_of_what_a_checkpoint_marks(
    trained: tuple[dict[str, Any], str, Path],
) -> None:
    spec, name, results = trained
    cell = Trained.of(results / "cells" / name)
    for split in ("valid", "test"):
        kept = read_cell_scores(results / "cells" / name, split)
        films = open_split(cache_of(spec, results), split)
        assert films.masks is not None and kept.logits.shape[1:] == (len(films.images), 1, 4)
        for number, checkpoint in enumerate(cell.checkpoints()):
            marked = outputs(spec, cell, checkpoint["file"], films) > 0
            want = count_overlap(marked, films.masks[:])
            found = kept.logits[number]
            pairs = zip(
                (want.true_positive, want.predicted, want.true, want.known),
                np.moveaxis(found, -1, 0),
                strict=True,
            )
            # Other batches may round a pixel's logit to the other side of 0.
            assert all(np.abs(a - b).max() <= 1 for a, b in pairs)
            counts = found[:, 0].astype(np.float64)
            total = counts[:, 1] + counts[:, 2]
            dice = np.where(total > 0, 2 * counts[:, 0] / np.maximum(total, 1), 1.0)
            if split == "valid":
                assert dice.mean() == pytest.approx(checkpoint["valid_score"], abs=1e-12)
                assert dice.mean() > 0.3


def test_ensembles_hold_what_a_mean_probability_marks(
    trained: tuple[dict[str, Any], str, Path],
) -> None:
    spec, name, results = trained
    made = Ensembles(results, "discs", SELECTIONS, "code")
    cell, films = Trained.of(results / "cells" / name), open_split(cache_of(spec, results), "test")
    checkpoints, mean = cell.checkpoints(), np.zeros((len(films.images), 1, PX, PX))
    assert films.masks is not None and len(checkpoints) == 3
    order = sorted(checkpoints, key=lambda checkpoint: -float(checkpoint["valid_score"]))
    for count, checkpoint in enumerate(order, 1):
        logits = outputs(spec, cell, checkpoint["file"], films)
        mean += 1 / (1 + np.exp(-logits.astype(np.float64)))
        want = count_overlap(mean > count / 2, films.masks[:])
        found = read_ensemble(made.file(name, f"top{count}", "test"))
        assert found.n_checkpoints == count
        assert np.abs(found.probabilities - pack(want)).max() <= 1  # as above
    kept = read_cell_scores(results / "cells" / name, "test")
    for selection, number in (("best", kept.valid_score.argmax()), ("last", kept.step.argmax())):
        table = read_ensemble(made.file(name, selection, "test"))
        assert np.array_equal(table.probabilities, kept.logits[number])
    best = read_ensemble(made.file(name, "top1", "test")).probabilities
    assert kept.tops is not None and np.array_equal(best, kept.tops[0])


def stamp(spec: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what analyses are told of a study of one cell."""
    metrics = [built_in(one) for one in ("dice", "dice_pooled", "auroc")]
    entry = {**spec["cell"], "cell": name, "dataset_id": spec["dataset"]["id"], "role": "target"}
    evaluation = {"selections": ["best", "last"], "primary": "best", "confidence": 0.95}
    return {
        "name": "discs",
        "cells": [{**entry, "family": "LCNet", "source_cell": None}],
        "evaluation": evaluation,
        "metrics": {metric["name"]: metric for metric in metrics},
        "primary_metric": {"discs": "dice"},
        "extra_metrics": ["dice_pooled", "auroc"],
        "columns": {table.name: list(table.header) for table in TABLES},
    }


def test_tables_score_masks_and_count_their_states(
    trained: tuple[dict[str, Any], str, Path],
) -> None:
    spec, name, results = trained
    told = stamp(spec, name)
    found = scores.analyse(told, results, 1)
    best = found["scores"][found["scores"]["selection"] == "best"].set_index(["metric", "task"])
    # Of a study's other metrics, those that masks have.
    assert list(best.index) == [(m, t) for m in ("dice", "dice_pooled") for t in ("", "disc")]
    stored = read_cell_scores(results / "cells" / name, "test")
    counts = stored.logits[int(np.argmax(stored.valid_score)), :, 0].astype(np.float64)
    films = np.where(
        counts[:, 1] + counts[:, 2] > 0,
        2 * counts[:, 0] / np.maximum(counts[:, 1] + counts[:, 2], 1),
        1.0,
    )
    patients = [films[stored.patient_id == p].mean() for p in np.unique(stored.patient_id)]
    assert best.loc[("dice", "disc"), "value"] == pytest.approx(np.mean(patients))
    pooled = 2 * counts[:, 0].sum() / counts[:, 1:3].sum()
    assert best.loc[("dice_pooled", ""), "value"] == pytest.approx(pooled)
    assert set(best["flags"]) == {"few_patients"} and set(best["n_patients"]) == {3}

    states = found["mask_states"]
    assert states["selection"].tolist() == ["best", "last"] and set(states["n"]) == {6}
    row = states.iloc[0]
    assert row["both"] == ((counts[:, 1] > 0) & (counts[:, 2] > 0)).sum()
    assert row["missed"] == ((counts[:, 1] == 0) & (counts[:, 2] > 0)).sum()
    assert row[["both", "missed", "false_alarm", "both_empty"]].sum() == 6

    cells = cells_table(told, results)
    network = mask_network(build(spec["architecture"], 1, 2, 0), 1, 0, PX)
    assert cells["params"].tolist() == [sum(p.numel() for p in network.parameters())] * 2
    assert cells["score"].iloc[0] == best.loc[("dice", ""), "value"]
    assert calibration_table(told, cells, results).empty


def test_structures_that_exclude_each_other_have_a_background(tmp_path: Path) -> None:
    declared = yaml.safe_load(study(tmp_path).read_text())["datasets"]["discs"]
    own = {"datasets": {"discs": declared | {"exclusive": True}}, "recipe": {"epochs": 1}}
    spec, name = scored_cell(tmp_path, **own)
    folder = tmp_path / "cells" / name
    cell, films_of = Trained.of(folder), open_split(cache_of(spec, tmp_path), "test")
    logits = outputs(spec, cell, str(cell.best()), films_of)
    assert logits.shape == (6, 2, PX, PX) and films_of.masks is not None
    want = pack(count_overlap(logits[:, 1:] > logits[:, :1], films_of.masks[:]))
    found = read_cell_scores(folder, "test").logits[0]
    assert np.abs(found - want).max() <= 1 and found[..., 1].any()
    Ensembles(tmp_path, "discs", ("best", "last"), "code").make(name)
    cells = cells_table(stamp(spec, name), tmp_path)
    network = mask_network(build(spec["architecture"], 1, 2, 0), 2, 0, PX)
    assert cells["params"].iloc[0] == sum(p.numel() for p in network.parameters())


class Stopping(Watcher):
    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Stopped("enough")


def test_a_stopped_training_ends_with_the_same_bits(
    trained: tuple[dict[str, Any], str, Path], tmp_path: Path
) -> None:
    spec, name, results = trained
    (tmp_path / "cache").symlink_to(results / "cache")
    folder = tmp_path / "cells" / name
    folder.mkdir(parents=True)
    for after in (2, 3):
        with pytest.raises(Stopped):
            train(spec, tmp_path, threads=1, watcher=Stopping(after))
    train(spec, tmp_path, threads=1)
    before = results / "cells" / name / "checkpoints"
    assert {p.name: p.read_bytes() for p in (folder / "checkpoints").iterdir()} == {
        p.name: p.read_bytes() for p in before.iterdir()
    }


def test_patients_that_are_held_out_keep_their_masks(
    trained: tuple[dict[str, Any], str, Path], tmp_path: Path
) -> None:
    _, _, results = trained
    held = {"holdout": 0.3, "epochs": 1, "loss": "dice", "dice": {"over": "batch"}}
    spec, name = planned(study(results, recipe={**RECIPE, **held}))
    (tmp_path / "cache").symlink_to(results / "cache")
    (tmp_path / "cells" / name).mkdir(parents=True)
    record = train(spec, tmp_path, threads=1)
    assert record["status"] == "finished" and record["best_valid_score"] > 0


def refusals() -> Iterator[tuple[dict[str, Any], str]]:
    yield {"recipe": {"loss": "cross_entropy"}}, r"loss is 'cross_entropy'; where structures may"
    yield {"recipe": {"loss": "bce", "dice": {"form": "plain"}}}, "dice has settings, but the loss"
    films = {"kind": "phantom", "patients": 60, "image_px": PX}
    yield (
        {"datasets": {"discs": films}, "recipe": {"loss": "dice"}},
        "says with loss how masks are",
    )


@pytest.mark.parametrize(("sections", "told"), list(refusals()))
def test_losses_that_do_not_fit_are_refused_at_planning(
    sections: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=told):
        planned(study(tmp_path, **sections))


def test_no_loss_is_part_of_a_recipe_that_names_none(tmp_path: Path) -> None:
    spec, _ = planned(study(tmp_path))
    assert not {"loss", "dice"} & spec["recipe"].keys() and spec["metric"]["name"] == "dice"
    spec, _ = planned(study(tmp_path, recipe={"loss": "dice", "train_layers": "head"}))
    assert spec["recipe"]["loss"] == "dice" and "features" not in spec


def test_labels_go_on_from_a_network_that_has_learned_masks(
    trained: tuple[dict[str, Any], str, Path],
) -> None:
    spec, name, results = trained
    weights = {"kind": "cell", "id": None, "source_cell": name, "sha256": None}
    network, _, proof = initial_model({**spec, "weights": weights}, results, outputs=5)
    cell = Trained.of(results / "cells" / name)
    learned = cell.tensors(str(cell.best()))
    body = {key: tensor for key, tensor in network.state_dict().items() if "classifier" not in key}
    assert body and all(torch.equal(learned[f"encoder.{key}"], body[key]) for key in body)
    assert proof["matched"] == len(body) and proof["unexpected"] == []


@pytest.mark.parametrize("key", ["cams", "similarity", "weights"])
def test_what_is_measured_on_networks_with_labels_is_refused(key: str, tmp_path: Path) -> None:
    path = study(tmp_path)
    content = yaml.safe_load(path.read_text()) | {key: {}}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=f"{key} asks for .* of data set 'discs', which has masks"):
        plan_study(load_study(path))


def test_structures_share_their_checkpoints(tmp_path: Path) -> None:
    path = study(tmp_path, evaluation={"selections": ["top2_per_task", "best"]})
    with pytest.raises(UserError, match="being segmentation; write top2"):
        plan_study(load_study(path))
    plan_study(load_study(study(tmp_path, evaluation={"selections": ["top2", "best"]})))


@pytest.mark.parametrize(("kind", "told"), [("csv", "mask_table"), ("medmnist", "mask_npz")])
def test_kinds_of_labels_lead_to_those_of_masks(kind: str, told: str, tmp_path: Path) -> None:
    films = {"kind": kind, "root": str(tmp_path), "task_kind": "segmentation"}
    films |= (
        {"table": "a.csv", "image_column": "a", "label_columns": ["b"]} if kind == "csv" else {}
    )
    with pytest.raises(UserError, match=f"is 'segmentation'; write kind: {told}"):
        load_study(study(tmp_path, datasets={"discs": films}))


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_loaded_cell_marks_films_as_its_study_did(
    trained: tuple[dict[str, Any], str, Path], selection: str
) -> None:
    spec, name, results = trained
    films = open_split(cache_of(spec, results), "test")
    cell = load_cell(results / "cells" / name, selection)
    stored = read_ensemble(results / "discs" / "ensemble" / name / selection / "test.parquet")
    parts = list(cell.marked(list(np.asarray(films.images))))
    marked = np.concatenate([part.marked for part in parts])
    counts = count_overlap(marked, np.asarray(films.masks))
    assert np.array_equal(pack(counts), stored.probabilities[..., :4])
    probability = cell.predict(list(np.asarray(films.images)))
    assert probability.shape == (6, 1, PX, PX) and ((probability > 0.5) == marked).mean() > 0.999


def test_the_command_writes_masks_and_tells_their_shares(
    trained: tuple[dict[str, Any], str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, name, results = trained
    film = tmp_path / "film.png"
    Image.fromarray(np.array(open_split(cache_of(spec, results), "test").images[0])).save(film)
    masks = tmp_path / "masks"
    words = ["predict", str(results / "cells" / name), str(film)]
    assert main([*words, "--masks", str(masks)]) == 0
    head, row = capsys.readouterr().out.splitlines()
    mask = np.asarray(Image.open(masks / "film.disc.png"))
    assert head == "film,disc_share" and set(np.unique(mask)) <= {0, 255}
    assert float(row.split(",")[1]) == (mask == 255).mean() and mask.shape == (PX, PX)
    assert main([*words, "--masks", str(masks)]) == 1
    assert "film.disc.png is there already; name another folder" in capsys.readouterr().err
    assert main([*words, "--one-study"]) == 1
    assert "marks each film by itself; leave out --one-study" in capsys.readouterr().err
    assert main([*words, str(film), "--masks", str(masks)]) == 1
    assert "several films are called film" in capsys.readouterr().err
    with pytest.raises(UserError, match="each film has masks of its own"):
        load_cell(results / "cells" / name).predict([film], ["a"])
