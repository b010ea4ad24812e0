"""The doctor sees images that changed, by size and time, and by their bytes where asked to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from datasets.csv.make import make
from unit.commands.test_checks_study import STUDY

from transfergrid.commands import checks_images, doctor
from transfergrid.commands.checks_images import check_origin
from transfergrid.commands.main import main
from transfergrid.commands.probe import Probe
from transfergrid.commands.remarks import Remark
from transfergrid.data.rebuild import rebuild_cache
from transfergrid.planning.inputs import Dataset
from transfergrid.planning.paths import cache_directory, origin_file
from transfergrid.planning.plan import plan_run
from transfergrid.runtime.hashing import canonical_json

RESULTS = Path("results")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A data set that is prepared, with a cell that was trained on it."""
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "films", np.random.default_rng(0))
    Path("study.yaml").write_text(yaml.safe_dump({**STUDY, "device": "cpu"}))
    plan = plan_run([], {"studies": ["study.yaml"]})
    (dataset,) = plan.studies["mine"].datasets.values()
    rebuild_cache(dataset.location, RESULTS, 2)
    (cell, *_) = plan.cells.values()
    folder = RESULTS / "cells" / cell.name
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(canonical_json({"dataset": dict(dataset.declaration)}))
    shutil.copy(cache_directory(dataset.id, RESULTS) / "card.json", folder)
    return dataset


def found(data: Dataset, verify: bool = False) -> Remark:
    (remark,) = check_origin(data, RESULTS, verify)
    return remark


def images() -> list[Path]:
    return sorted(Path("films/images").iterdir())


def flip(path: Path) -> None:
    """Change one byte, and give the file its times back."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_nothing_changed(data: Dataset) -> None:
    assert found(data).level == "ok"
    assert "images have the size" in found(data).told
    assert "images have the SHA-256" in found(data, verify=True).told


def test_a_flipped_byte_is_seen_by_verify_alone(data: Dataset) -> None:
    flip(images()[3])
    assert found(data).level == "ok"
    remark = found(data, verify=True)
    assert remark.level == "warning"
    assert f"1 of {len(images())} images are not what they were" in remark.told
    assert images()[3].name in remark.told


def test_another_size_or_a_file_that_is_gone_is_seen_at_once(data: Dataset) -> None:
    images()[0].write_bytes(images()[0].read_bytes() + b"x")
    images()[1].unlink()
    assert "2 of" in found(data).told
    assert found(data).level == "warning"
    shutil.rmtree(cache_directory(data.id, RESULTS))
    assert found(data).level == "error"
    assert "the new ones will be refused" in found(data).told
    shutil.rmtree(RESULTS / "cells")
    assert found(data).level == "ok"


def test_files_of_another_time_are_hashed_if_they_are_few(data, monkeypatch) -> None:
    for path in images():
        os.utime(path)
    assert found(data).level == "ok"
    monkeypatch.setattr(checks_images, "MOST_HASHED", len(images()) - 1)
    assert found(data).level == "warning"
    assert "--verify" in found(data).mend
    assert found(data, verify=True).level == "ok"


def test_a_copy_of_the_images_elsewhere_is_compared_by_its_names(data: Dataset) -> None:
    shutil.copytree("films", "copy")
    shutil.rmtree("films/images")
    moved = Dataset(data.name, data.id, data.declaration, Path("copy").absolute())
    assert found(moved).level == "ok"


def test_cells_of_another_content_than_the_cache_are_told(data: Dataset) -> None:
    (cell,) = (RESULTS / "cells").iterdir()
    card = cell / "card.json"
    card.write_text(card.read_text().replace('"content_sha256": "', '"content_sha256": "0'))
    first, _ = check_origin(data, RESULTS, False)
    assert first.level == "error"
    assert (
        f"1 cell(s) were trained on pixels other than those in {cache_directory(data.id, RESULTS)}"
        in (first.told)
    )
    assert cell.name in first.told


def test_a_record_that_is_broken_is_told(data: Dataset) -> None:
    path = origin_file(data.id, RESULTS)
    path.write_bytes(path.read_bytes()[:-50])
    assert "cannot be read completely" in found(data).told
    path.unlink()
    assert list(check_origin(data, RESULTS, False)) == []


def test_doctor_compares_and_verifies(data, monkeypatch, capsys) -> None:
    monkeypatch.setattr(doctor, "ask", lambda names: Probe(torch="2.14.1"))
    flip(images()[3])
    main(["doctor", "study.yaml"])
    assert "are not what they were" not in capsys.readouterr().out
    main(["doctor", "study.yaml", "--verify"])
    assert f"when read: images/{images()[3].name}" in capsys.readouterr().out
