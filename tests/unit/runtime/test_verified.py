from __future__ import annotations

import os
from pathlib import Path

import pytest

from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.verified import LARGE, Verification, load_verified, read_verified

SIZES = [0, 10, LARGE + 3]


def make(path: Path, size: int) -> str:
    path.write_bytes(os.urandom(size))
    return sha256_file(path)


@pytest.mark.parametrize("size", SIZES)
def test_bytes_are_parsed_if_they_are_those_that_were_written(tmp_path: Path, size: int) -> None:
    path = tmp_path / "f"
    expected = make(path, size)
    assert read_verified(path, expected, len, "mend") == size
    for other in (None, "0" * 64):
        with pytest.raises(UserError, match=r"f is not the file that was written: .*; mend\."):
            read_verified(path, other, len, "mend")
    path.unlink()
    with pytest.raises(UserError, match="it is missing"):
        read_verified(path, expected, len, "mend")


@pytest.mark.parametrize("size", SIZES[1:])
def test_a_parser_that_fails_over_damage_is_not_told(tmp_path: Path, size: int) -> None:
    def fail(data: bytes) -> int:
        raise KeyError("torn")

    path = tmp_path / "f"
    expected = make(path, size)
    with pytest.raises(KeyError, match="torn"):
        read_verified(path, expected, fail, "mend")
    data = bytearray(path.read_bytes())
    data[size // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(UserError, match="not the file that was written"):
        read_verified(path, expected, fail, "mend")


@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_loaded_by_its_path_if_it_is_the_one_that_was_written(
    tmp_path: Path, size: int
) -> None:
    path = tmp_path / "f"
    expected = make(path, size)
    assert load_verified(path, expected, Path.read_bytes, "mend") == path.read_bytes()
    with pytest.raises(KeyError, match="torn"):
        load_verified(path, expected, lambda _: {}["torn"], "mend")
    for load in (Path.read_bytes, lambda _: {}["torn"]):
        with pytest.raises(UserError, match=r"f is not the file that was written: .*; mend\."):
            load_verified(path, "0" * 64, load, "mend")
    path.unlink()
    with pytest.raises(UserError, match="it is missing"):
        load_verified(path, expected, Path.read_bytes, "mend")


def test_files_are_hashed_beside_the_work(tmp_path: Path) -> None:
    files: dict[str, str | None] = {
        name: make(tmp_path / name, size) for name, size in zip("abc", SIZES, strict=True)
    }
    found = Verification(tmp_path, files, "mend")
    found.wait()
    found.poll()
    for name in "ac":
        found = Verification(tmp_path, {**files, name: "0" * 64}, "mend")
        with pytest.raises(UserError, match=rf"{name} is not the file .*; mend\."):
            found.wait()
        with pytest.raises(UserError):
            found.poll()
    (tmp_path / "b").unlink()
    with pytest.raises(UserError, match="b is not the file that was written: it is missing"):
        Verification(tmp_path, files, "mend").wait()
