from __future__ import annotations

from pathlib import Path

import pytest

from transfergrid.planning import speeds
from transfergrid.planning.speeds import COLUMNS, SPEEDS, Speed, benchmarked, read_speeds
from transfergrid.runtime.errors import UserError

HEAD = ",".join(COLUMNS) + "\n"
ROWS = """\
GPU A,resnet18,224,tf32,channels_last,eager,1234.5,800.2,2.6,2026-01-01,16
GPU A,resnet18,224,tf32,NCHW,eager,1000.0,900.0,2.6,2026-01-01,16
GPU A,resnet18,320,bf16,channels_last,compile,2000.0,700.0,2.6,2026-01-01,16
GPU A,,320,,,augmentation,50000.0,,2.6,2026-01-01,16
"""


def test_rows_are_read_and_written_alike(tmp_path: Path) -> None:
    path = tmp_path / SPEEDS
    path.write_text(HEAD + ROWS)
    rows = read_speeds(path)
    first = ("GPU A", "resnet18", 224, "tf32", "channels_last", "eager", 1234.5, 800.2)
    assert rows[0] == Speed(*first, "2.6", "2026-01-01", 16)
    assert rows[3].peak_memory_mb is None
    assert [",".join(row.cells()) for row in rows] == ROWS.splitlines()
    assert read_speeds(tmp_path / "none.csv") == []


@pytest.mark.parametrize("text", [HEAD + "GPU,a,large,,,,1,,,,1\n", "device,px\nGPU,1\n"])
def test_another_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / SPEEDS
    path.write_text(text)
    with pytest.raises(UserError, match="is not a table from benchmarks/gpu.py"):
        read_speeds(path)


def test_only_rows_of_what_trainings_do_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A processor's rows only show that the program runs.
    (tmp_path / SPEEDS).write_text(HEAD + ROWS + ROWS.replace("GPU A", "cpu"))
    monkeypatch.setattr(speeds, "RESOURCES", tmp_path)
    benchmarked.cache_clear()
    try:
        assert [row.images_per_second for row in benchmarked()] == [1234.5]
    finally:
        benchmarked.cache_clear()
