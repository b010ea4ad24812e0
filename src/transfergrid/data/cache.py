"""The cache of a data set: every image decoded and resized once, in files that train maps."""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from transfergrid.data.counts import counts_by_part, counts_of_folds
from transfergrid.data.crossvalidation import truth
from transfergrid.data.declared import is_drawn
from transfergrid.data.images import CHANNELS, JPEG_GAP, RULES, ImageFiles, decoded, resize
from transfergrid.data.kinds import read_manifest
from transfergrid.data.manifest import IDS, Images, Manifest, choice
from transfergrid.data.numbers import Pixels
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
from transfergrid.data.survey import Seen, Survey
from transfergrid.runtime.atomic import replacing_directory, scratch_directory, write_json
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import canonical_json, sha256_file, sha256_text
from transfergrid.runtime.progress import progress
from transfergrid.runtime.sealed import write_sealed

_SAID = ("white", "black", "duplicates")
"""Settings that the card repeats where they were given."""
_LOOKED_FOR = 256
"""Files that a worker looks for at a time."""
_AT_ONCE = 8
"""Images that a worker is handed at a time."""
_AHEAD = 2
"""Blocks per worker decoded ahead of the writer: bounds memory and keeps the workers busy."""


@dataclass(frozen=True)
class _Form:
    """The form of every image in a cache."""

    px: int
    rule: str
    channels: str

    @classmethod
    def declared(cls, declaration: Mapping[str, Any]) -> _Form:
        """Take it from a data set's settings."""
        px = declaration.get("image_px")
        if not isinstance(px, int) or px < 1:
            raise UserError(f"image_px is '{px}'; give the images' side as a whole number above 0.")
        rule = choice(declaration, "resize", RULES)
        return cls(px, rule, choice(declaration, "channels", CHANNELS))

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.px, self.px) if self.channels == "grey" else (self.px, self.px, 3)


@dataclass(frozen=True)
class _Broken:
    name: str
    reason: str


@dataclass(frozen=True)
class _Block:
    """Images in a row, (N, *shape) uint8, what was seen of them, and those that are broken."""

    pixels: Pixels
    seen: tuple[Seen, ...]
    broken: tuple[_Broken, ...]

    def __len__(self) -> int:
        return len(self.pixels)


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
            splits, after one pass; too small a disk.
    """
    form = _Form.declared(declaration)
    choice(declaration, "aggregate", ("max", "mean"))
    allowed = choice(declaration, "duplicates", ("refuse", "allow")) == "allow"
    destination.parent.mkdir(parents=True, exist_ok=True)
    drawn: Path | None = None
    with ExitStack() as stack:
        if is_drawn(str(declaration.get("kind"))):
            # Drawn to be read once: what is kept of them is the cache.
            drawn = stack.enter_context(scratch_directory(destination))
        manifest = read_manifest(declaration, drawn or root)
        name = str(declaration.get("id", destination.name)).partition("-")[0]
        _check_space(destination.parent, len(manifest.table) * int(np.prod(form.shape)))
        _check_files(manifest.images, name, workers)
        survey = Survey(manifest.images.name, form.channels == "grey")
        with replacing_directory(destination) as folder:
            files = _write_images(manifest, form, folder, workers, name, survey)
            seen = [*survey.warnings(), *survey.duplicates(allowed, in_folds=bool(manifest.folds))]
            manifest = replace(manifest, notes=(*manifest.notes, *seen))
            rows, whole = _indexed(manifest, folder, files)
            stays = None if drawn else root
            origin = origin_of(manifest.images, survey.digests, stays, whole, workers)
            card = _card(manifest, form, declaration, name, origin)
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


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"the cache needs {needed / 1e9:.1f} GB and the disk of {folder} has {free / 1e9:.1f} "
            "GB free; make room or lower image_px."
        )


def _write_images(
    manifest: Manifest, form: _Form, folder: Path, workers: int, label: str, survey: Survey
) -> dict[str, str]:
    """Write one .npy a split or part, show each image to the survey; return the files' SHA-256."""
    split = manifest.table["split"].to_numpy(dtype=str)
    rows = {name: np.flatnonzero(split == name) for name in manifest.parts}
    files: dict[str, str] = {}
    broken: list[_Broken] = []
    with ThreadPoolExecutor(workers) as executor:
        decoded = _decoded(executor, manifest.images, form, list(rows.values()), workers)
        blocks = progress(decoded, len(split), f"decoding {label}", size=len)
        for name in manifest.parts:
            with open(folder / f"{name}.npy", "wb") as file:
                header = _npy_header((len(rows[name]), *form.shape))
                file.write(header)
                digest = hashlib.sha256(header)
                for _ in range(0, len(rows[name]), _AT_ONCE):
                    block = next(blocks)
                    broken += block.broken
                    for image in block.seen:
                        survey.add(name, image)
                    if not broken:
                        # Hashed as it is written, so that no byte is read again.
                        file.write(block.pixels.data)
                        digest.update(block.pixels.data)
            files[f"{name}.npy"] = digest.hexdigest()
        next(blocks, None)
    if broken:
        raise UserError(
            f"{len(broken)} of {len(split)} images are broken and nothing was written: "
            f"{listed([image.name for image in broken])}; the first says: {broken[0].reason}"
        )
    return files


def _decoded(
    executor: ThreadPoolExecutor,
    images: Images,
    form: _Form,
    splits: Sequence[npt.NDArray[np.intp]],
    workers: int,
) -> Iterator[_Block]:
    """Yield each split's images in order, a few at once, while the next ones are decoded."""
    ahead = _AHEAD * workers
    parts = [
        rows[start : start + _AT_ONCE] for rows in splits for start in range(0, len(rows), _AT_ONCE)
    ]
    waiting: deque[Future[_Block]] = deque()
    try:
        for number, part in enumerate(parts):
            if len(waiting) == ahead:
                yield waiting.popleft().result()
            later = parts[number + ahead] if number + ahead < len(parts) else part[:0]
            waiting.append(executor.submit(_decode, images, form, part, later))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _decode(
    images: Images, form: _Form, rows: npt.NDArray[np.intp], later: npt.NDArray[np.intp]
) -> _Block:
    """Decode images, once those that come later are on their way from the disk."""
    if isinstance(images, ImageFiles):
        for index in later.tolist():
            images.fetch(index)
    pixels = np.zeros((len(rows), *form.shape), np.uint8)
    seen, broken = [], []
    for place, index in enumerate(rows.tolist()):
        try:
            image = decoded(images, index)
            pixels[place] = resize(image.pixels, form.px, form.rule, form.channels)
        except (OSError, ValueError) as error:
            broken.append(_Broken(images.name(index), str(error)))
        else:
            seen.append(Seen(index, image.sha256, image.look))
    return _Block(pixels, tuple(seen), tuple(broken))


def _npy_header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    return header.getvalue()


def _indexed(
    manifest: Manifest, folder: Path, files: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Write the index; return each part's SHA-256 of its rows, and what stands for the content."""
    content = _write_index(manifest, folder / "index.parquet")
    rows = {part: content[part].pop("rows") for part in manifest.parts}
    content = {p: content[p] | {"pixels": files[f"{p}.npy"]} for p in manifest.parts}
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


def _card(
    manifest: Manifest, form: _Form, declaration: Mapping[str, Any], name: str, origin: Origin
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
    )
    values = asdict(card)
    values |= {key: list(values[key]) for key in ("tasks", "score_tasks", "notes")}
    values |= {key: declaration[key] for key in _SAID if key in declaration}
    for key in ("folds", "parts"):
        del values[key]
    if manifest.folds is not None:
        values |= counts_of_folds(manifest, manifest.folds)
    return values | {"jpeg_gap": JPEG_GAP, "decoders": origin.decoders}
