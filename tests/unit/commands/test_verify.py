"""`transfergrid doctor --verify` on a cell that was really trained and scored."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from unit.training.test_stored import stored
from unit.training.tiny import make_cache, make_spec

from transfergrid.commands.verify import all_checks, find_faults, verify
from transfergrid.evaluation.cam_record import empty_record, read_record, write_record
from transfergrid.evaluation.ensemble import choose_checkpoints, ensemble, write_ensemble
from transfergrid.evaluation.ensembles import write_receipt
from transfergrid.evaluation.predict import score_cell
from transfergrid.evaluation.scores import read_cell_scores
from transfergrid.metrics.estimate import Estimator
from transfergrid.planning.metrics import built_in
from transfergrid.planning.naming import cell_name
from transfergrid.planning.records import read_kept
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json, sha256_file, short_hash
from transfergrid.runtime.sealed import _seal
from transfergrid.training.loop import train
from transfergrid.training.resume import save_state


@pytest.fixture
def results(tmp_path: Path) -> Path:
    make_cache(tmp_path)
    spec = stored(tmp_path, make_spec(epochs=1, train_layers="head"), 0)
    folder = tmp_path / "cells" / cell_name(spec)
    write_text(folder / "spec.json", canonical_json(spec))
    shutil.copy(tmp_path / "cache" / "tiny-0" / "card.json", folder / "card.json")
    train(spec, tmp_path, threads=1)
    score_cell(spec, tmp_path)
    valid = read_cell_scores(folder, "valid")
    path = tmp_path / "study" / "ensemble" / folder.name / "best" / "test.parquet"
    write_ensemble(
        path, ensemble(valid, choose_checkpoints("best", valid, Estimator.of(built_in("auroc"))))
    )
    receipt = tmp_path / "study" / "receipts" / "ensembles" / "all.json"
    write_receipt(receipt, {str(path.relative_to(tmp_path / "study")): sha256_file(path)})
    save_state(folder / "resume.pt", "stamp", {"step": 1})
    stamp = {"code": "x"}
    write_text(tmp_path / "stamps" / f"code.evaluate.{short_hash(stamp)}", canonical_json(stamp))
    return tmp_path


def files(results: Path) -> list[Path]:
    return [path for path in results.rglob("*") if path.is_file()]


def test_every_flipped_bit_is_found_and_named(results: Path) -> None:
    (whole,) = verify(results)
    assert whole.level == "ok"
    assert {check.path for check in all_checks(results)} == set(files(results))
    for path in files(results):
        status, data = path.stat(), path.read_bytes()
        flipped = bytearray(data)
        flipped[len(data) // 2] ^= 1
        path.write_bytes(flipped)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        told = "\n".join(find_faults(list(all_checks(results))))
        assert str(path) in told and "remove" in told, path
        path.write_bytes(data)
    (whole,) = verify(results)
    assert whole.level == "ok"


def test_what_is_being_written_is_no_damage(results: Path) -> None:
    for path in files(results):
        path.with_name(f".tmp-0123456789abcdef-{path.name}").write_bytes(b"{")
    for folder in [path for path in results.rglob("*/") if path != results]:
        aside = folder.with_name(f".tmp-fedcba9876543210-{folder.name}")
        shutil.copytree(folder, aside)
        for path in files(aside):
            path.write_bytes(b"{")
    (remark,) = verify(results)
    assert remark.level == "ok", remark


def test_a_lost_record_is_no_damage_and_comes_back(results: Path) -> None:
    (folder,) = (results / "cells").iterdir()
    for name in ("history.jsonl", "proof.json", "card.json"):
        before = (folder / name).read_bytes()
        (folder / name).unlink()
        (remark,) = verify(results)
        assert remark.level == "ok"
        assert read_kept(folder, name) == before == (folder / name).read_bytes()
    (folder / "card.json").unlink()
    (folder / "finished.json").unlink()
    with pytest.raises(UserError, match=r"card\.json is lost and .* trains the cell again"):
        read_kept(folder, "card.json")


def test_files_of_a_version_without_seals_are_counted_and_not_called_damaged(
    results: Path,
) -> None:
    (folder,) = (results / "cells").iterdir()
    old = [folder / "train.json", folder / "receipts" / "evaluate.json"]
    for path in old:
        value = json.loads(path.read_text())
        del value["seal"]
        path.write_text(json.dumps(value))
    (remark,) = verify(results)
    assert remark.level == "warning"
    assert remark.told.startswith("2 files are from an earlier version")
    old[1].write_text(json.dumps({**value, "sebl": _seal(value)}))
    damaged, _ = verify(results)
    assert damaged.level == "error" and str(old[1]) in damaged.told


def test_weights_that_went_as_a_whole_are_no_damage(results: Path) -> None:
    (folder,) = (results / "cells").iterdir()
    (folder / "checkpoints" / "index.json").unlink()
    assert "index.json is not the file" in "".join(find_faults(list(all_checks(results))))
    shutil.rmtree(folder / "checkpoints")
    (remark,) = verify(results)
    assert remark.level == "ok"


@pytest.mark.parametrize("offset", [8, 10], ids=["encrypted", "packed otherwise"])
def test_flags_of_an_archive_count_as_damage(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "study" / "cams" / "a.npz"
    path.parent.mkdir(parents=True)
    write_record(path, empty_record("missing"))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + offset] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="remove it"):
        read_record(path)
    (damaged,) = verify(tmp_path)
    assert damaged.level == "error" and str(path) in damaged.told
