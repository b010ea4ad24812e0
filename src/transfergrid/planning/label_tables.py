"""Hashes of a data set's label tables, by its kind: what of them is part of a cell."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from transfergrid.catalog.kinds import dataset_kind
from transfergrid.planning.layouts.hashed import Digest, of_files, of_names
from transfergrid.planning.layouts.nih14 import entries
from transfergrid.planning.named import named
from transfergrid.runtime.errors import UserError, listed, suggest
from transfergrid.runtime.filehead import mistaken, read_head
from transfergrid.runtime.hashing import sha256_text
from transfergrid.runtime.regular import check_regular

CHEXPERT_BATCH = "CheXpert-v1.0 batch 1 (validate & csv)"
CHEXPERT_FOLDERS = ("CheXpert-v1.0", "CheXpert-v1.0-small", CHEXPERT_BATCH)
CHEXPERT_TABLES = (
    "train.csv",
    "valid.csv",
    "test.csv",
    "test_labels.csv",
    "test/test.csv",
    "test/test_labels.csv",
)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif")
"""Endings by which an image is known where no table names it."""

MRNET_FOLDER = "MRNet-v1.0"
MRNET_TABLES = tuple(
    f"{part}-{finding}.csv"
    for part in ("train", "valid")
    for finding in ("abnormal", "acl", "meniscus")
)

CBIS_DDSM_TABLES = {"mass": "mass", "calcification": "calc"}
"""How the names of the tables of each kind of abnormality begin."""
_CBIS_PARTS = ("train", "test")


def hashed_tables(
    name: str, root: Path | None, settings: Mapping[str, Any], digest: Digest
) -> dict[str, str]:
    """Return the hashes of a data set's label tables, and of a table of published folds, by name.

    Args:
        name: Name of the data set in the study.
        root: Where it lies, or None.
        settings: Its settings.
        digest: Hashes a file.

    Raises:
        UserError: A table is missing, or is no table.
    """
    kind = dataset_kind(settings["kind"])
    if root is None or (kind is not None and not kind.rooted):
        return {}
    if kind is None:
        files = [inside(name, root, table) for table in settings["tables"]]
        found = digests(name, root, files, "root", digest)
    elif kind.tables:
        found = dict(named(kind.tables)(name, root, settings, digest))
    else:
        found = digests(name, root, [root / file for file in kind.files], "root", digest)
    published = (settings.get("folds") or {}).get("file")
    if published:
        home = root if root.is_dir() else root.parent
        found |= digests(name, home, [inside(name, home, published)], "folds.file", digest)
    return found


def of_table(name: str, root: Path, settings: Mapping[str, Any], digest: Digest) -> dict[str, str]:
    """Hash the one table that a study names."""
    return digests(name, root, [inside(name, root, settings["table"])], "table", digest)


def tables_of_study(root: Path, settings: Mapping[str, Any]) -> list[Path]:
    """Return the one table that a study names."""
    return [root / settings["table"]]


def tables_of_nih14(root: Path, settings: Mapping[str, Any]) -> list[Path]:
    """Return ChestX-ray14's one table of films."""
    return [entries(root)]


def of_mask_table(
    name: str, root: Path, settings: Mapping[str, Any], digest: Digest
) -> dict[str, str]:
    """Hash a table of films, and those in which masks are written."""
    view = settings.get("field_of_view")
    named = {"table": [settings["table"]], "layers": _mask_tables(settings["layers"])}
    named["field_of_view"] = _mask_tables([view] if view else [])
    found: dict[str, str] = {}
    for key, tables in named.items():
        files = [inside(name, root, table) for table in tables]
        found |= digests(name, root, files, key, digest)
    return found


def _mask_tables(layers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for layer in layers:
        for form, key in (("runs", "table"), ("coco", "file")):
            if form in layer:
                yield str(layer[form][key])
        yield from _mask_tables(layer.get("observers", ()))


def digests(name: str, root: Path, files: list[Path], key: str, digest: Digest) -> dict[str, str]:
    """Return the SHA-256 of label tables by their path in the root; `key` is where one is named."""
    for file in files:
        if not file.exists():
            hint = ""
            if key != "root" and file.parent.is_dir():
                hint = suggest(file.name, (path.name for path in file.parent.iterdir()))
            raise UserError(
                f"data set '{name}' lacks the label table {file}{hint}; correct "
                f"datasets.{name}.{key}, or put the table there."
            )
    return of_files(root, files, digest)


def inside(name: str, root: Path, table: str) -> Path:
    """Return a file that a data set names in its root; UserError where it lies elsewhere."""
    path = root / table
    if not path.resolve().is_relative_to(root.resolve()):
        raise UserError(
            f"data set '{name}' names the table {table}, which is not in its root {root}; move one "
            "of them."
        )
    return path


def of_chexpert(
    name: str, root: Path, settings: Mapping[str, Any], digest: Digest
) -> dict[str, str]:
    """Hash CheXpert's tables, wherever the download keeps them."""
    there = tables_of_chexpert(root, settings)
    if not there:
        raise UserError(
            f"data set '{name}' has no train.csv in {root} or in its folders "
            f"{listed(CHEXPERT_FOLDERS)}; point root at the unpacked CheXpert."
        )
    return digests(name, root, there, "root", digest)


def tables_of_chexpert(root: Path, settings: Mapping[str, Any]) -> list[Path]:
    """Return CheXpert's tables, wherever the download keeps them; none without train.csv."""
    folders = [root, *(root / folder for folder in CHEXPERT_FOLDERS)]
    home = next((folder for folder in folders if (folder / "train.csv").is_file()), None)
    if home is None:
        return []
    # The test set is a download of its own and may lie beside the batches.
    homes = (home, home.parent) if home.name == CHEXPERT_BATCH else (home,)
    tables = [folder / table for folder in homes for table in CHEXPERT_TABLES]
    return [table for table in tables if table.is_file()]


def of_archive(
    name: str, root: Path, settings: Mapping[str, Any], digest: Digest
) -> dict[str, str]:
    """Hash label arrays; images are known by the CRC-32 that the archive's directory holds."""
    try:
        check_regular(root)
        with zipfile.ZipFile(root) as archive:
            members = {}
            for info in sorted(archive.infolist(), key=lambda member: member.filename):
                if info.filename.endswith("_labels.npy"):
                    members[info.filename] = sha256_text(archive.read(info).hex())
                else:
                    members[info.filename] = f"crc32 {info.CRC:08x} {info.file_size}"
            return members
    except UserError:
        raise
    except Exception:  # broken archives raise the errors of every layer below
        told = (mistaken(read_head(root)) if root.is_file() else None) or "broken; restore it"
        raise UserError(
            f"data set '{name}': {root} is not a readable .npz file: it is {told}."
        ) from None


def of_image_names(
    name: str, root: Path, settings: Mapping[str, Any], digest: Digest
) -> dict[str, str]:
    """Hash the names of the images in a folder and below, where these are the labels."""
    return of_names(image_names(name, root))


def image_names(name: str, root: Path) -> list[str]:
    """Return the paths of a folder's images relative to it, sorted; UserError if it has none."""
    found = [path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES]
    if not found:
        what = "has no image in it" if root.is_dir() else "is no folder"
        raise UserError(
            f"data set '{name}' has its root at {root}, which {what}; correct datasets.{name}.root."
        )
    return sorted(path.relative_to(root).as_posix() for path in found)


def of_mrnet(name: str, root: Path, settings: Mapping[str, Any], digest: Digest) -> dict[str, str]:
    """Hash MRNet's tables of findings."""
    base = root / MRNET_FOLDER if (root / MRNET_FOLDER).is_dir() else root
    return digests(name, root, [base / table for table in MRNET_TABLES], "root", digest)


def of_ddti(name: str, root: Path, settings: Mapping[str, Any], digest: Digest) -> dict[str, str]:
    """Hash DDTI's files of cases, all as one, and the names of its images."""
    cases = [f"{path.name} {digest(path)}" for path in sorted(root.glob("*.xml"))]
    names = of_image_names(name, root, settings, digest)
    return {"cases": sha256_text("\n".join(cases)), **names}


def of_cbis_ddsm(
    name: str, root: Path, settings: Mapping[str, Any], digest: Digest
) -> dict[str, str]:
    """Hash CBIS-DDSM's tables of the abnormalities that are read."""
    wanted = settings["abnormalities"]
    kinds = [CBIS_DDSM_TABLES[wanted]] if wanted != "both" else list(CBIS_DDSM_TABLES.values())
    names = [f"{kind}_case_description_{part}_set.csv" for kind in kinds for part in _CBIS_PARTS]
    return digests(name, root, [root / table for table in names], "root", digest)
