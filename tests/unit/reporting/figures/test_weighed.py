"""Figures of what training did to weights: what stands where, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from transfergrid.reporting.figures import drift, filters, layer_reset, style
from transfergrid.reporting.figures.data import FigureData

LAYERS = ("stem", "block1", "block2", "head")


def rows(layers: tuple[str, ...], architectures: tuple[str, ...] = ("net",)) -> pd.DataFrame:
    found: list[dict[str, Any]] = []
    for architecture in architectures:
        for pretraining, scale in (("random", 1.0), ("shapes", 0.2)):
            for seed in (0, 1):
                for depth, layer in enumerate(layers):
                    place = {"dataset": "phantom", "architecture": architecture, "truncation": 0}
                    own = {"protocol": "finetune", "pretraining": pretraining, "seed": seed}
                    value = scale * (depth + 1) + 0.1 * seed
                    name = f"{architecture}-{pretraining}-{seed}"
                    found.append(
                        {"cell": name, **place, **own, "layer": layer, "depth": depth, "v": value}
                    )
    return pd.DataFrame(found)


def drifted(table: pd.DataFrame) -> pd.DataFrame:
    return table.rename(columns={"v": "change"}).assign(group="all", cosine=0.5)


def reset(table: pd.DataFrame) -> pd.DataFrame:
    ends = {"difference_low": -table["v"] - 0.1, "difference_high": -table["v"] + 0.1}
    about = {"to": "initial", "metric": "auroc", "split": "test", "n": 50, "n_patients": 40}
    return table.assign(difference=-table["v"], **ends, **about)


def filtered(architectures: tuple[str, ...] = ("net",), count: int = 32) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    found = []
    for architecture in architectures:
        for number in range(count):
            ends = [" ".join(f"{v:.4g}" for v in rng.standard_normal(49)) for _ in range(2)]
            place = {"dataset": "phantom", "architecture": architecture, "truncation": 0}
            own = {"protocol": "finetune", "pretraining": "shapes", "seed": 0, "cell": architecture}
            size = {"height": 7, "width": 7, "correlation": number / count, "filter": number}
            found.append({**place, **own, **size, "before": ends[0], "after": ends[1]})
    return pd.DataFrame(found)


def lines_of(figure: Any) -> list[Any]:
    return [
        line
        for ax in figure.axes
        for line in ax.lines
        if line.get_marker() not in ("", "None", None)
    ]


def test_drift_is_the_mean_over_seeds_without_the_classifier(data: FigureData) -> None:
    own = replace(data, drift=drifted(rows(LAYERS)))
    with style.styled():
        figure = drift.draw(own)
    drawn = [line for line in lines_of(figure) if len(line.get_xdata()) == 3]
    found = np.array(sorted(list(line.get_ydata()) for line in drawn))
    np.testing.assert_allclose(found, [[0.25, 0.45, 0.65], [1.05, 2.05, 3.05]])
    assert "folds of 4 cells" in drift.caption(own)
    assert not drift.lack(own) and drift.lack(data)


def test_a_drop_has_its_interval_and_zero_its_line(data: FigureData) -> None:
    table = reset(rows(LAYERS))
    own = replace(data, layer_reset=table)
    with style.styled():
        figure = layer_reset.draw(own)
    drawn = [line for line in lines_of(figure) if len(line.get_xdata()) == 4]
    assert sorted(line.get_ydata()[0] for line in drawn) == pytest.approx([-1.05, -0.25])
    said = layer_reset.caption(own)
    assert "AUROC" in said and "50 studies of 40 patients (test split)" in said
    assert layer_reset.lack(data)


def test_more_networks_than_there_is_room_for_are_told(data: FigureData) -> None:
    many = tuple(f"net{number}" for number in range(14))
    own = replace(data, drift=drifted(rows(LAYERS, many)))
    assert len(drift.panels(own)) == 12
    assert "Of 14 networks the first 12 are drawn" in drift.caption(own)
    several = replace(data, filters=filtered(many + tuple(f"x{number}" for number in range(4)), 2))
    assert "Of 18 networks the first 16" in filters.caption(several)


def test_filters_are_evenly_taken_pairs_on_one_scale(data: FigureData) -> None:
    own = replace(data, filters=filtered())
    (network,) = filters.networks_of(own)
    assert list(network.rows["filter"]) == list(np.linspace(0, 31, 16).round().astype(int))
    assert network.count == 32 and "shapes weights, net" in network.title
    with style.styled():
        figure = filters.draw(own)
        svg = style.svg_text(figure, "filters")
    images = [ax.images[0] for ax in figure.axes]
    assert len(images) == 32
    for before, after in zip(images[::2], images[1::2], strict=True):
        assert before.get_clim() == after.get_clim()
        low, high = before.get_clim()
        largest = max(np.abs(one.get_array()).max() for one in (before, after))
        assert (low, high) == (-largest, largest)
    assert len(svg) < 150_000
    # On a phone, where the figure is 370 pixels wide, a filter still has a dozen.
    box = figure.axes[0].get_position()
    assert box.width * 370 > 15
    assert filters.lack(data)


def test_a_filter_whose_correlation_is_not_defined_has_no_number(data: FigureData) -> None:
    table = filtered(count=2)
    table.loc[0, "correlation"] = np.nan
    with style.styled():
        figure = filters.draw(replace(data, filters=table))
    texts = [text.get_text() for text in figure.texts]
    assert "" in texts and "+0.50" in texts
