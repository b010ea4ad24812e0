"""Which cells share stored features, and which may have none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.planning.made_up_plan import STUDY, grid, planned

from transfergrid.commands.jobs import planned_jobs
from transfergrid.planning import fingerprint
from transfergrid.planning.architectures import find_architecture
from transfergrid.planning.features import stored_prefix
from transfergrid.planning.ids import FEATURES_ID
from transfergrid.planning.plan import Plan, plan_run
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.prefix import Prefix
from transfergrid.planning.recipe import Recipe
from transfergrid.runtime.errors import UserError

HEAD = {"train_layers": "head"}
TWO = [{"train_layers": "head", "epochs": 1}, {"train_layers": "all", "epochs": 1}]
THAWED = [{"train_layers": "last_2", "epochs": 1}, {"train_layers": "head", "epochs": 1}]


def of(study: PlannedStudy, **place: Any) -> set[str]:
    """Return the features of a study's cells at a place on the axes."""
    cells = [c for c in study.cells if all(getattr(c.point, k) == v for k, v in place.items())]
    assert cells
    return {features for cell in cells for features in cell.features}


def protocols(**recipes: dict[str, Any]) -> dict[str, Any]:
    return {"protocols": recipes} | grid(protocols=list(recipes))


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ({}, "all layers learn, so that none is frozen"),
        ({**HEAD, "augmentation": {"noise": 0.1}}, "each epoch augments the images anew"),
        ({**HEAD, "precision": "bf16"}, "with precision bf16 frozen layers compute otherwise"),
        ({**HEAD, "norms": "calibrate"}, "take their statistics from each cell's training images"),
        ({"phases": THAWED}, "the features of phase 2 cannot.* an earlier phase trains layers"),
        ({"train_layers": "last_5"}, "last_5 leaves nothing frozen but the stem of lcnet_050"),
    ],
)
def test_what_may_not_be_stored_is_not_and_asked_for_by_name_refused(
    tmp_path: Path, recipe: dict[str, Any], reason: str
) -> None:
    whole = grid(truncations=[0, 1] if "phases" not in recipe else [0])
    study = planned(tmp_path, {"protocols": {"finetune": recipe}} | whole)
    assert not of(study, truncation=0) or "phases" in recipe
    if "phases" in recipe:
        assert all(list(_named(c)) == ["0"] for c in study.targets)  # before it was trained
    with pytest.raises(UserError, match=reason) as raised:
        stored = {"protocols": {"finetune": {**recipe, "frozen_prefix": "stored"}}}
        planned(tmp_path, stored | whole)
    assert "protocol 'finetune' asks for frozen_prefix: stored" in str(raised.value)
    assert str(raised.value).endswith("write auto or computed.")


def _named(cell: Any) -> dict[str, str]:
    found: dict[str, str] = json.loads(cell.spec).get("features", {})
    return found


def test_cells_that_differ_in_what_learns_share_what_is_frozen(tmp_path: Path) -> None:
    study = planned(
        tmp_path,
        protocols(
            source={"epochs": 2},
            head=HEAD,
            faster={**HEAD, "learning_rate": 0.1, "epochs": 7, "train_share": 0.5},
            two={"phases": TWO},
        )
        | {"datasets": {"films": {"image_px": 64}}},
    )
    for pretraining in ("random", "shapes"):
        for truncation in (0, 1):
            where = {"pretraining": pretraining, "truncation": truncation, "seed": 0}
            assert len(of(study, **where)) == 1
    # Drawn weights differ from seed to seed, and so do source cells of another seed.
    assert len(of(study)) == 2 * 2 * 2
    assert not of(study, protocol="source")
    released = planned(
        tmp_path,
        protocols(head=HEAD) | grid(pretrainings=["hub"]) | {"protocols": {"finetune": HEAD}},
    )
    assert len(of(released, truncation=0)) == 1  # both seeds
    for name in of(study):
        assert re.fullmatch(FEATURES_ID, name)


def test_the_same_cut_is_the_same_features_however_it_is_come_by(tmp_path: Path) -> None:
    study = planned(
        tmp_path,
        protocols(one={"train_layers": "last_1"}, two={"train_layers": "last_2"})
        | {"datasets": {"films": {"image_px": 64}}},
    )
    where = {"pretraining": "random", "seed": 0}
    deep = of(study, protocol="two", truncation=0, **where)
    assert deep == of(study, protocol="one", truncation=1, **where) != set()
    assert deep != of(study, protocol="one", truncation=0, **where)


def test_two_studies_share_features(tmp_path: Path) -> None:
    for name in ("one", "two"):
        study = {**STUDY, "name": name, "protocols": {"finetune": {**HEAD, "epochs": len(name)}}}
        study["grid"] = [{**STUDY["grid"][0], "pretrainings": ["random"]}]
        if name == "two":
            study["protocols"]["finetune"]["learning_rate"] = 0.5
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(study))
    plan = plan_run([], {"studies": [f"{tmp_path}/one.yaml", f"{tmp_path}/two.yaml"]})
    one, two = plan.studies.values()
    assert not {c.name for c in one.cells} & {c.name for c in two.cells}
    assert set(one.features) == set(two.features) == set(plan.features)
    jobs = planned_jobs(plan, tmp_path / "results")
    assert jobs.features == set(plan.features) and len(jobs.features) == 4


def test_no_phase_of_a_recipe_that_calibrates_is_stored(tmp_path: Path) -> None:
    # Not those before it either: scoring would read what they make of the images.
    late = [{**HEAD, "epochs": 1}, {**HEAD, "epochs": 1, "norms": "calibrate"}]
    study = planned(tmp_path, {"protocols": {"finetune": {"phases": late}}})
    assert not of(study)
    plain = [{**phase, "norms": "frozen"} for phase in late]
    assert of(planned(tmp_path, {"protocols": {"finetune": {"phases": plain}}}))


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"datasets": {"films": {"image_px": 65}}}, False),
        ({"datasets": {"films": {"seed": 3}}}, False),
        ({"protocols": {"finetune": {**HEAD, "learning_rate": 0.5}}}, True),
        ({"protocols": {"finetune": {**HEAD, "batch_size": 8, "norms": "frozen"}}}, True),
        ({"protocols": {"finetune": {**HEAD, "frozen_prefix": "stored"}}}, True),
        ({"protocols": {"finetune": {"train_layers": "last_1"}}}, False),
        ({"title": "Other", "evaluation": {"selections": ["last"]}}, True),
    ],
)
def test_features_follow_what_they_are_made_from(
    tmp_path: Path, change: dict[str, Any], kept: bool
) -> None:
    base = {"protocols": {"finetune": HEAD}} | grid(pretrainings=["random"], seeds=[0])
    before, after = planned(tmp_path, base), planned(tmp_path, {**base, **change})
    assert of(before) and (of(before) == of(after)) is kept
    assert kept or not of(before) & of(after)


def test_other_code_makes_other_features_and_stale_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = protocols(head=HEAD, plain={}) | grid(
        pretrainings=["random"], protocols=["head", "plain"]
    )
    before = planned(tmp_path, base)
    real = fingerprint.stage_fingerprint
    for module in ("cells", "stored"):
        monkeypatch.setattr(
            f"transfergrid.planning.{module}.stage_fingerprint",
            lambda stage: "0" * 16 if stage == "features" else real(stage),
        )
    after = planned(tmp_path, base)
    assert not of(before) & of(after)
    for one, two in zip(before.cells, after.cells, strict=True):
        assert (one.name == two.name) is (one.point.protocol == "plain")


@pytest.mark.parametrize(
    ("network", "px", "layers", "found"),
    [
        ("resnet18", 128, "head", Prefix(0, True)),
        ("resnet50", 28, "head", None),  # 8,192 bytes for 784 of pixels
        ("resnet50", 32, "head", Prefix(0, True)),
        ("resnet18", 224, "last_1", Prefix(1, False)),
        ("resnet18", 224, "last_3", None),
        ("densenet121", 320, "last_1", None),
        ("mobilenetv2_100", 128, "last_1", Prefix(1, False)),
        ("vit_tiny_patch16_224.augreg_in21k_ft_in1k", 224, "head", None),
    ],
)
def test_features_much_larger_than_pixels_are_stored_if_asked_for_alone(
    network: str, px: int, layers: str, found: Prefix | None
) -> None:
    architecture = find_architecture(network, {})
    recipe = Recipe.from_dict({"train_layers": layers})
    assert stored_prefix(recipe, 0, architecture, 0, px) == found
    asked = Recipe.from_dict({"train_layers": layers, "frozen_prefix": "stored"})
    depth = int(layers[5:] or 0)
    assert stored_prefix(asked, 0, architecture, 0, px) == Prefix(depth, layers == "head")
    never = Recipe.from_dict({"train_layers": layers, "frozen_prefix": "computed"})
    assert stored_prefix(never, 0, architecture, 0, px) is None


def test_jobs_of_features_are_counted_where_they_are_missing(tmp_path: Path) -> None:
    study = planned(tmp_path, {"protocols": {"finetune": HEAD}} | grid(pretrainings=["random"]))
    plan, results = Plan({study.name: study}), tmp_path / "results"
    assert planned_jobs(plan, results).features == set(study.features)
    there = min(study.features)
    for name in (f"features/{there}", *{f"cache/{cell.dataset_id}" for cell in study.cells}):
        (results / name).mkdir(parents=True)
        (results / name / "receipt.json").touch()
    assert planned_jobs(plan, results).features == set(study.features) - {there}
