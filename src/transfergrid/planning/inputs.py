"""Content hashes of the user's files: label tables, weight files. Pure Python, read-only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfergrid.catalog.conventions import declared_input
from transfergrid.catalog.kinds import pretraining_kind
from transfergrid.planning.architectures import Architecture
from transfergrid.planning.fingerprint import (
    dicom_fingerprint,
    nifti_fingerprint,
    plugin_fingerprint,
    prepare_fingerprint,
    stage_fingerprint,
)
from transfergrid.planning.label_tables import hashed_tables
from transfergrid.planning.named import named
from transfergrid.planning.observers import check_there
from transfergrid.planning.padding import check_padding
from transfergrid.planning.remembered import remembered_sha256
from transfergrid.planning.study import location
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file, short_hash

PLACES = {"datasets": ("root", "regions"), "pretrainings": ("path",)}
"""For each section of a study, the settings that say where a thing is and are not part of it."""
UNSAID = {
    "white": None,
    "black": 0,
    "dicom": False,
    "nifti": None,
    "duplicates": "refuse",
    "group": None,
    "folds": None,
    "split": None,
    "lists": None,
    "task_kind": None,
}
"""Settings that are not part of a data set as long as they have these values."""
APART = ("metric", "observers", "scored_at", "spacing")
"""Settings of a data set that its reader does not need, and its cache does not have.

A cell has its metric; observers whom the true masks do not know are compared with them alone, and
how test films are compared is decided after training.
"""


@dataclass(frozen=True)
class RegionFile:
    """A file that says where signs are; `location` is not hashed, the id hashes its content."""

    id: str
    path: Path
    sha256: str

    @property
    def location(self) -> dict[str, Any]:
        """The unhashed note that lets a job find the file."""
        return {"id": self.id, "path": str(self.path), "sha256": self.sha256}


@dataclass(frozen=True)
class Dataset:
    """One data set of a study, resolved.

    Attributes:
        name: Name in the study.
        id: ``<name>-<hash8>``, the folder of its cache.
        declaration: What readers receive and cells hash: reader options, resize rule, hashes.
        root: Where the data are, absolute; None for phantoms. Not hashed.
        regions: The file of the signs' true regions, if there is one. Not part of a cell: only
            activation maps are compared with it.
    """

    name: str
    id: str
    declaration: Mapping[str, Any]
    root: Path | None
    regions: RegionFile | None = None

    @property
    def location(self) -> dict[str, Any]:
        """The unhashed note that lets any job rebuild the cache."""
        root = str(self.root) if self.root else None
        return {"id": self.id, "declaration": dict(self.declaration), "root": root}


@dataclass(frozen=True)
class Weights:
    """Seedless initial weights of one architecture, resolved; `location` is not hashed."""

    id: str
    declaration: Mapping[str, Any]
    architecture: Mapping[str, Any]
    path: Path | None

    @property
    def location(self) -> dict[str, Any]:
        """The unhashed note that lets any job prepare the weights again."""
        return {
            "id": self.id,
            "declaration": dict(self.declaration),
            "architecture": dict(self.architecture),
            "path": str(self.path) if self.path else None,
        }


def resolve_dataset(name: str, settings: Mapping[str, Any]) -> Dataset:
    """Hash a data set's label tables and name its cache.

    Raises:
        UserError: The root or a label table is missing.
    """
    declaration = {
        key: value
        for key, value in settings.items()
        if key not in (*PLACES["datasets"], *APART) and (key, value) not in UNSAID.items()
    }
    root = (
        location(settings["root"], f"root of data set '{name}'") if settings.get("root") else None
    )
    if root is not None and not root.exists():
        raise UserError(
            f"data set '{name}' has its root at {root}, which does not exist; correct "
            f"datasets.{name}.root."
        )
    declaration["tables"] = hashed_tables(name, root, settings, remembered_sha256)
    if settings.get("observers"):
        check_there(name, settings, declaration["tables"])
    declaration |= _form_code(declaration)
    dataset_id = _dataset_id(name, declaration)
    regions = _regions(name, settings["regions"]) if settings.get("regions") else None
    return Dataset(name, dataset_id, {"id": dataset_id, **declaration}, root, regions)


def _regions(name: str, setting: str) -> RegionFile:
    path = location(setting, f"regions of data set '{name}'")
    if not path.is_file():
        raise UserError(
            f"data set '{name}' has its regions in {path}, which is not a file; correct "
            f"datasets.{name}.regions or leave it out."
        )
    digest = remembered_sha256(path)
    return RegionFile(f"{name}-regions-{digest[:8]}", path, digest)


def _form_code(declaration: Mapping[str, Any]) -> dict[str, str]:
    """Return the code that reads DICOM or NIfTI, if a data set has such files: part of no other."""
    code = {"dicom": dicom_fingerprint()} if declaration.get("dicom") else {}
    return code | ({"nifti_code": nifti_fingerprint()} if declaration.get("nifti") else {})


def _dataset_id(name: str, declaration: Mapping[str, Any]) -> str:
    hashed = {**declaration, "code": prepare_fingerprint(declaration["kind"])}
    return f"{name}-{short_hash(hashed)}"


def region_file(note: Mapping[str, Any]) -> Path:
    """Return the file of true regions that a note names.

    Raises:
        UserError: It is missing, or was edited after the job was planned.
    """
    path = Path(note["path"])
    if not path.is_file() or sha256_file(path) != note["sha256"]:
        raise UserError(
            f"the regions {path} are missing or were edited after {note['id']} was planned; run "
            "snakemake again to plan with what is there now."
        )
    return path


def check_dataset(note: Mapping[str, Any]) -> None:
    """Stop a job whose label tables or reader were edited after it was planned.

    Args:
        note: What `Dataset.location` recorded.

    Raises:
        UserError: The data set that the note describes would now have another id.
    """
    declaration = {key: value for key, value in note["declaration"].items() if key != "id"}
    name = note["id"].rpartition("-")[0]
    root = Path(note["root"]) if note["root"] else None
    declaration["tables"] = hashed_tables(name, root, declaration, sha256_file)
    declaration |= _form_code(declaration)
    if _dataset_id(name, declaration) != note["id"]:
        raise UserError(
            f"the label tables or the reader of data set '{name}' were edited after {note['id']} "
            "was planned; run snakemake again to plan with what is there now."
        )


def resolve_weights(name: str, settings: Mapping[str, Any], architecture: Architecture) -> Weights:
    """Identify seedless weights for one architecture.

    Raises:
        UserError: A weight file is missing, or the weights do not fit the architecture.
    """
    kind = pretraining_kind(settings["kind"])
    identified, path = named(kind.identify)(name, settings, architecture)
    apart = (*PLACES["pretrainings"], "input")
    declaration = {key: value for key, value in settings.items() if key not in apart}
    declaration |= identified | declared_input(settings)
    check_padding(name, declaration.get("padding"), architecture.name, architecture.padding)
    record = architecture.record(0)
    del record["input_px"]
    prefix = f"{architecture.name}-{name}"
    return Weights(_weights_id(prefix, declaration, record), declaration, record, path)


def _weights_id(
    prefix: str, declaration: Mapping[str, Any], architecture: Mapping[str, Any]
) -> str:
    code = stage_fingerprint("weights")
    hashed = {"weights": declaration, "network": architecture, "code": code}
    return f"{prefix}-{short_hash(hashed)}"


def check_weights(note: Mapping[str, Any]) -> None:
    """Stop a job whose weight file or code was edited after it was planned.

    Args:
        note: What `Weights.location` recorded.

    Raises:
        UserError: The weights that the note describes would now have another id.
    """
    declaration, architecture = dict(note["declaration"]), dict(note["architecture"])
    if note["path"]:
        declaration["sha256"] = sha256_file(note["path"])
    if declaration.get("code"):
        declaration["code"] = plugin_fingerprint(declaration["kind"])
    kind = pretraining_kind(declaration["kind"])
    if kind.renew:
        declaration |= named(kind.renew)(declaration)
    prefix = note["id"].rpartition("-")[0]
    if _weights_id(prefix, declaration, architecture) != note["id"]:
        raise UserError(
            f"the file or the code behind {note['id']} was edited after it was planned; run "
            "snakemake again to plan with what is there now."
        )
