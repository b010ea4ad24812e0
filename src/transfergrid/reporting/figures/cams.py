"""What the networks look at: class activation maps over the same films, a block per network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from transfergrid.evaluation.cam_record import CamRecord
from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.films import CROSS, OUTLINE, film_note, heated, shrunk
from transfergrid.reporting.figures.summaries import setting_title, truncation_name
from transfergrid.reporting.tables.cam_summary import pointing_summary
from transfergrid.reporting.words import level, listing, plurals

WHOLE = "all"
"""Stands for no fold."""
MAX_ROWS = 30  # of films in the figure; the table holds every network
TEXT, HEADER = 0.2, 0.58  # inches under a row of films, and above a network's rows


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


def networks_of(data: FigureData) -> list[Network]:
    """Return the networks of the figure: of each the first seed and fold with maps at all depths.

    Networks that were truncated come first, by the study's order; where there are any, the others
    are left to the table.
    """
    trained = data.trained
    entries = trained[trained["cell"].isin(list(data.maps))].to_dict("records")
    settings = list(dict.fromkeys((e["dataset"], e["protocol"]) for e in entries))
    groups: dict[tuple[str, ...], dict[tuple[int, str], dict[int, CamRecord]]] = {}
    for entry in entries:
        record = data.maps[entry["cell"]]
        if record.status == "finished" and len(record.film_image):
            key = tuple(entry[a] for a in ("dataset", "protocol", "architecture", "pretraining"))
            turn = (entry["seed"], str(entry.get("fold", WHOLE)))
            groups.setdefault(key, {}).setdefault(turn, {})[entry["truncation"]] = record
    found = []
    for (dataset, protocol, architecture, pretraining), seeds in groups.items():
        depths = max(len(by) for by in seeds.values())
        first = min(turn for turn, by in seeds.items() if len(by) == depths)
        where = setting_title((dataset, protocol), settings)
        fold = "" if first[1] == WHOLE else f"fold {first[1]}"
        told = (architecture, pretraining, where, f"seed {first[0]}", fold)
        found.append(Network(" · ".join(filter(None, told)), dict(sorted(seeds[first].items()))))
    cut = [network for network in found if len(network.records) > 1]
    return cut or found


def shown_networks(networks: Sequence[Network]) -> list[Network]:
    """Return the first networks that fit into `MAX_ROWS` rows of films, at least one."""
    ends = np.cumsum([network.films for network in networks])
    return [n for n, end in zip(networks, ends, strict=True) if end <= MAX_ROWS] or [*networks[:1]]


def lack(data: FigureData) -> str:
    """Say why there is no map to draw; empty if there is one."""
    return "" if networks_of(data) else "No cell of this study has a class activation map."


def caption(data: FigureData) -> str:
    """State n, intervals and method of the maps' marks, and which networks have no map."""
    table = data.cams
    done = table[table["status"] == "finished"]
    text = (
        "Class activation maps of the best checkpoint by validation score, on the first positive "
        "test films in the order of their ids: chosen by label and name, the same for every "
        f"network. Of each network the lowest seed{'' if data.folds.empty else ' and fold'}. "
        "Colour: the map, rectified and enlarged from the size that stands above it; cross: its "
        "highest point, before it is rectified; blank: no pixel is above zero; p: the checkpoint's "
        "probability."
    )
    methods = {"CAM": "one product of feature map and weights", "Grad-CAM": "gradients"}
    used = [words for name, words in methods.items() if (done["method"] == name).any()]
    if used:
        text += f" Made by {listing(used)}."
    if done["n"].sum():
        text += (
            " Outline: the true region; IoU: its overlap with the map's region, by "
            f"{done['region'].iloc[0]}. {pointing_summary(done)} cams.csv has each cell and task, "
            f"with {plurals(done['n'], 'film')} of {plurals(done['n_patients'], 'patient')} and "
            f"{level(data.confidence)} intervals by patient (Wilson for the pointing game, "
            "Student's t for IoU). No test is made."
        )
    left = table.loc[table["status"] != "finished", ["cell", "status"]].drop_duplicates()
    if len(left):
        names = [f"{row['cell']} ({row['status']})" for row in left.to_dict("records")]
        text += f" Without maps: {listing(names)}."
    return text


def draw(data: FigureData) -> Figure:
    """Draw films with their true regions and each depth's map over them, a block per network."""
    networks = shown_networks(networks_of(data))
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


def _film(ax: Axes, record: CamRecord, row: int) -> None:
    image = shrunk(record.film_pixels[row])
    _picture(ax, np.asarray(image), record, row)


def _map(ax: Axes, record: CamRecord, row: int) -> None:
    _picture(ax, heated(record, row), record, row)
    y, x = record.film_peak[row] + 0.5
    ax.plot(x, y, marker="x", markersize=5, markeredgewidth=1.4, color=CROSS, clip_on=False)


def _picture(ax: Axes, pixels: NDArray[np.uint8], record: CamRecord, row: int) -> None:
    side = record.film_pixels.shape[1]
    ax.imshow(pixels, interpolation="none", extent=(0, side, side, 0))
    truth = record.film_truth[row]
    if truth.any():
        # An empty frame closes the outline of a region at the edge.
        framed = np.pad(truth, 1).astype(np.float32)
        at = np.arange(-1, side + 1) + 0.5
        ax.contour(at, at, framed, levels=[0.5], colors=[OUTLINE], linewidths=0.9)
    ax.set_xlim(0, side)
    ax.set_ylim(side, 0)
