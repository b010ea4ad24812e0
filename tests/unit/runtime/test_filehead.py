"""Files that are not what their names say."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import pytest

from transfergrid.runtime.filehead import mistaken, read_head


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n", "git lfs pull"),
        (b"\n <!doctype HTML><html>", "web page"),
        (b"\xef\xbb\xbf<html lang='en'>", "web page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "web page"),
        (gzip.compress(b"x", mtime=0), "gzip"),
    ],
)
def test_what_is_not_the_file_itself_is_named(content: bytes, told: str) -> None:
    assert told in (mistaken(content) or "")


def test_an_archive_is_named(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(__file__, "weights")
    assert "tar archive" in (mistaken(read_head(tmp_path / "a.tar")) or "")


@pytest.mark.parametrize(
    "content", [b"image,label\n", b"PK\x03\x04", b"\x80\x02}q\x00.", b"\x89PNG"]
)
def test_nothing_is_said_of_others(content: bytes) -> None:
    assert mistaken(content) is None
