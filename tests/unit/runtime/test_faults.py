"""Each library's own error for a write that failed, provoked by a limit on the size of files."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from transfergrid.runtime import atomic, faults
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.faults import failure
from transfergrid.runtime.regular import check_regular

WRITERS = {
    "numpy": "import numpy; numpy.zeros(10**6).tofile(path)",
    "npz": "import numpy; numpy.savez(path.open('wb'), a=numpy.zeros(10**6))",
    "parquet": (
        "import numpy, pyarrow as pa, pyarrow.parquet as pq\n"
        "    pq.write_table(pa.table({'a': numpy.random.default_rng(0).random(10**6)}), path)"
    ),
    "csv": "import pandas; pandas.DataFrame({'a': range(10**5)}).to_csv(path)",
    "figure": (
        "import matplotlib; matplotlib.use('agg'); import matplotlib.pyplot as plt\n"
        "    plt.plot(range(10**5), 'x'); plt.savefig(path, format='svg')"
    ),
    "safetensors": (
        "import torch, safetensors.torch as st\n"
        "    st.save_file({'a': torch.zeros(10**6)}, str(path))"
    ),
    "torch": "import torch; torch.save({'a': torch.zeros(10**6)}, path)",
    "text": "path.write_text('x' * 10**7)",
}
PROGRAM = """
import resource, sys, pathlib
from transfergrid.runtime.atomic import replacing
from transfergrid.runtime.program import run_program
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
def main():
  with replacing(sys.argv[1]) as path:
    {writer}
run_program(main)
"""


@pytest.mark.parametrize("library", WRITERS)
def test_a_write_that_fails_in_a_library_is_a_sentence(library: str, tmp_path: Path) -> None:
    path = tmp_path / "result.bin"
    path.write_text("old")
    program = PROGRAM.format(writer=WRITERS[library])
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    told = done.stderr.splitlines()[-1]
    assert told.startswith(
        f"error: {path} would be larger than a file may be here; raise the limit"
    )
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == ["result.bin"]
    assert path.read_text() == "old"


def test_no_inodes_are_told_apart_from_no_space(tmp_path, monkeypatch) -> None:
    error = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "a"))
    assert failure(error).startswith(f"no space left to write {tmp_path}/a; free some")
    none = SimpleNamespace(f_files=1000, f_favail=0)
    monkeypatch.setattr(faults.os, "statvfs", lambda folder: none)
    assert failure(error).startswith(f"no room for another file to write {tmp_path}/a (df -i)")


def test_a_disk_that_refuses_a_folder_or_a_name_is_told(tmp_path, monkeypatch) -> None:
    def refuse(self: Path, *words: object, **more: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match="x is on a file system mounted read-only"):
        atomic.write_text(tmp_path / "x" / "y", "")
    monkeypatch.undo()
    with pytest.raises(UserError, match="is too long for the file system; shorten names"):
        atomic.write_text(tmp_path / ("n" * 300), "")
    assert not list(tmp_path.iterdir())


def test_a_fault_of_the_program_is_none_of_the_system() -> None:
    for error in (ValueError("x"), OSError("x"), RuntimeError("x"), UserError("no space left")):
        assert failure(error) is None


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path, kind in (("pipe", "named pipe"), ("link", "named pipe"), (".", "folder")):
        with pytest.raises(UserError, match=f"is a {kind}; put a regular file there"):
            check_regular(tmp_path / path)
    (tmp_path / "file").write_text("abc")
    assert check_regular(tmp_path / "file").st_size == 3
    with pytest.raises(FileNotFoundError):
        check_regular(tmp_path / "none")


@pytest.mark.parametrize(("mib", "told"), [(0.5, True), (63.0, True), (64.0, False)])
def test_a_disk_with_hardly_any_space_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mib: float, told: bool
) -> None:
    usage = SimpleNamespace(free=int(mib * 2**20))
    monkeypatch.setattr(faults.shutil, "disk_usage", lambda folder: usage)
    found = faults.short_of_space(tmp_path)
    assert (found is not None) == told
    if found:
        assert f"({mib:.1f} MiB)" in found and "no space left" in found
    assert faults.short_of_space(tmp_path / "absent") is None
