"""Uncertain labels that are drawn anew in each epoch, against those that are drawn once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from scipy import stats
from torch import Tensor
from unit.training.test_resume import outcome
from unit.training.test_stored import stored
from unit.training.tiny import make_cache, make_spec, write_receipt

from transfergrid.planning.naming import cell_name
from transfergrid.runtime.errors import Stopped
from transfergrid.runtime.watcher import Watcher
from transfergrid.training.loop import train
from transfergrid.training.redrawing import redrawn

LIMITS = (0.55, 0.85)


def labels(count: int, tasks: int = 3) -> Tensor:
    """Return labels of every sort, (count, tasks), most of them uncertain."""
    values = torch.tensor([0.7, 0.6, 0.7, 0.8, 0.55, 0.0, 1.0, torch.nan])
    return values[torch.arange(count * tasks) % len(values)].view(count, tasks)


def drawn(rows: Tensor, epoch: int = 0, seed: int = 0) -> Tensor:
    return redrawn(torch.full((len(rows), 2), 0.7), rows, epoch, seed, LIMITS)


def test_uncertain_labels_alone_are_drawn_uniformly() -> None:
    target = labels(4000)
    before = torch.get_rng_state()
    found = redrawn(target, torch.arange(4000), 0, 0, LIMITS)
    assert torch.equal(before, torch.get_rng_state())
    uncertain = (target > 0) & (target < 1)
    assert torch.equal(found[~uncertain].nan_to_num(2), target[~uncertain].nan_to_num(2))
    values = found[uncertain].double().numpy()
    assert found.dtype == torch.float32 and values.min() >= 0.55 and values.max() <= 0.85
    assert len(np.unique(values)) > 0.99 * len(values)
    assert stats.kstest(values, stats.uniform(0.55, 0.3).cdf).pvalue > 0.01
    # One label of an image says nothing about another.
    assert abs(np.corrcoef(drawn(torch.arange(4000)).numpy().T)[0, 1]) < 0.05


def test_an_image_has_labels_of_its_own_in_every_epoch_and_any_batch() -> None:
    rows = torch.arange(12) * 5 + 2
    parts = [drawn(rows[start : start + 5], 3, 7) for start in range(0, 12, 5)]
    assert torch.equal(drawn(rows, 3, 7), torch.cat(parts))
    every = [drawn(rows, epoch, seed) for epoch in (0, 1) for seed in (0, 1)]
    assert len(torch.unique(torch.cat(every))) == 4 * 12 * 2


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A cache of which every third training label is uncertain, and was drawn as .7."""
    make_cache(tmp_path)
    path = tmp_path / "cache" / "tiny-0" / "index.parquet"
    table = pq.read_table(path)
    frame = table.to_pandas()
    uncertain = (frame["split"] == "train") & (frame["row"] % 3 == 0)
    frame.loc[uncertain, "label_Bright"] = np.float32(0.7)
    place = table.column_names.index("label_Bright")
    schema = table.schema
    table = table.set_column(place, "label_Bright", [frame["label_Bright"].astype(np.float32)])
    with pq.ParquetWriter(path, schema) as writer:
        for split in ("train", "valid", "test"):
            writer.write_table(table.filter(frame["split"].eq(split).to_numpy()).cast(schema))
    write_receipt(path.parent)
    return tmp_path


def ended(results: Path, smooth: list[float], **recipe: Any) -> tuple[dict[str, bytes], list[Any]]:
    """Train a cell of an own seed; return its checkpoints and its history."""
    spec = cell(smooth, **recipe)
    train(spec, results, threads=1)
    found = outcome(results / "cells" / cell_name(spec))
    return found["files"], [line["train_loss"] for line in found["history"]]


def cell(smooth: list[float], **recipe: Any) -> dict[str, Any]:
    spec = make_spec(epochs=3, **recipe)
    return {**spec, "dataset": {**spec["dataset"], "smooth_range": smooth}}


def test_training_learns_from_them_and_is_as_before_where_none_is_drawn(results: Path) -> None:
    files, once = ended(results, [0.55, 0.85])
    anew_files, anew = ended(results, [0.55, 0.85], redraw_uncertain=True)
    assert anew != once and len(anew) == len(once) and anew_files != files
    # A range of one value draws what is stored.
    same_files, same = ended(results, [0.7, 0.7], redraw_uncertain=True)
    assert (same_files, same) == (files, once)


def test_a_stopped_training_goes_on_with_the_labels_of_its_epoch(results: Path) -> None:
    spec = cell([0.55, 0.85], redraw_uncertain=True, augmentation={"noise": 0.1})
    folder = results / "cells" / cell_name(spec)
    train(spec, results, threads=1)
    expected = outcome(folder)
    (folder / "finished.json").unlink(missing_ok=True)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) == 9

    with pytest.raises(Stopped):
        train(spec, results, threads=1, watcher=Watcher(stop=stop), fresh=True)
    train(spec, results, threads=1)
    assert outcome(folder) == expected


def test_they_are_drawn_for_stored_features_as_well(results: Path) -> None:
    head = {"train_layers": "head", "redraw_uncertain": True}
    spec = cell([0.55, 0.85], **head)
    train(stored(results, spec, 0), results, threads=1)
    _, computed = ended(results, [0.55, 0.85], **head, frozen_prefix="computed")
    lines = outcome(results / "cells" / cell_name(stored(results, spec, 0)))["history"]
    assert [line["train_loss"] for line in lines] == pytest.approx(computed, rel=1e-4)
    _, once = ended(results, [0.55, 0.85], train_layers="head")
    assert once != pytest.approx(computed, rel=1e-4)
