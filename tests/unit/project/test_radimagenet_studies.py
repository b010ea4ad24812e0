"""The study of ImageNet and RadImageNet, its small copy and its grid over inputs, on fake files."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from datasets.busi.make import make as make_busi
from datasets.cbis_ddsm.make import make as make_cbis_ddsm
from datasets.ddti.make import make as make_ddti
from datasets.isic2018.make import make as make_isic2018
from datasets.kermany.make import make as make_kermany
from datasets.medmnist.make import make as make_medmnist
from datasets.mrnet.make import make as make_mrnet
from datasets.nih14.make import make as make_nih14
from datasets.pcam.make import make_files as make_pcam
from unit.project.planned_studies import STUDIES, header, planned, recipe_of

from transfergrid.catalog.conventions import CONVENTIONS
from transfergrid.commands.comparing import comparing
from transfergrid.commands.images import Images, count_images
from transfergrid.data.nih14 import read
from transfergrid.planning.claims import known_claims, selected
from transfergrid.planning.paths import PROJECT
from transfergrid.planning.reading import parse_yaml
from transfergrid.runtime.errors import UserError

NAMES = ("radimagenet", "radimagenet_inputs", "radimagenet_small")
MAKERS: Mapping[str, Callable[..., None]] = {
    "BUSI": make_busi,
    "CBIS_DDSM": make_cbis_ddsm,
    "DDTI": make_ddti,
    "ISIC2018": make_isic2018,
    "KERMANY": make_kermany,
    "MRNET": make_mrnet,
    "NIH14_MINI": make_nih14,
    "PCAM_SMALL": make_pcam,
}
WEIGHTS = ("imagenet", "inat_birds", "inat_insects")
SHARED = PROJECT.parent / "shared/data"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Fake copies of all data sets in their published layouts, and files in place of weights."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for name, make in MAKERS.items():
        make(root / name, rng)
    make_medmnist(root / "PNEUMONIAMNIST.npz", rng)
    make_medmnist(root / "BUSI_NPZ.npz", rng, labels="multiclass")
    for name in ("IMAGENET_RESNET50.pth", "RADIMAGENET_RESNET50.pt"):
        (root / name).write_text(name)
    for name in WEIGHTS:
        place = root / "TF_WEIGHTS" / f"mobilenetv2_100_tf_{name}.safetensors"
        place.parent.mkdir(exist_ok=True)
        place.write_text(name)
    return {path.stem: str(path) for path in root.iterdir()}


@pytest.fixture(autouse=True)
def variables(places: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, place in places.items():
        monkeypatch.setenv(name, place)


@pytest.mark.parametrize("name", NAMES)
def test_it_plans_as_many_cells_as_its_header_says_and_needs_no_hub(name: str) -> None:
    study = planned(name)
    found = re.search(r"(\d+) cells: ", header(name))
    assert found and int(found[1]) == len(study.targets) == len(study.cells)
    kinds = {settings["kind"] for settings in study.study.config["pretrainings"].values()}
    assert kinds == {"random", "file"}
    assert study.warnings == ()


@pytest.mark.parametrize("name", NAMES)
def test_its_header_sets_every_variable_that_it_needs(name: str) -> None:
    text = (STUDIES / f"{name}.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(re.findall(r"\b([A-Z0-9_]+)=/data", text))


def test_the_full_study_has_all_arms_on_all_folds_of_seven_targets() -> None:
    study = planned("radimagenet")
    counts = Counter(cell.point.dataset for cell in study.targets)
    assert len(counts) == 7 and set(counts.values()) == {5 * 3 * 4 * 2}
    config = study.study.config["datasets"]
    # As the study's folds have them (the sizes at which it trained).
    assert {name: settings["image_px"] for name, settings in config.items()} == {
        "thyroid": 256,
        "breast": 256,
        "chest": 112,
        "mammograms": 224,
        "knee": 112,
        "isic": 112,
        "pcam": 96,
    }
    assert {settings["folds"]["k"] for settings in config.values()} == {5}
    kinds = {settings["kind"] for settings in config.values()}
    assert kinds == {"ddti", "busi", "kermany", "cbis_ddsm", "mrnet", "isic2018", "pcam"}


def test_folds_of_every_target_can_be_drawn(tmp_path: Path) -> None:
    for dataset in planned("radimagenet").datasets.values():
        images = count_images(dataset, (), tmp_path)
        # By patient or by label, a fifth is tested on, and a tenth of the rest validates.
        assert images is not None and images.total == pytest.approx(5 * images.test, abs=5)
        assert images.valid == pytest.approx(0.1 * (images.train + images.valid), abs=1)


def test_its_protocols_are_freeze_or_not_at_the_published_pairs_of_rates() -> None:
    recipes = {cell.point.protocol: recipe_of(cell) for cell in planned("radimagenet").targets}
    parts = {
        name: [(phase.train_layers, phase.learning_rate) for phase in recipe.phases]
        for name, recipe in recipes.items()
    }
    assert parts == {
        "no_freeze": [("all", 1e-5)],
        "freeze": [("head", 1e-3), ("all", 1e-5)],
        "no_freeze_code": [("all", 1e-3)],
        "freeze_code": [("head", 1e-3), ("all", 1e-3)],
    }
    patience = {name: [p.patience for p in recipe.phases] for name, recipe in recipes.items()}
    assert patience["freeze"] == [2, 3] and patience["freeze_code"] == [10, None]


def test_it_compares_states_for_every_claim_about_similarity() -> None:
    study = planned("radimagenet")
    # Of one fold: initial weights, two released and two draws; a best checkpoint of each cell.
    assert Counter(state.when for state in study.states) == {"initial": 7 * 4, "final": 840 // 5}


def test_comparing_its_networks_takes_about_an_hour() -> None:
    study = planned("radimagenet")
    sizes = (480, 780, 5856, 3103, 3390, 10015, 10000)
    images = {
        name: Images(int(0.72 * size), 0, 0, 2, exact=True)
        for name, size in zip(study.datasets, sizes, strict=True)
    }
    found = comparing(study, images)
    assert 0.3 < found.seconds / 3600 < 1 and found.memory < 1e9 and not found.unknown


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_that_a_study_names_is_about_a_number_of_it(name: str) -> None:
    study = planned(name)
    asked = study.stamps["statistics"][1]
    claims, stands_for = asked["claims"]["claims"], asked["claims"]["stands_for"]
    points = [cell.point for cell in study.targets if cell.point.matches(asked["claims"]["where"])]
    arms = {stands_for.get(p.pretraining, p.pretraining) for p in points}
    assert claims and {claim["study"] for claim in claims} <= {
        "radimagenet_replication",
        "radimagenet2022",
    }
    for claim in claims:
        wanted = selected(claim)
        if wanted["kind"] == "contrast":
            baselines = [q["baseline"] for q in asked["questions"] if q["kind"] == "contrast"]
            assert wanted["b"] in {stands_for.get(base, base) for base in baselines}
            assert {wanted["a"], wanted["b"]} <= arms
            assert wanted.get("dataset", "breast") in {point.dataset for point in points}
        elif wanted["kind"] == "similarity_gain":
            assert any(
                q["kind"] == "similarity_gain" and q["pair"] == wanted["pair"]
                for q in asked["questions"]
            )
        else:
            assert wanted["kind"] == "alike" and set(wanted["sources"].split("+")) <= arms
            pairs = {"sources_before", "sources_after", "seeds"}
            assert pairs <= set(asked["similarity"]["pairs"])


def test_the_full_study_judges_every_claim_with_a_rule_that_its_targets_can_give() -> None:
    claims = planned("radimagenet").study.config["claims"]["about"]
    rules = {k for k, row in known_claims().items() if row["rule"] and k.startswith("jd.")}
    assert rules <= set(claims)


def test_its_slice_leaves_every_question_some_cells() -> None:
    found = re.search(r"--config only='(.*?)'", header("radimagenet"))
    assert found
    only = parse_yaml(found[1])
    study = planned("radimagenet", {"only": only})
    assert {cell.point.dataset for cell in study.targets} == set(only["datasets"])
    assert study.unasked == ()


def test_the_grid_over_inputs_has_each_source_with_each_convention() -> None:
    pretrainings = planned("radimagenet_inputs").study.config["pretrainings"]
    arms = {
        (name.removesuffix(f"_{settings['input']}"), settings["input"])
        for name, settings in pretrainings.items()
    }
    # A mixture is two of the arms, of two sources.
    inputs = {convention.name for convention in CONVENTIONS} - {"mixture"}
    sources = ("random", "imagenet", "radimagenet")
    assert arms == {(source, name) for source in sources for name in inputs}


def test_the_grid_over_inputs_trains_as_the_full_study_does() -> None:
    full, inputs = planned("radimagenet"), planned("radimagenet_inputs")
    full_recipes = {cell.point.protocol: recipe_of(cell) for cell in full.targets}
    for cell in inputs.targets:
        assert recipe_of(cell) == full_recipes[cell.point.protocol]
    assert inputs.datasets["breast"].id == full.datasets["breast"].id


def test_arms_of_the_small_study_differ_in_their_weights_alone() -> None:
    study = planned("radimagenet_small")
    assert len({cell.point.architecture for cell in study.targets}) == 1
    for cell in study.targets:
        spec = json.loads(cell.spec)
        assert spec["architecture"]["options"] == {"pad_type": "same"}
        assert {phase.norms for phase in recipe_of(cell).phases} == {"calibrate"}
    inputs = [settings["input"] for settings in study.study.config["pretrainings"].values()]
    values = {"mean": [0.5] * 3, "std": [0.5] * 3}
    assert inputs == [values] * 4
    counts = Counter(cell.point.pretraining for cell in study.targets)
    assert set(counts) == {"random", "imagenet", "birds", "insects"}
    assert set(counts.values()) == {3 * 2 * 3}  # data sets, protocols, seeds
    for cell in study.targets:
        assert (recipe_of(cell).train_count == 600) == (cell.point.dataset == "pneumonia")


def test_arms_of_the_small_study_cannot_be_given_another_padding() -> None:
    symmetric = {"of": "mobilenetv2_100", "options": {"pad_type": "symmetric"}}
    with pytest.raises(UserError, match="trained with same padding, but .* pads symmetric"):
        planned("radimagenet_small", {"architectures": {"mobilenetv2_same": symmetric}})


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the images and weights of shared/data")
def test_the_small_study_fits_the_real_files(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = SHARED / "classification"
    for name, place in (
        ("NIH14_MINI", sets / "nih14_mini"),
        ("BUSI_NPZ", sets / "busi_128px.npz"),
        ("PNEUMONIAMNIST", SHARED / "pneumoniamnist_balanced_28px.npz"),
        ("TF_WEIGHTS", SHARED / "weights"),
    ):
        monkeypatch.setenv(name, os.fspath(place))
    study = planned("radimagenet_small")
    # Folded norms are warned of where a recipe would undo the folding.
    assert study.warnings == () and len(study.weights) == 3
    # The official test list has films with pneumonia alone.
    declared = study.study.config["datasets"]["nih"]
    for split, least in (("official", 1), ("random", 2)):
        table = read({**declared, "split": split}, sets / "nih14_mini").table
        classes = table.groupby("split")["pneumonia"].nunique()
        assert set(classes.index) == {"train", "valid", "test"} and classes.min() == least
