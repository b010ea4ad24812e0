"""Weight files that are something else are named by their first bytes, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from transfergrid.models.weighthead import check_head, holds_zeros_only
from transfergrid.runtime.errors import UserError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 102\n"
TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(300)}


@pytest.mark.parametrize("ending", [".pth", ".safetensors", ".PT", ".bin"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (POINTER, "a Git LFS pointer .* git lfs pull"),
        (b"<!DOCTYPE html><html><title>Sign in</title>", "a web page"),
        (b'{"error": "not found"}', "get it again"),
        (b"no weights", "get it again"),
        (bytes(4096), "get it again"),
    ],
)
def test_what_is_no_weight_file_is_named(
    tmp_path: Path, content: bytes, told: str, ending: str
) -> None:
    path = tmp_path / f"w{ending}"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"weight file .*w{ending} is not what its name.*{told}"):
        check_head(path)


def test_a_file_under_the_other_ending_is_named(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"a safetensors file; let its name end in \.safetensors"):
        check_head(tmp_path / "w.pth")
    for zipped in (True, False):
        path = tmp_path / "w.safetensors"
        torch.save(TENSORS, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(UserError, match=r"a torch checkpoint; let its name end in \.pth"):
            check_head(path)


def test_headers_of_every_length_are_known(tmp_path: Path) -> None:
    for length in range(1, 300, 7):  # the first byte of the file is the header's length
        save_file({"n" * length: torch.ones(1)}, tmp_path / "w.safetensors")
        check_head(tmp_path / "w.safetensors")


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
def test_a_safetensors_file_that_is_cut_short_is_named(tmp_path: Path, share: float) -> None:
    path = tmp_path / "w.safetensors"
    save_file(TENSORS, path)
    check_head(path)
    content = path.read_bytes()
    path.write_bytes(content[: max(9, int(len(content) * share))])
    with pytest.raises(UserError, match="bytes of a longer file; get it again"):
        check_head(path)


@pytest.mark.parametrize("header", [b"{nothing", b"[" * 2000, json.dumps({"a": 3}).encode()])
def test_a_broken_header_is_named(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(UserError, match=r"broken header|not a safetensors file"):
        check_head(path)


def test_a_zip_archive_of_something_else_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("resnet50.pth", b"x")
    with pytest.raises(UserError, match=r"not written by torch \(resnet50\.pth\); unpack it"):
        check_head(tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_zeros_alone_are_told_apart(tmp_path: Path, name: str) -> None:
    save = save_file if name == "w.safetensors" else torch.save
    save({name: torch.zeros_like(tensor) for name, tensor in TENSORS.items()}, tmp_path / name)
    assert holds_zeros_only(tmp_path / name)
    save(TENSORS, tmp_path / name)
    assert not holds_zeros_only(tmp_path / name)


def test_torch_is_not_needed() -> None:
    code = "import sys, transfergrid.models.weighthead; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
