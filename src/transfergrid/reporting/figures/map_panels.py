"""Class activation maps: the table of how well they point, and panels of the same films."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from transfergrid.evaluation.cam_record import CamRecord, read_record
from transfergrid.evaluation.localisation import THRESHOLD
from transfergrid.metrics.clustered import clustered_mean, clustered_share
from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import setting_title, truncation_name
from transfergrid.reporting.tables.files import write_table
from transfergrid.reporting.tables.stage_files import seal_stage
from transfergrid.runtime.atomic import write_text

AXES = ("dataset", "architecture", "pretraining", "truncation", "protocol", "seed")
MAX_ROWS = 30  # of films in the figure; the table holds every network
TILE_PX = 160  # largest side of a film in the figure
HEAT, HEAT_SHARE = "inferno", 0.65
# Bright on a dark film, no shade of the heat's colours, and as they are on a dark page.
OUTLINE, CROSS = "#4fd8ff", "#fdfdfd"
TEXT, HEADER = 0.2, 0.58  # inches under a row of films, and above a network's rows


def read_records(study: Mapping[str, Any], folder: Path) -> dict[str, CamRecord]:
    """Read the records of a study's cells that have maps, in the study's order."""
    return {cell: read_record(folder / f"{cell}.npz") for cell in study["cams"]}


def cams_table(study: Mapping[str, Any], records: Mapping[str, CamRecord]) -> pd.DataFrame:
    """Return one row a cell and task, or one row where a cell has no marks.

    Args:
        study: The stamp's content: cells and evaluation.
        records: Records by cell.
    """
    entries = {entry["cell"]: entry for entry in study["cells"]}
    confidence = float(study["evaluation"]["confidence"])
    rows: list[dict[str, Any]] = []
    for cell, record in records.items():
        axes = {"cell": cell, **{axis: entries[cell][axis] for axis in AXES}}
        height, width = (int(side) for side in record.map_px)
        known: dict[str, Any] = {"map_px": f"{height}x{width}" if height else ""}
        known |= {"method": record.method, "step": record.step, "region": THRESHOLD}
        # Regions may be known for none of a task's films.
        tasks = list(dict.fromkeys(record.mark_task.tolist())) or [""]
        for task in sorted(tasks):
            marks = _marks(record, record.mark_task == task, confidence)
            rows.append({**axes, "status": record.status, "task": task, **marks, **known})
    return pd.DataFrame(rows)


def _marks(record: CamRecord, rows: NDArray[np.bool_], confidence: float) -> dict[str, Any]:
    patient = record.mark_patient[rows]
    hit = clustered_share(record.hit[rows], patient, confidence)
    iou = clustered_mean(record.iou[rows], patient, confidence)
    random_hit, random_iou = record.random_hit[rows], record.random_iou[rows]
    return {
        "n": hit.n,
        "n_patients": hit.n_patients,
        "pointing": hit.estimate,
        "pointing_low": hit.low,
        "pointing_high": hit.high,
        "pointing_random": float(random_hit.mean()) if hit.n else float("nan"),
        "iou": iou.estimate,
        "iou_low": iou.low,
        "iou_high": iou.high,
        "blank": float(record.blank[rows].mean()) if hit.n else float("nan"),
        "iou_random": float(random_iou.mean()) if hit.n else float("nan"),
    }


def write_panels(study: Mapping[str, Any], folder: Path) -> None:
    """Write a study's tables/cams.csv and figures/cams.svg from the records in its cams/.

    Args:
        study: The stamp's content; `cams` names the cells that have a record.
        folder: Folder of the study.
    """
    records = read_records(study, folder / "cams")
    write_table(cams_table(study, records), folder / "tables" / "cams.csv")
    with style.styled():
        text = style.svg_text(cam_panels(study, records), "cams")
    write_text(folder / "figures" / "cams.svg", text)
    seal_stage(folder, "panels")


@dataclass(frozen=True)
class Network:
    """One network's maps in the figure.

    Attributes:
        name: Architecture, pretraining and setting.
        records: Its record by truncation.
    """

    name: str
    records: Mapping[int, CamRecord]

    @property
    def films(self) -> int:
        """Rows that it takes."""
        return len(next(iter(self.records.values())).film_image)


def networks_of(study: Mapping[str, Any], records: Mapping[str, CamRecord]) -> list[Network]:
    """Return the networks of the figure: of each the lowest seed that has maps at all depths.

    Networks that were truncated come first, by the study's order; where there are any, the others
    are left to the table.
    """
    entries = [entry for entry in study["cells"] if entry["cell"] in records]
    settings = list(dict.fromkeys((e["dataset"], e["protocol"]) for e in entries))
    groups: dict[tuple[str, ...], dict[int, dict[int, CamRecord]]] = {}
    for entry in entries:
        record = records[entry["cell"]]
        if record.status == "finished" and len(record.film_image):
            key = tuple(entry[a] for a in ("dataset", "protocol", "architecture", "pretraining"))
            groups.setdefault(key, {}).setdefault(entry["seed"], {})[entry["truncation"]] = record
    found = []
    for (dataset, protocol, architecture, pretraining), seeds in groups.items():
        depths = max(len(by) for by in seeds.values())
        first = min(seed for seed, by in seeds.items() if len(by) == depths)
        where = setting_title((dataset, protocol), settings)
        name = " · ".join(filter(None, (architecture, pretraining, where, f"seed {first}")))
        found.append(Network(name, dict(sorted(seeds[first].items()))))
    cut = [network for network in found if len(network.records) > 1]
    return cut or found


def shown_networks(networks: Sequence[Network]) -> list[Network]:
    """Return the first networks that fit into `MAX_ROWS` rows of films, at least one."""
    ends = np.cumsum([network.films for network in networks])
    return [n for n, end in zip(networks, ends, strict=True) if end <= MAX_ROWS] or [*networks[:1]]


def cam_panels(study: Mapping[str, Any], records: Mapping[str, CamRecord]) -> Figure:
    """Draw films with their true regions and each depth's map over them, a block a network."""
    networks = shown_networks(networks_of(study, records))
    if not networks:
        return style.sentence_only("No cell of this study has a class activation map.")
    columns = 1 + max(len(network.records) for network in networks)
    tile = min(style.WIDTH / columns, 1.4)
    heights = [HEADER + network.films * (tile + TEXT) for network in networks]
    figure = style.new_figure(sum(heights))
    figure.set_layout_engine("none")
    top = sum(heights)
    for network, height in zip(networks, heights, strict=True):
        _block(figure, network, tile, top)
        top -= height
    return figure


def _block(figure: Figure, network: Network, tile: float, top: float) -> None:
    """Draw one network below `top` inches."""
    _text(figure, 0.02, top - 0.14, network.name, weight="bold")
    heads = ["film"] + [
        f"{truncation_name(depth)}\n{' × '.join(str(int(side)) for side in record.map_px)} pixels"
        for depth, record in network.records.items()
    ]
    for column, head in enumerate(heads):
        size = 8 if tile > 1.1 else 7
        _text(figure, column * tile + 0.02, top - HEADER + 0.04, head, va="bottom", fontsize=size)
    records = list(network.records.values())
    for row in range(network.films):
        bottom = top - HEADER - (row + 1) * (tile + TEXT) + TEXT
        task = str(records[0].film_task[row]).replace("_", " ")
        _text(figure, 0.02, bottom - 0.12, task, fontsize=8)
        _film(_tile(figure, 0, bottom, tile), records[0], row)
        for column, record in enumerate(records, start=1):
            _map(_tile(figure, column, bottom, tile), record, row)
            text = film_note(record, row)
            _text(figure, column * tile + 0.02, bottom - 0.12, text, fontsize=8)


def _text(figure: Figure, x: float, y: float, text: str, **how: Any) -> None:
    height = figure.get_figheight()
    figure.text(x / style.WIDTH, y / height, text, **{"va": "center", **how})


def _tile(figure: Figure, column: int, bottom: float, tile: float) -> Axes:
    gap, height = 0.04, figure.get_figheight()
    side = tile - gap
    box = (column * tile / style.WIDTH, bottom / height, side / style.WIDTH, side / height)
    ax = figure.add_axes(box)
    ax.set_axis_off()
    return ax


def _shrunk(pixels: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(pixels).convert("RGB")
    image.thumbnail((TILE_PX, TILE_PX), Image.Resampling.BILINEAR)
    return image


def _film(ax: Axes, record: CamRecord, row: int) -> None:
    image = _shrunk(record.film_pixels[row])
    _picture(ax, np.asarray(image), record, row)


def heated(record: CamRecord, row: int) -> NDArray[np.uint8]:
    """Return a film with its map over it, (h, w, 3) pixels of at most `TILE_PX` a side."""
    image = _shrunk(record.film_pixels[row])
    values = record.film_map[row].astype(np.float32)
    heat = np.asarray(Image.fromarray(values).resize(image.size, Image.Resampling.BILINEAR))
    colours = 255 * matplotlib.colormaps[HEAT](heat)[..., :3]
    share = HEAT_SHARE * np.clip(heat, 0, 1)[..., None]
    mixed = (1 - share) * np.asarray(image) + share * colours
    return mixed.astype(np.uint8)


def _map(ax: Axes, record: CamRecord, row: int) -> None:
    _picture(ax, heated(record, row), record, row)
    y, x = record.film_peak[row] + 0.5
    ax.plot(x, y, marker="x", markersize=5, markeredgewidth=1.4, color=CROSS, clip_on=False)


def _picture(ax: Axes, pixels: NDArray[np.uint8], record: CamRecord, row: int) -> None:
    side = record.film_pixels.shape[1]
    ax.imshow(pixels, interpolation="none", extent=(0, side, side, 0))
    truth = record.film_truth[row]
    if truth.any():
        # A frame of nothing closes the outline of a region at the edge.
        framed = np.pad(truth, 1).astype(np.float32)
        at = np.arange(-1, side + 1) + 0.5
        ax.contour(at, at, framed, levels=[0.5], colors=[OUTLINE], linewidths=0.9)
    ax.set_xlim(0, side)
    ax.set_ylim(side, 0)


def film_note(record: CamRecord, row: int) -> str:
    """Say what a film's map comes with: probability, and overlap where the region is known."""
    text = f"p {record.film_probability[row]:.2f}"
    if not record.film_map[row].any():
        return f"{text}, blank"
    same = (record.mark_image == record.film_image[row]) & (
        record.mark_task == record.film_task[row]
    )
    if same.any():
        text += f", IoU {float(record.iou[same][0]):.2f}"
    return text
