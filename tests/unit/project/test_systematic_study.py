"""The systematic benchmark on fake files: its grid, its arms and what claims it judges."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from datasets.chexpert.make import make as make_chexpert
from datasets.drive.make import make as make_drive
from datasets.montgomery.make import make as make_montgomery
from datasets.nih14.make import make as make_nih14
from datasets.nih14.make import make_lists
from datasets.shenzhen.make import make as make_shenzhen
from datasets.siim.make import make as make_siim
from unit.project.planned_studies import STUDIES, header, planned, recipe_of

from transfergrid.planning.claims import published_scores, selected
from transfergrid.planning.plan import plan_run
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.reading import parse_yaml
from transfergrid.planning.releases import known_releases
from transfergrid.planning.wanted import each

NAME = "systematic"
MASKED = ("pxs", "lxs", "vfs")
CHEST = {"dxc14": "chestxray14", "dxc5": "chexpert"}
MAKERS = {
    "CHEXPERT": make_chexpert,
    "DRIVE": make_drive,
    "MONTGOMERY": make_montgomery,
    "NIH": make_nih14,
    "SHENZHEN": make_shenzhen,
    "SIIM": make_siim,
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Fake copies of the data sets in their published layouts, and files in place of weights."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for name, make in MAKERS.items():
        make(root / name, rng)
    make_lists(root / "NIH")
    slices = pd.DataFrame({"image": [f"e{n // 2}/s/{n}.png" for n in range(48)]})
    slices["StudyInstanceUID"] = [f"e{n // 2}" for n in range(48)]
    slices["pe_present_on_image"] = [int(n % 3 == 0) for n in range(48)]
    (root / "RSNA_PE").mkdir()
    slices.to_csv(root / "RSNA_PE" / "slices.csv", index=False)
    (root / "WEIGHTS").mkdir()
    for one in known_releases().values():
        (root / "WEIGHTS" / one.file).write_text(one.file)
    return {path.stem: str(path) for path in root.iterdir()}


@pytest.fixture(autouse=True)
def variables(places: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, place in places.items():
        monkeypatch.setenv(name, place)


@pytest.fixture(scope="module")
def study(places: dict[str, str]) -> PlannedStudy:
    with pytest.MonkeyPatch.context() as patch:
        for name, place in places.items():
            patch.setenv(name, place)
        return planned(NAME)


def test_its_header_counts_its_cells_and_sets_every_variable(study: PlannedStudy) -> None:
    found = re.search(r"(\d+) cells: 7 tasks, (\d+) initialisations .*?, (\d+) seeds", header(NAME))
    assert found
    arms, seeds = (
        {getattr(c.point, axis) for c in study.targets} for axis in ("pretraining", "seed")
    )
    assert tuple(map(int, found.groups())) == (len(study.targets), len(arms), len(seeds))
    text = (STUDIES / f"{NAME}.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(re.findall(r"\b([A-Z0-9_]+)=/data", text))


def test_it_has_every_released_initialisation_of_the_study_and_scratch(study: PlannedStudy) -> None:
    declared = study.study.config["pretrainings"]
    released = {name: one for name, one in declared.items() if one["kind"] == "release"}
    studied = {name for name, one in known_releases().items() if one.study}
    assert {one["release"] for one in released.values()} == studied and len(released) == 21
    for name, one in released.items():
        assert one["release"] == {"imagenet": "supervised"}.get(name, name)
        assert one["path"].endswith(known_releases()[one["release"]].file)
    assert declared["random"]["kind"] == "random"
    # Whatever the published tables have, ours can stand beside it.
    theirs = {(row["task"].lower(), row["pretraining"]) for row in published_scores()}
    ours = {(cell.point.dataset, cell.point.pretraining) for cell in study.targets}
    assert theirs <= ours


def test_transfer_is_left_out_where_source_and_target_are_the_same_data(
    study: PlannedStudy,
) -> None:
    arms: dict[str, set[str]] = {}
    for cell in study.targets:
        arms.setdefault(cell.point.dataset, set()).add(cell.point.pretraining)
    every = arms["txc"]
    assert len(every) == 26 and set(arms) == {*CHEST, "txc", "ecc", *MASKED}
    for dataset, own in arms.items():
        source = CHEST.get(dataset)
        same = {f"{start}{source}{end}" for start in ("", "imagenet_") for end in ("", "_here")}
        assert own == (every - same if source else every)
    counts = Counter(cell.point.seed for cell in study.targets)
    assert set(counts) == set(range(10)) and len(set(counts.values())) == 1


def test_continual_pretraining_costs_no_further_training(study: PlannedStudy) -> None:
    """Its source cells are cells of the grid, of the same trial."""
    assert len(study.cells) == len(study.targets)
    for cell in study.targets:
        if cell.point.pretraining.endswith("_here"):
            source = next(one for one in study.cells if one.name == cell.source_cell)
            start = "imagenet" if cell.point.pretraining.startswith("imagenet") else "random"
            assert (source.point.pretraining, source.point.seed) == (start, cell.point.seed)
            assert CHEST[source.point.dataset] in cell.point.pretraining


def test_its_recipes_are_those_of_the_released_code(study: PlannedStudy) -> None:
    recipes = {cell.point.dataset: recipe_of(cell) for cell in study.targets}
    told = {
        name: (
            recipe.learning_rate,
            recipe.batch_size,
            recipe.phases[0].epochs,
            recipe.phases[0].patience,
        )
        for name, recipe in recipes.items()
    }
    films, masks = (2e-4, 32, 1000, 11), (1e-3, 32, 200, 20)
    assert told == {
        "dxc14": films,
        "dxc5": films,
        "txc": films,
        "ecc": (4e-4, 32, 1, None),
        "pxs": masks,
        "lxs": masks,
        "vfs": (1e-3, 16, 200, 20),
    }
    assert {recipe.optimizer for recipe in recipes.values()} == {"adam"}
    assert [recipes[name].loss for name in MASKED] == ["dice", "dice", "bce"]
    assert [name for name, recipe in recipes.items() if recipe.redraw_uncertain] == ["dxc5"]


def test_all_that_it_warns_of_is_that_sources_may_have_seen_films_of_siim(
    study: PlannedStudy,
) -> None:
    """They are films of ChestX-ray14, and so the study had it."""
    told = [text for text in study.warnings if "Nemenyi" not in text]
    found = [re.search(r"pretraining '(\w+)' .* data set 'pxs' .*holds", text) for text in told]
    arms = sorted(match[1] for match in found if match)
    same = [f"{start}chestxray14{end}" for start in ("", "imagenet_") for end in ("", "_here")]
    assert arms == sorted(same) and len(told) == 4


SUCCESSOR = """
name: successor
datasets: {}
pretrainings: { random: { kind: random }, imagenet: { kind: timm } }
grid:
  - datasets: [dxc14, dxc5, txc, pxs]
    architectures: [swin_base_patch4_window7_224.ms_in1k, convnext_base.fb_in1k]
    pretrainings: [random, imagenet]
    seeds: [0, 1]
questions:
  - { name: swin, kind: contrast, axis: architecture, baseline: convnext_base.fb_in1k }
  - name: convnext
    kind: contrast
    axis: architecture
    baseline: swin_base_patch4_window7_224.ms_in1k
claims: systematic2025
"""


def test_two_networks_judge_the_successor_s_claims_on_known_films(
    tmp_path: Path,
) -> None:
    own = yaml.safe_load(SUCCESSOR)
    declared = yaml.safe_load((STUDIES / f"{NAME}.yaml").read_text())["datasets"]
    own["datasets"] = {name: declared[name] for name in own["grid"][0]["datasets"]}
    path = tmp_path / "successor.yaml"
    path.write_text(yaml.safe_dump(own))
    successor = plan_run([path], {}).studies["successor"]
    ruled = [c for c in successor.stamps["statistics"][1]["claims"]["claims"] if c["rule"]]
    points = [cell.point for cell in successor.targets]
    for claim in ruled:
        wanted = selected(claim)
        place = {axis: wanted[axis] for axis in ("dataset", "pretraining")}
        arms = {point.architecture for point in points if point.matches(place)}
        assert {wanted["a"], wanted["b"]} == arms
        assert (wanted.get("metric") == "dice") == (wanted["dataset"] in MASKED)
    assert len(ruled) == 6


def judged_by(claim: Mapping[str, str], study: PlannedStudy) -> Iterator[str]:
    """Yield the questions, and the published table, that give a claim's number."""
    wanted, asked = selected(claim), study.stamps["statistics"][1]
    names = {"auroc": {*CHEST, "txc", "ecc"}, "dice": {*MASKED}}
    there = {d for name in wanted.get("metric", "auroc").split("+") for d in names[name]}
    if wanted["kind"] == "published_scores":
        points = {(c.point.dataset, c.point.pretraining) for c in study.targets}
        yield from ["table"] if (wanted["dataset"], wanted["pretraining"]) in points else []
        return
    for question in asked["questions"]:
        if question["kind"] != wanted["kind"] or question["baseline"] != wanted["b"]:
            continue
        arms = {
            c.point.pretraining
            for c in study.targets
            if c.point.dataset in there
            and all(getattr(c.point, k) in each(v) for k, v in question["where"].items())
        }
        if {wanted["a"], wanted["b"]} <= arms:
            yield question["name"]


def test_it_judges_every_claim_with_a_rule_by_one_question(study: PlannedStudy) -> None:
    claims = study.stamps["statistics"][1]["claims"]["claims"]
    assert {claim["study"] for claim in claims} == {"systematic2021"}
    ruled = [claim for claim in claims if claim["rule"]]
    assert len(ruled) == 24
    assert all(len(list(judged_by(claim, study))) == 1 for claim in ruled)


def test_its_slice_leaves_every_question_some_cells() -> None:
    found = re.search(r"--config only='(.*?)'", header(NAME))
    assert found
    assert planned(NAME, {"only": parse_yaml(found[1])}).unasked == ()
