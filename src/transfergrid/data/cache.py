"""The cache of a data set: every image decoded and resized once, in files that train maps."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from transfergrid.data.arrays import deal, write_images, write_undealt
from transfergrid.data.blocks import Form
from transfergrid.data.counts import counts_by_part, counts_of_folds
from transfergrid.data.crossvalidation import truth
from transfergrid.data.declared import is_drawn
from transfergrid.data.images import JPEG_GAP, ImageFiles
from transfergrid.data.kinds import checked, read_unchecked
from transfergrid.data.likeness import find_twins
from transfergrid.data.manifest import IDS, Images, Manifest, choice
from transfergrid.data.mask_maps import file_of_masks
from transfergrid.data.origin import Origin, origin_of
from transfergrid.data.store import (
    LABEL,
    RECEIPT,
    TRUTH,
    VALID,
    Card,
    folded_sha256,
    rows_sha256,
)
from transfergrid.data.survey import Survey
from transfergrid.data.twins import groups_of, is_grouped, told_of_twins
from transfergrid.runtime.atomic import replacing_directory, scratch_directory, write_json
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import canonical_json, sha256_file, sha256_text
from transfergrid.runtime.progress import progress
from transfergrid.runtime.sealed import write_sealed

_SAID = ("white", "black", "duplicates", "group")
"""Settings that the card repeats where they were given."""
_LOOKED_FOR = 256
"""Files that a worker looks for at a time."""


def _publish_all(_: Origin) -> None:
    pass


def build_cache(
    declaration: Mapping[str, Any],
    root: Path | None,
    destination: Path,
    workers: int,
    admit: Callable[[Origin], None] = _publish_all,
) -> dict[str, Any]:
    """Read, check, decode and write a declared data set; all of it or nothing.

    Args:
        declaration: The data set's settings, see `transfergrid.data.kinds.read_manifest`; its
            ``id`` (by default the destination's name) up to the first hyphen is the name on the
            card.
        root: Where the data lie; None for kinds that need no place.
        destination: Folder to make or replace: one .npy a split, or a part of a data set in folds,
            index.parquet, card.json and receipt.json (the SHA-256 of each of the others, and of
            each split's or part's rows).
        workers: Threads that decode; Pillow works without the interpreter's lock.
        admit: Is told what the cache was made from, before it is published; may refuse it.

    Returns:
        The content of card.json.

    Raises:
        UserError: Any fault of the declaration or the manifest, and missing images, all of them
            together, before an image is read; broken images, all of them together, or images in two
            splits, after one pass; too small a disk; near duplicates that are asked for and cannot
            be told.
    """
    form = Form.declared(declaration)
    choice(declaration, "aggregate", ("max", "mean"))
    allowed = choice(declaration, "duplicates", ("refuse", "allow")) == "allow"
    grouped = is_grouped(declaration, form.px)
    destination.parent.mkdir(parents=True, exist_ok=True)
    drawn: Path | None = None
    with ExitStack() as stack:
        if is_drawn(str(declaration.get("kind"))):
            # Drawn to be read once: what is kept of them is the cache.
            drawn = stack.enter_context(scratch_directory(destination))
        place = drawn or root
        read = read_unchecked(declaration, place)
        manifest, images = checked(read, declaration, place), read.images
        name = str(declaration.get("id", destination.name)).partition("-")[0]
        needed = len(images) * int(np.prod(form.shape)) * (2 if grouped else 1)
        if read.masks is not None:
            needed += 2 * len(images) * len(read.tasks) * form.px**2
        _check_space(destination.parent, needed)
        _check_files(images, name, workers)
        _check_masks(read)
        survey = Survey(images.name, form.channels == "grey")
        with replacing_directory(destination) as folder:
            groups: npt.NDArray[np.int64] | None = None
            if read.masks is not None:
                shown = read.masks.write(form.px, form.rule, folder, workers, name)
                read = replace(read, table=_shown(read, shown))
                manifest = checked(read, declaration, place)
            if grouped:
                write_undealt(images, form, folder, workers, name, survey)
            else:
                files = write_images(images, _rows(manifest), form, folder, workers, name, survey)
            twins = find_twins(survey.prints, form.px, name, workers)
            if grouped:
                groups = groups_of(twins)
                manifest = checked(read, declaration, place, groups.astype(str))
                files = deal(folder, _rows(manifest))
            if read.masks is not None:
                files |= read.masks.deal(folder, _rows(manifest))
            alike, told = told_of_twins(manifest, twins, survey.contents, form.px, groups)
            seen = [*survey.warnings(), *survey.duplicates(manifest, allowed), *told]
            manifest = replace(manifest, notes=(*manifest.notes, *seen))
            rows, whole = _indexed(manifest, folder, files)
            stays = None if drawn else root
            origin = origin_of(manifest, survey, form.px, stays, whole, workers)
            card = {**_card(manifest, form, declaration, name, origin), "twins": alike}
            _seal(folder, card, files, rows)
            admit(origin)
    for sentence in seen:
        print(f"warning: data set {name}: {sentence}", file=sys.stderr)
    return card


def missing_files(images: Images, label: str, workers: int) -> list[tuple[str, str]]:
    """Look for every image's file without opening one; images that are no files are not missing.

    Args:
        images: The images.
        label: Name of the data set, for the line of progress.
        workers: Threads that look; a network's file system answers several at once.

    Returns:
        Name and fault, a sentence, of each file that is missing or no regular file.
    """
    if not isinstance(images, ImageFiles):
        return []

    def look(places: range) -> list[tuple[str, str]]:
        faults = ((images.name(index), images.missing(index)) for index in places)
        return [(name, fault) for name, fault in faults if fault]

    count = len(images)
    blocks = [
        range(start, min(start + _LOOKED_FOR, count)) for start in range(0, count, _LOOKED_FOR)
    ]
    with ThreadPoolExecutor(workers) as executor:
        found = zip(blocks, executor.map(look, blocks), strict=True)
        told = progress(found, count, f"looking for {label}", size=lambda block: len(block[0]))
        return [fault for _, faults in told for fault in faults]


def _check_files(images: Images, label: str, workers: int) -> None:
    lost = missing_files(images, label, workers)
    if lost:
        raise UserError(
            f"{len(lost)} of {len(images)} images are missing and nothing was written: "
            f"{listed([name for name, _ in lost])}; the first says: {lost[0][1]}"
        )


def _shown(manifest: Manifest, shown: npt.NDArray[np.float32]) -> pd.DataFrame:
    """Return a manifest's table with the structures (N, C) that each film shows."""
    return manifest.table.assign(**dict(zip(manifest.tasks, shown.T, strict=True)))


def _check_masks(manifest: Manifest) -> None:
    lost = manifest.masks.missing() if manifest.masks is not None else []
    if lost:
        raise UserError(
            f"{len(lost)} masks are missing and nothing was written: "
            f"{listed([name for name, _ in lost])}; the first says: {lost[0][1]}"
        )


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"the cache needs {needed / 1e9:.1f} GB and the disk of {folder} has {free / 1e9:.1f} "
            "GB free; make room or lower image_px."
        )


def _rows(manifest: Manifest) -> dict[str, npt.NDArray[np.intp]]:
    """Return the places of each split's, or part's, images in the manifest."""
    split = manifest.table["split"].to_numpy(dtype=str)
    return {name: np.flatnonzero(split == name) for name in manifest.parts}


def _indexed(
    manifest: Manifest, folder: Path, files: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Write the index; return each part's SHA-256 of its rows, and what stands for the content."""
    content = _write_index(manifest, folder / "index.parquet")
    rows = {part: content[part].pop("rows") for part in manifest.parts}
    content = {p: content[p] | {"pixels": files[f"{p}.npy"]} for p in manifest.parts}
    if manifest.masks is not None:
        content = {p: content[p] | {"masks": files[file_of_masks(p)]} for p in manifest.parts}
    return rows, {"tasks": list(manifest.tasks), "splits": content}


def _seal(
    folder: Path, card: Mapping[str, Any], files: Mapping[str, str], rows: Mapping[str, str]
) -> None:
    """Write the card, and the receipt of everything in the folder."""
    write_json(folder / "card.json", card)
    others = {file: sha256_file(folder / file) for file in ("index.parquet", "card.json")}
    write_sealed(folder / RECEIPT, {"files": {**files, **others}, "rows": dict(rows)})


def _write_index(manifest: Manifest, path: Path) -> dict[str, dict[str, str]]:
    """Write a row group per split or part; return the SHA-256 of its ids, labels and rows."""
    tasks = list(manifest.tasks)
    described = [(name, pa.string()) for name in IDS] + [("row", pa.int64())]
    described += [(LABEL + task, pa.float32()) for task in tasks]
    if manifest.folds is not None:
        described += [(TRUTH + task, pa.float32()) for task in tasks]
        described += [(VALID, pa.list_(pa.int64()))]
    schema = pa.schema(described)
    hashes = {}
    # No statistics: the footer, which every reader reads, would tell of the test labels.
    with pq.ParquetWriter(
        path, schema, compression="zstd", write_statistics=False, write_page_checksum=True
    ) as writer:
        for split in manifest.parts:
            here = (manifest.table["split"] == split).to_numpy()
            rows = manifest.table.loc[here]
            labels = rows[tasks].to_numpy(dtype=np.float32, copy=True)
            labels[np.isnan(labels)] = np.nan  # one bit pattern for every unknown label
            ids = {name: rows[name].astype(str).tolist() for name in IDS}
            columns = [pa.array(ids[name], pa.string()) for name in IDS]
            columns.append(pa.array(np.arange(len(rows), dtype=np.int64)))
            columns += [pa.array(labels[:, i]) for i in range(len(tasks))]
            digests = {
                "ids": sha256_text(canonical_json(ids)),
                "labels": hashlib.sha256(labels.astype("<f4").tobytes()).hexdigest(),
                "rows": rows_sha256(ids, labels),
            }
            if manifest.folds is not None:
                true = truth(manifest)[here]
                valid = [np.flatnonzero(row).tolist() for row in manifest.folds.valid[here]]
                columns += [pa.array(true[:, i]) for i in range(len(tasks))]
                columns.append(pa.array(valid, pa.list_(pa.int64())))
                digests["rows"] = digests["folds"] = folded_sha256(digests["rows"], true, valid)
            hashes[split] = digests
            writer.write_table(pa.table(columns, schema=schema), row_group_size=len(rows))
    return hashes


def _how_masks_are(manifest: Manifest) -> str | None:
    if manifest.masks is None:
        return None
    return "exclusive" if manifest.masks.exclusive else "overlapping"


def _card(
    manifest: Manifest, form: Form, declaration: Mapping[str, Any], name: str, origin: Origin
) -> dict[str, Any]:
    kind = str(declaration["kind"])
    card = Card(
        dataset=name,
        kind=kind,
        task_kind=manifest.task_kind,
        tasks=manifest.tasks,
        score_tasks=manifest.score_tasks,
        patients="known" if manifest.patients_known else "unknown",
        studies="known" if manifest.studies_known else "unknown",
        image_px=form.px,
        resize=form.rule,
        channels=1 if form.channels == "grey" else 3,
        synthetic=is_drawn(kind),
        aggregate=choice(declaration, "aggregate", ("max", "mean")),
        splits={} if manifest.folds else counts_by_part(manifest),
        content_sha256=origin.content_sha256,
        notes=manifest.notes,
        masks=_how_masks_are(manifest),
    )
    values = asdict(card)
    values |= {key: list(values[key]) for key in ("tasks", "score_tasks", "notes")}
    values |= {key: declaration[key] for key in _SAID if key in declaration}
    for key in ("folds", "parts", *(["masks"] if card.masks is None else [])):
        del values[key]
    if manifest.folds is not None:
        values |= counts_of_folds(manifest, manifest.folds)
    return values | {"jpeg_gap": JPEG_GAP, "decoders": origin.decoders}
