from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.planning.made_up_plan import STUDY, grid, planned

from transfergrid.catalog.stages import STAGES
from transfergrid.planning.gathered import digest_of
from transfergrid.planning.outputs import inputs_of
from transfergrid.planning.plan import Plan, plan_run
from transfergrid.planning.study import merge
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import short_hash


def test_small_maps_are_warned_of(tmp_path: Path) -> None:
    study = planned(tmp_path, {"datasets": {"films": {"image_px": 20}}})
    assert len(study.warnings) == 1  # truncated by one block, the map is large enough
    assert "lcnet_050 with 0 blocks removed turns images of 20 px" in study.warnings[0]
    assert not planned(tmp_path).warnings


def test_stamps_follow_what_their_stage_depends_on(tmp_path: Path) -> None:
    def stamps(changes: dict[str, Any]) -> dict[str, str]:
        return {stage: name for stage, (name, _) in planned(tmp_path, changes).stamps.items()}

    base = stamps({})

    def moved(changes: dict[str, Any]) -> set[str]:
        now = stamps(changes)
        return {stage for stage in base if now[stage] != base[stage]}

    # What a stage reads makes it stale as well; its stamp holds what it reads of the study itself.
    assert moved({"title": "Other"}) == {"report"}
    resampled = {"bootstrap", "statistics", "report"}
    assert moved({"evaluation": {"bootstrap": {"replicates": 500}}}) == resampled
    question = {"name": "q", "kind": "contrast", "axis": "truncation", "baseline": 0}
    assert moved({"questions": [question]}) == {"statistics", "report"}
    assert moved(grid(seeds=[0])) == set(base)
    assert moved({"device": "cpu"}) == set()
    assert moved({"datasets": {"films": {"patients": 999}}}) == set(base)
    interval = {"cells", "scores", "bootstrap", "calibration", "statistics", "figures", "report"}
    assert moved({"evaluation": {"confidence": 0.9}}) == interval


def test_a_stage_reads_only_what_stands_before_it(tmp_path: Path) -> None:
    study = planned(tmp_path, {"cams": {}})
    names = [stage.name for stage in STAGES]
    # A specification waits for the trainings of other cells: that is no circle of jobs.
    chained = {("spec", "train"), ("spec", "tune"), ("tune", "train"), ("features", "train")}
    for stage in STAGES:
        for read in stage.reads:
            if (stage.name, read) not in chained:
                assert names.index(read) < names.index(stage.name)
    for stage in study.stages:
        if stage.per == "study":
            assert inputs_of(study, stage)


def test_the_cells_stand_in_one_stamp_and_by_their_digest_in_the_others(tmp_path: Path) -> None:
    study = planned(tmp_path)
    holders = [stage for stage, (_, content) in study.stamps.items() if "cells" in content]
    assert holders == ["gather"]
    digest = digest_of(json.loads(json.dumps(study.stamps["gather"][1]["cells"])))
    told = {stage: content.get("gathered") for stage, (_, content) in study.stamps.items()}
    assert {stage for stage, found in told.items() if found != digest} == {"ensembles", "gather"}


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


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"baseline": "rnadom"}, r"baseline 'rnadom', which is no pretraining.*'random'\?"),
        ({"axis": "truncation", "baseline": "0"}, "baseline '0', which is no truncation"),
        (
            {"baseline": "random", "where": {"dataset": "filmz"}},
            "{ dataset: filmz }, which no cell of the grid",
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
    told = ("claims", "points", "first_version", "similarities", "scores")
    nothing: dict[str, Any] = {name: [] for name in told}
    assert empty["claims"] == {**nothing, "where": {}, "stands_for": {}}
    assert study.stamps["cells"] == plain.stamps["cells"]
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
