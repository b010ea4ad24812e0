"""The small study of sources: what its header promises, and that its arms are fair."""

from __future__ import annotations

import json
import re
from collections import Counter

import numpy as np
import pytest
from datasets.medmnist.make import make as make_medmnist
from datasets.nih14.make import make as make_nih14
from unit.data.discs import discs
from unit.project.planned_studies import STUDIES, header, planned

from transfergrid.planning.planned import PlannedStudy

NAME = "systematic_small"
PARTS = ("train", "test")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> PlannedStudy:
    """The study, planned with fake copies of all data, and files in place of weights."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    make_nih14(root / "NIH14_MINI", rng)
    make_medmnist(root / "PNEUMONIAMNIST.npz", rng)
    make_medmnist(root / "BUSI_NPZ.npz", rng, labels="multiclass")
    for name in ("CHASE_NPZ", "BRAIN_NPZ"):
        file = discs(root / f"{name}.npz", {"train": 20, "test": 8})
        with np.load(file) as arrays:
            masks = {f"{split}_masks_observer2": arrays[f"{split}_masks"] for split in PARTS}
            np.savez(file, **arrays, **masks)
    for name in ("imagenet", "inat_birds", "inat_insects"):
        place = root / "TF_WEIGHTS" / f"mobilenetv2_100_tf_{name}.safetensors"
        place.parent.mkdir(exist_ok=True)
        place.write_text(name)
    assert variables() == {path.stem for path in root.iterdir()}
    with pytest.MonkeyPatch.context() as patch:
        for path in root.iterdir():
            patch.setenv(path.stem, str(path))
        return planned(NAME)


def variables() -> set[str]:
    text = (STUDIES / f"{NAME}.yaml").read_text(encoding="utf-8").split("\nname: ")
    needed = set(re.findall(r"^[^#\n]*\$\{(\w+)\}", text[1], flags=re.MULTILINE))
    assert needed == set(re.findall(r"\b([A-Z0-9_]+)=/data", text[0]))
    return needed


def test_its_header_counts_its_cells(study: PlannedStudy) -> None:
    found = re.search(r"(\d+) cells: (\d+) of labels, and (\d+) of masks", header(NAME))
    assert found
    masks = sum(cell.point.dataset in ("vessels", "tumours") for cell in study.targets)
    wanted = len(study.targets), len(study.targets) - masks, masks
    assert tuple(map(int, found.groups())) == wanted


def test_each_data_set_has_every_source_three_times_but_itself(study: PlannedStudy) -> None:
    arms = ["random", "imagenet", "imagenet_chestxray14", "random_tf", "imagenet_tf", "birds"]
    arms += ["insects"]
    found = Counter((cell.point.dataset, cell.point.pretraining) for cell in study.targets)
    for dataset, times in (("nih", 3), ("busi", 3), ("pneumonia", 3), ("vessels", 15)):
        for arm in arms:
            missing = (dataset, arm) == ("nih", "imagenet_chestxray14")
            assert found[dataset, arm] == (0 if missing else times)
    assert {n for (name, _), n in found.items() if name == "tumours"} == {15}


def test_a_target_starts_from_the_trial_of_its_own_seed(study: PlannedStudy) -> None:
    """And that trial is a cell of the grid, so it costs nothing more."""
    targets = {cell.name for cell in study.targets}
    chained = [c for c in study.targets if c.point.pretraining == "imagenet_chestxray14"]
    assert len(chained) == 36 and not study.sources
    for cell in chained:
        assert f"nih-mobilenetv2_100-imagenet-drop0-labels_bn-seed{cell.point.seed}" in cell.spec
    assert any(name.startswith("nih-mobilenetv2_100-imagenet-") for name in targets)


def test_padding_and_input_are_one_within_a_network(study: PlannedStudy) -> None:
    """Weights without an input of the study's have their own; a source cell's is that cell's."""
    inputs: dict[str, set[str]] = {}
    for cell in study.targets:
        weights = json.loads(cell.spec)["weights"]
        if weights["source_cell"] is None:
            told = weights.get("input") or weights
            found = inputs.setdefault(cell.point.architecture, set())
            found.add(str((told["mean"], told["std"])))
    assert sorted(map(len, inputs.values())) == [1, 1]
    assert inputs["mobilenetv2_100"] != inputs["mobilenetv2_same"]
