"""The cache as training reads it: one split's pixels and labels, never another's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import sha256_bytes
from transfergrid.runtime.sealed import read_sealed
from transfergrid.runtime.verified import Verification

SPLITS = ("train", "valid", "test")
"""Every split, in the order of the index's row groups."""

NAMES = ("image_id", "study_id", "patient_id")
"""Columns of the index that readers get beside the labels."""

RECEIPT = "receipt.json"
"""SHA-256 of every other file of a cache, and of each split's rows of the index."""

LABEL = "label_"
"""Prefix of the index's label columns."""

_MEND = "delete the folder of the cache and run snakemake again, which decodes it again"


@dataclass(frozen=True)
class Card:
    """What a cache holds, from its card.json.

    Attributes:
        dataset: Name of the data set in the study.
        kind: Its reader: chexpert, medmnist, csv, phantom or ``module:function``.
        task_kind: "multilabel" (sigmoid a task) or "multiclass" (softmax over tasks).
        tasks: Every output, in the order of the label columns.
        score_tasks: The tasks that the macro AUROC is the mean of.
        patients: "known", or "unknown" where each study stands for a patient.
        studies: "known", or "unknown" where each image stands for a study.
        image_px: Height and width of every image.
        resize: "crop", "pad" or "stretch".
        channels: 1 (grey) or 3 (RGB).
        synthetic: True for drawn images, which prove nothing of medicine.
        aggregate: How the views of a study are combined on the logit: "max" or "mean".
        splits: Counts of each split: images, studies, patients, and by task positives,
            negatives, unknown and soft (strictly between 0 and 1).
        content_sha256: SHA-256 over ids, labels and pixels of every split.
        notes: Sentences that every table built on this cache must carry.
    """

    dataset: str
    kind: str
    task_kind: str
    tasks: tuple[str, ...]
    score_tasks: tuple[str, ...]
    patients: str
    studies: str
    image_px: int
    resize: str
    channels: int
    synthetic: bool
    aggregate: str
    splits: Mapping[str, Mapping[str, Any]]
    content_sha256: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """One split of a cache; row i of every array is the same image.

    Attributes:
        images: Read-only memory map, (N, px, px) or (N, px, px, 3) uint8.
        labels: (N, tasks) float32; NaN is unknown, train may hold soft values in [0, 1].
        image_id: (N,) str.
        study_id: (N,) str.
        patient_id: (N,) str.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.float32]
    image_id: npt.NDArray[np.str_]
    study_id: npt.NDArray[np.str_]
    patient_id: npt.NDArray[np.str_]


def read_card(cache: str | Path) -> Card:
    """Read a cache's card.json.

    Raises:
        UserError: The card is missing, is no JSON, lacks a key, or is not what was written.
    """
    return _card(Path(cache), _receipt(cache))


def open_split(cache: str | Path, split: str) -> Split:
    """Open one split: map its .npy and read its row group of the index, and touch no other.

    Labels and names are compared with what was written; pixels are by `verify_pixels`.

    Args:
        cache: Folder of the cache.
        split: "train", "valid" or "test".

    Raises:
        UserError: No such split, or the cache is incomplete, inconsistent or damaged.
    """
    if split not in SPLITS:
        raise UserError(f"'{split}' is no split of a cache; choose one of {listed(SPLITS)}.")
    receipt = _receipt(cache)
    card = _card(Path(cache), receipt)
    columns = [LABEL + task for task in card.tasks]
    try:
        index = pq.ParquetFile(Path(cache) / "index.parquet", page_checksum_verification=True)
        with index:
            table = index.read_row_group(SPLITS.index(split), columns=[*NAMES, "split", *columns])
        images = np.load(Path(cache) / f"{split}.npy", mmap_mode="r", allow_pickle=False)
        # By DLPack, because pyarrow's to_numpy imports pandas, which training does without.
        labels = [np.from_dlpack(table.column(name).combine_chunks()) for name in columns]
        names = {name: table.column(name).to_pylist() for name in [*NAMES, "split"]}
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise _broken(cache, f"its {split} part cannot be read ({error})") from None
    if set(names.pop("split")) - {split} or len(images) != table.num_rows:
        raise _broken(cache, f"the index does not fit {split}.npy")
    found = Split(
        images=images,
        labels=np.stack(labels, axis=1).astype(np.float32, copy=False),
        **{name: np.asarray(values, dtype=np.str_) for name, values in names.items()},
    )
    if rows_sha256(names, found.labels) != receipt["rows"].get(split):
        raise _broken(cache, f"the {split} rows of index.parquet are not those that were written")
    return found


def verify_pixels(cache: str | Path, splits: Iterable[str]) -> Verification:
    """Start to compare the pixels of some splits with what was written.

    Whoever uses them calls `poll` now and then, and `wait` before anything that rests on them is
    published.

    Raises:
        UserError: The cache has no receipt.
    """
    files = _receipt(cache)["files"]
    names = [f"{split}.npy" for split in splits]
    return Verification(Path(cache), {name: files.get(name) for name in names}, _MEND)


def rows_sha256(names: Mapping[str, Sequence[str]], labels: npt.NDArray[np.float32]) -> str:
    """Return the SHA-256 of the names and labels of one split's rows.

    Args:
        names: For each of `NAMES`, one a row.
        labels: (N, tasks) float32; an unknown label has numpy's own NaN.
    """
    digest = hashlib.sha256(f"{labels.shape}".encode())
    for name in NAMES:
        digest.update("\0".join([name, *names[name], ""]).encode("utf-8"))
    digest.update(np.ascontiguousarray(labels, dtype="<f4").data)
    return digest.hexdigest()


def _receipt(cache: str | Path) -> dict[str, Any]:
    try:
        found = read_sealed(Path(cache) / RECEIPT, _MEND)
        return {"files": dict(found["files"]), "rows": dict(found["rows"])}
    except (OSError, KeyError, TypeError) as error:
        raise _broken(cache, f"{RECEIPT} cannot be read ({error})") from None


def _card(cache: Path, receipt: Mapping[str, Any]) -> Card:
    try:
        data = (cache / "card.json").read_bytes()
        values = json.loads(data)
        lists = {key: tuple(values[key]) for key in ("tasks", "score_tasks", "notes")}
        card = Card(**{field.name: values[field.name] for field in fields(Card)} | lists)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _broken(cache, f"card.json cannot be read ({error})") from None
    if sha256_bytes(data) != receipt["files"].get("card.json"):
        raise _broken(cache, "card.json is not what was written")
    return card


def _broken(cache: str | Path, what: str) -> UserError:
    return UserError(f"cache {cache} is broken: {what}; {_MEND}.")
