"""The cache as training reads it: one split's pixels and labels, never another's.

A data set in folds is stored in parts, one per fold: fold f tests on part f, and opens no other for
that; what it learns from and validates on is read from the other parts, where they lie.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from transfergrid.data.mask_maps import MASKS, file_of_masks, open_masks
from transfergrid.data.stacked import Stacked, stacked
from transfergrid.planning.cards import as_seen_by
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

TRUTH = "truth_"
"""Prefix of the labels that images in folds are scored by; those of `LABEL` are learned from."""

VALID = "valid"
"""Column of the folds that validate on an image."""

Images = npt.NDArray[np.uint8] | Stacked
"""(N, px, px) or (N, px, px, 3) uint8: a memory map, or rows of several."""

_OPTIONAL = ("folds", "parts", "masks")
_MEND = "delete the folder of the cache and run snakemake again, which decodes it again"


@dataclass(frozen=True)
class Card:
    """What a cache holds, from its card.json.

    Attributes:
        dataset: Name of the data set in the study.
        kind: Its reader: chexpert, medmnist, csv, phantom or ``module:function``.
        task_kind: "multilabel" (one sigmoid per task) or "multiclass" (softmax over tasks).
        tasks: Every output, in the order of the label columns.
        score_tasks: The tasks over which a mean over tasks is taken.
        patients: "known", or "unknown" where each study stands for a patient.
        studies: "known", or "unknown" where each image stands for a study.
        image_px: Height and width of every image.
        resize: "crop", "pad" or "stretch".
        channels: 1 (grey) or 3 (RGB).
        synthetic: True for drawn images, which prove nothing of medicine.
        aggregate: How the views of a study are combined on the logit: "max" or "mean".
        splits: Counts of each split: images, studies, patients, and by task positives,
            negatives, unknown and soft (strictly between 0 and 1); of a data set in folds, those of
            one fold.
        content_sha256: SHA-256 over ids, labels and pixels of every split.
        notes: Sentences that every table built on this cache must carry.
        folds: Number of folds; None where the images are split once.
        parts: Counts of each part of a data set in folds.
        masks: Of a data set with masks, how its structures are: "exclusive" or "overlapping".
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
    folds: int | None = None
    parts: Mapping[str, Mapping[str, Any]] | None = None
    masks: str | None = None

    @property
    def ranked_tasks(self) -> tuple[str, ...]:
        """The scored tasks of which a validation has both classes; without folds, all of them.

        Masks are scored whether films show a structure or not.
        """
        if self.folds is None or not self.splits or self.masks:
            return self.score_tasks
        valid = self.splits["valid"]
        return tuple(
            task
            for task in self.score_tasks
            if valid["positives"][task] and valid["negatives"][task]
        )


@dataclass(frozen=True)
class Split:
    """One split of a cache; row i of every array is the same image.

    Attributes:
        images: Read-only, (N, px, px) or (N, px, px, 3) uint8.
        labels: (N, tasks) float32; NaN is unknown, train may hold soft values in [0, 1].
        image_id: (N,) str.
        study_id: (N,) str.
        patient_id: (N,) str.
        files: Names of the files that the images are read from.
        rows: Which images of each of these files, one file after the other.
        masks: Read-only, (N, C, px, px) uint8: 0, 1, or 255 where nobody knows; None without masks.
    """

    images: Images
    labels: npt.NDArray[np.float32]
    image_id: npt.NDArray[np.str_]
    study_id: npt.NDArray[np.str_]
    patient_id: npt.NDArray[np.str_]
    files: tuple[str, ...] = ()
    rows: tuple[npt.NDArray[np.int64], ...] = ()
    masks: Images | None = None


def part_name(number: int) -> str:
    """Return the name of the part that a fold tests on."""
    return f"part{number}"


def read_card(cache: str | Path, fold: int | None = None) -> Card:
    """Read a cache's card.json, as one fold sees it where there are folds.

    Raises:
        UserError: The card is missing, is no JSON, lacks a key, or is not what was written; or the
            cache has no such fold.
    """
    return _card(Path(cache), _receipt(cache), fold)


def open_split(cache: str | Path, split: str, fold: int | None = None) -> Split:
    """Open one split: map its .npy and read its row group of the index, and touch no other.

    Of a data set in folds, "test" is the fold's part; the other splits are read from other parts.

    Labels and names are compared with what was written; `verify_pixels` compares the pixels.

    Args:
        cache: Folder of the cache.
        split: "train", "valid" or "test".
        fold: Which fold's; None where there are no folds.

    Raises:
        UserError: No such split or fold, or the cache is incomplete, inconsistent or damaged.
    """
    if split not in SPLITS:
        raise UserError(f"'{split}' is no split of a cache; choose one of {listed(SPLITS)}.")
    receipt = _receipt(cache)
    card = _card(Path(cache), receipt, fold)
    if card.folds is None:
        part = _Part.read(Path(cache), split, SPLITS.index(split), card, receipt)
        found = _joined([part], [np.arange(len(part.images))], scored=False)
        return _with_masks(found, cache, card)
    assert fold is not None
    parts, rows = [], []
    for number in _parts_of(split, fold, card.folds):
        if split != "test" and number == fold:
            raise UserError(
                f"the {split} images of fold {fold} were looked for in {part_name(number)}, which "
                "it tests on; no training opens that."
            )
        part = _Part.read(Path(cache), part_name(number), number, card, receipt)
        chosen = part.rows(split, fold)
        if len(chosen):
            parts.append(part)
            rows.append(chosen)
    return _with_masks(_joined(parts, rows, scored=split != "train"), cache, card)


def _with_masks(split: Split, cache: str | Path, card: Card) -> Split:
    if card.masks is None:
        return split
    shape = (len(card.tasks), card.image_px, card.image_px)
    try:
        return replace(split, masks=open_masks(Path(cache), split.files, split.rows, shape))
    except ValueError as error:
        raise _broken(cache, str(error)) from None


def _parts_of(split: str, fold: int, k: int) -> list[int]:
    """Return the parts that hold, or may hold, images of a split of a fold."""
    return [number for number in range(k) if (number == fold) == (split == "test")]


@dataclass(frozen=True)
class _Part:
    """A stored part: a split, or what one fold tests on."""

    name: str
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.float32]
    truth: npt.NDArray[np.float32]
    valid: list[list[int]]
    names: Mapping[str, list[str]]

    @classmethod
    def read(
        cls, cache: Path, name: str, group: int, card: Card, receipt: Mapping[str, Any]
    ) -> _Part:
        """Map a part's .npy and read its row group of the index."""
        columns = [LABEL + task for task in card.tasks]
        truths = [TRUTH + task for task in card.tasks] if card.folds else []
        more = [*truths, VALID] if card.folds else []
        try:
            index = pq.ParquetFile(cache / "index.parquet", page_checksum_verification=True)
            with index:
                table = index.read_row_group(group, columns=[*NAMES, "split", *columns, *more])
            images = np.load(cache / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            # By DLPack, because pyarrow's to_numpy imports pandas, which training does without.
            arrays = {
                column: np.from_dlpack(table.column(column).combine_chunks())
                for column in [*columns, *truths]
            }
            names = {column: table.column(column).to_pylist() for column in [*NAMES, "split"]}
            valid = table.column(VALID).to_pylist() if card.folds else []
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise _broken(cache, f"its {name} part cannot be read ({error})") from None
        if set(names.pop("split")) - {name} or len(images) != table.num_rows:
            raise _broken(cache, f"the index does not fit {name}.npy")
        labels = _matrix(arrays, columns)
        truth = _matrix(arrays, truths) if card.folds else labels
        digest = rows_sha256(names, labels)
        if card.folds:
            digest = folded_sha256(digest, truth, valid)
        if digest != receipt["rows"].get(name):
            raise _broken(
                cache, f"the {name} rows of index.parquet are not those that were written"
            )
        return cls(name, images, labels, truth, valid, names)

    def rows(self, split: str, fold: int) -> npt.NDArray[np.int64]:
        """Return the rows that belong to a split of a fold."""
        if split == "test":
            return np.arange(len(self.images))
        validates = np.array([fold in folds for folds in self.valid], np.bool_)
        return np.flatnonzero(validates == (split == "valid"))


def _matrix(
    arrays: Mapping[str, npt.NDArray[Any]], columns: Sequence[str]
) -> npt.NDArray[np.float32]:
    return np.stack([arrays[name] for name in columns], axis=1).astype(np.float32, copy=False)


def _joined(parts: Sequence[_Part], rows: Sequence[npt.NDArray[np.int64]], scored: bool) -> Split:
    """Return rows of parts, one part after the other."""
    images = stacked([part.images for part in parts], rows)
    labels = [part.truth if scored else part.labels for part in parts]
    chosen = list(zip(parts, rows, strict=True))
    names = {
        name: np.concatenate(
            [np.asarray(part.names[name], dtype=np.str_)[row] for part, row in chosen]
        )
        for name in NAMES
    }
    return Split(
        images=images,
        labels=np.concatenate([label[row] for label, row in zip(labels, rows, strict=True)]),
        files=tuple(f"{part.name}.npy" for part in parts),
        rows=tuple(rows),
        **names,
    )


def file_of_test(fold: int | None) -> str:
    """Return the name of the file whose images a fold, or a data set without folds, tests on."""
    return f"{'test' if fold is None else part_name(fold)}.npy"


def image_files(cache: str | Path) -> dict[str, str | None]:
    """Return the SHA-256 of each file of images in a cache, by name.

    Raises:
        UserError: The cache has no receipt.
    """
    files = _receipt(cache)["files"]
    found = (name for name in sorted(files) if name.endswith(".npy"))
    return {name: files[name] for name in found if not name.endswith(MASKS)}


def content_of(cache: str | Path) -> str:
    """Return the SHA-256 over ids, labels and pixels of all images in a cache, from its card.

    Raises:
        UserError: The cache has no receipt or no card, or the card is not what was written.
    """
    data, values = _card_values(Path(cache))
    _check_card(Path(cache), data, _receipt(cache))
    return str(values["content_sha256"])


def verify_pixels(cache: str | Path, *splits: Split) -> Verification:
    """Start to compare the files that some splits' pixels are read from with what was written.

    Whoever uses them calls `poll` now and then, and `wait` before anything that rests on them is
    published.

    Raises:
        UserError: The cache has no receipt.
    """
    names = [name for split in splits for name in split.files]
    names += [file_of_masks(name) for s in splits if s.masks is not None for name in s.files]
    return verify_images(cache, dict.fromkeys(names))


def verify_images(cache: str | Path, names: Iterable[str]) -> Verification:
    """Start to compare files of images with what was written, as `verify_pixels` does.

    Raises:
        UserError: The cache has no receipt.
    """
    files = _receipt(cache)["files"]
    return Verification(Path(cache), {name: files.get(name) for name in names}, _MEND)


def rows_sha256(names: Mapping[str, Sequence[str]], labels: npt.NDArray[np.float32]) -> str:
    """Return the SHA-256 of the names and labels of one split's rows.

    Args:
        names: For each of `NAMES`, one per row.
        labels: (N, tasks) float32; an unknown label has numpy's own NaN.
    """
    digest = hashlib.sha256(f"{labels.shape}".encode())
    for name in NAMES:
        digest.update("\0".join([name, *names[name], ""]).encode("utf-8"))
    digest.update(np.ascontiguousarray(labels, dtype="<f4").data)
    return digest.hexdigest()


def folded_sha256(rows: str, truth: npt.NDArray[np.float32], valid: Sequence[Sequence[int]]) -> str:
    """Return the SHA-256 of a part's rows: names, labels, true labels, and where they validate.

    Args:
        rows: What `rows_sha256` returns for the part.
        truth: (N, tasks) float32, NaN where there is no truth.
        valid: For each row, the folds that validate on it.
    """
    digest = hashlib.sha256(rows.encode())
    digest.update(np.ascontiguousarray(truth, dtype="<f4").data)
    digest.update(json.dumps([list(folds) for folds in valid]).encode())
    return digest.hexdigest()


def _receipt(cache: str | Path) -> dict[str, Any]:
    try:
        found = read_sealed(Path(cache) / RECEIPT, _MEND)
        return {"files": dict(found["files"]), "rows": dict(found["rows"])}
    except (OSError, KeyError, TypeError) as error:
        raise _broken(cache, f"{RECEIPT} cannot be read ({error})") from None


def _card(cache: Path, receipt: Mapping[str, Any], fold: int | None) -> Card:
    data, values = _card_values(cache)
    try:
        values = as_seen_by(values, fold)
        lists = {key: tuple(values[key]) for key in ("tasks", "score_tasks", "notes")}
        given = [field.name for field in fields(Card) if field.name not in _OPTIONAL]
        more = {name: values.get(name) for name in _OPTIONAL}
        card = Card(**{name: values[name] for name in given} | more | lists)
    except (ValueError, KeyError, TypeError) as error:
        raise _broken(cache, f"card.json cannot be read ({error})") from None
    _check_card(cache, data, receipt)
    return card


def _card_values(cache: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        data = (cache / "card.json").read_bytes()
        return data, dict(json.loads(data))
    except (OSError, ValueError, TypeError) as error:
        raise _broken(cache, f"card.json cannot be read ({error})") from None


def _check_card(cache: Path, data: bytes, receipt: Mapping[str, Any]) -> None:
    if sha256_bytes(data) != receipt["files"].get("card.json"):
        raise _broken(cache, "card.json is not what was written")


def _broken(cache: str | Path, what: str) -> UserError:
    return UserError(f"cache {cache} is broken: {what}; {_MEND}.")
