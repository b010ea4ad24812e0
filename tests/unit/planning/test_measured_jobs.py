"""What the table of costs is told about the jobs of every stage that a study has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unit.planning.made_up_plan import planned

from transfergrid.catalog.records import Per
from transfergrid.catalog.stages import STAGE, STAGES
from transfergrid.planning.contents import content_of
from transfergrid.planning.planned import PlannedStudy

EVERYTHING: dict[str, Any] = {
    "datasets": {"other": {"kind": "phantom", "image_px": 64, "seed": 5}},
    "protocols": {"finetune": {"tune": {"learning_rates": [1e-4, 1e-3], "epochs": 1}}},
    "external": [{"tested_on": ["other"]}],
    "weights": {"reset": {}},
    "similarity": {},
    "cams": {"where": {"pretraining": "random"}},
}


def told(study: PlannedStudy) -> dict[str, list[str] | None]:
    held = content_of(study, STAGE["costs"])["benchmarks"]
    assert all(place == STAGE[stage].benchmark for stage, place, _ in held)
    found = {stage: jobs for stage, _, jobs in held}
    assert list(found) == [stage.name for stage in STAGES if stage.name in found]
    return found


def test_jobs_are_those_that_the_plan_has(tmp_path: Path) -> None:
    study = planned(tmp_path, EVERYTHING)
    found = told(study)
    targets, cells = len(study.targets), study.cells
    assert found["train"] is None and found["evaluate"] is None
    assert set(found["prepare"] or ()) == {
        study.datasets[n].id for n in ("films", "shapes", "other")
    }
    assert {cell.dataset_id for cell in cells} < set(found["prepare"] or ())
    assert found["tune"] and len(found["tune"]) == 4  # seeds share one
    assert set(found["tune"]) == {cell.tuning.id for cell in study.scored if cell.tuning}
    for stage in ("drift", "reset", "external"):
        ids = found[stage] or []
        assert len(set(ids)) == len(ids) == targets
        assert all(f"-{stage}-" in one for one in ids)
    assert len(found["activations"] or ()) >= targets
    assert found["outlines"] == found["weights"] == found["features"] == []
    assert found["cams"] == [c.name for c in study.targets if c.point.pretraining == "random"]
    assert found["ensembles"] == ["all"]
    assert found["gather"] == found["statistics"] == ["small"]
    assert not found.keys() & {"spec", "restore", "costs", "figures", "report", "pictures"}


def test_a_study_that_asks_for_nothing_has_no_such_jobs(tmp_path: Path) -> None:
    found = told(planned(tmp_path))
    assert found["tune"] == found["drift"] == found["external"] == found["activations"] == []
    assert "cams" not in found and len(found["prepare"] or ()) == 2


def test_every_kind_of_job_is_known(tmp_path: Path) -> None:
    found = told(planned(tmp_path, EVERYTHING))
    kinds: set[Per] = {stage.per for stage in STAGES if stage.code}
    assert kinds == {STAGE[name].per for name in found}
