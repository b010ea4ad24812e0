"""Archives of arrays are read whole or refused in one sentence, by all who store some."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from transfergrid.evaluation.activation_files import ROWS, Activations, write_receipt
from transfergrid.evaluation.archives import read_arrays, write_arrays
from transfergrid.evaluation.cam_record import CamRecord, read_record
from transfergrid.evaluation.scores import Scores, read_scores
from transfergrid.evaluation.weighing_files import FILTERS, RESETS, Measured, write_measured
from transfergrid.planning.ends import weighings_directory
from transfergrid.planning.paths import activations_directory
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file

NAMES = {
    FILTERS: ["before", "after"],
    RESETS: [field.name for field in fields(Scores)],
    ROWS: ["image_id", "patient_id"],
    "maps.npz": [field.name for field in fields(CamRecord)],
    "scores.npz": [field.name for field in fields(Scores)],
}


def damaged(how: str, names: list[str]) -> bytes:
    """Return an archive with every array of a kind of file, and one kind of damage."""
    buffer = io.BytesIO()
    np.savez(buffer, **dict.fromkeys(names, np.arange(50)))
    whole = bytearray(buffer.getvalue())
    if how == "a flipped bit":
        whole[whole.index(b"NUMPY") + 200] ^= 1
    elif how == "cut":
        del whole[len(whole) // 2 :]
    elif how == "not an archive":
        buffer = io.BytesIO()
        np.save(buffer, np.arange(3))
        return buffer.getvalue()
    elif how == "said to be encrypted":
        # Flags of the first entry, in the archive's directory and before the entry itself.
        whole[whole.index(b"PK\x01\x02") + 8] |= 1
        whole[6] |= 1
    return bytes(whole)


def reader(name: str, folder: Path, data: bytes) -> tuple[Path, Callable[[], object]]:
    """File an archive as its stage does, in a receipt that names it; return how it is read."""
    place = {FILTERS: weighings_directory, RESETS: weighings_directory, ROWS: activations_directory}
    path = (place[name]("a", folder) if name in place else folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    files = {"status": "finished", "files": {name: sha256_file(path)}}
    if name == ROWS:
        write_receipt(path.parent, {"images": "valid", "layers": [], **files})
        return path, lambda: Activations.of("a", folder).n_images
    if name in place:
        write_measured(path.parent, files)
        measured = Measured.of("a", folder)
        return path, measured.filters if name == FILTERS else measured.scores
    return path, lambda: (read_record if name == "maps.npz" else read_scores)(path)


@pytest.mark.parametrize("how", ["a flipped bit", "cut", "not an archive", "said to be encrypted"])
@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_archive_is_named_with_what_to_do(tmp_path: Path, name: str, how: str) -> None:
    path, read = reader(name, tmp_path, damaged(how, NAMES[name]))
    with pytest.raises(UserError) as refused:
        read()
    told = str(refused.value)
    assert told.startswith(f"{path} is damaged (") and "again" in told.rpartition("; ")[2]


def test_scores_with_layers_put_back_are_not_made_by_scoring_the_cell(tmp_path: Path) -> None:
    _, read = reader(RESETS, tmp_path, damaged("cut", NAMES[RESETS]))
    with pytest.raises(UserError, match="which measures the weights again"):
        read()


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.npz", {"x": np.arange(3)})
    with pytest.raises(UserError, match=r"a\.npz lacks y; mend it\."):
        read_arrays(tmp_path / "a.npz", "mend it", ["x", "y"])
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "b.npz", "mend it")


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_come_back_and_equal_ones_give_equal_bytes(tmp_path: Path, compressed: bool) -> None:
    arrays = {"x": np.arange(6.0).reshape(2, 3), "name": "text", "none": np.zeros((0, 2))}
    for name in ("a.npz", "b.npz"):
        write_arrays(tmp_path / name, arrays, compressed=compressed)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    for data in (None, (tmp_path / "a.npz").read_bytes()):
        found = read_arrays(tmp_path / "a.npz", "", data=data)
        assert list(found) == list(arrays)
        for key, array in arrays.items():
            np.testing.assert_array_equal(found[key], array, strict=key != "name")
    with ZipFile(tmp_path / "a.npz") as archive:
        assert any(entry.compress_type for entry in archive.infolist()) == compressed
    with pytest.raises(ValueError, match="Object arrays"):
        write_arrays(tmp_path / "c.npz", {"x": np.array([object()])})
