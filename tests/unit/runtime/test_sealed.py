from __future__ import annotations

from pathlib import Path

import pytest

from transfergrid.runtime.errors import UserError
from transfergrid.runtime.sealed import read_sealed, write_sealed

VALUE = {"a": 0.1, "b": [1, 2.0, None, True], "ä": {"x": "text", "y": 10**20}, "c": 1e-300}


def test_what_is_written_is_read_without_its_seal(tmp_path: Path) -> None:
    write_sealed(tmp_path / "v.json", VALUE)
    assert read_sealed(tmp_path / "v.json") == VALUE
    with pytest.raises(FileNotFoundError):
        read_sealed(tmp_path / "none.json")


def test_no_flipped_bit_changes_a_value_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    write_sealed(path, VALUE)
    whole, silent = path.read_bytes(), 0
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            assert read_sealed(path, "mend it") == VALUE
            silent += 1
        except UserError as error:
            assert str(path) in str(error) and str(error).endswith("mend it.")
    assert silent < len(whole) / 4  # blanks become other blanks, 1e-300 becomes 1E-300
