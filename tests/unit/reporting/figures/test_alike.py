"""Figures of how alike networks are, from made-up tables with the pairs that planning makes."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.text import Text
from unit.reporting.figures.test_overprint import faults
from unit.reporting.figures.wide import wide
from unit.reporting.made_up_alike import LAYERS, agreement_of, cells_of, similarity_of

from transfergrid.catalog.figures import FIGURES
from transfergrid.catalog.tables import ANALYSES
from transfergrid.reporting.figures import (
    alike,
    feature_pairs,
    features,
    gains,
    palette,
    prediction_pairs,
    predictions,
    style,
)
from transfergrid.reporting.figures.data import ASKED_BY, FigureData
from transfergrid.reporting.figures.drawing import module_of
from transfergrid.reporting.figures.matrix import CHANCE

ALIKE = {
    figure.name: module_of(figure)
    for figure in FIGURES
    if figure.section in ("features", "predictions")
}
SOURCES = ("random", "imagenet", "birds")


def data_of(
    datasets: tuple[str, ...] = ("chest", "breast"),
    networks: tuple[str, ...] = ("resnet18",),
    sources: tuple[str, ...] = SOURCES,
    protocols: tuple[str, ...] = ("freeze", "no_freeze"),
    seeds: int = 2,
    layers: tuple[str, ...] = LAYERS,
) -> FigureData:
    cells = cells_of(datasets, networks, sources, protocols, seeds=seeds)
    none = pd.DataFrame()
    return FigureData(
        pd.DataFrame(cells),
        none,
        none,
        {},
        {},
        similarity=similarity_of(cells, layers),
        agreement=agreement_of(cells),
    )


@pytest.fixture(scope="module")
def data() -> FigureData:
    return data_of()


def at(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    for name, value in values.items():
        table = table[table[name] == value]
    return table


def test_a_profile_is_the_mean_over_seeds_of_the_pairs_of_its_kind(data: FigureData) -> None:
    groups = {group.pair: group for group in features.groups_of(data)}
    assert set(groups) == set(features.HEADINGS) - {"drawn"}  # weights are random or loaded here
    after = groups["before_after"]
    # Two data sets by two protocols; a moment begins a row.
    assert [len(row) for row in after.rows] == [2, 2]
    assert after.rows[1][0].title == ("chest", "no_freeze")
    own = at(data.similarity, pair="before_after", dataset="chest", measure="mean_cca")
    own = at(own, right_protocol="no_freeze", right_pretraining="imagenet")
    assert len(own) == 2 * len(LAYERS)
    expected = own.groupby("depth")[["value", "low", "high"]].mean()
    found = after.rows[1][0].profiles["imagenet"]
    assert np.allclose(found[["value", "low", "high"]], expected)
    assert list(found["layer"]) == list(LAYERS)
    assert groups["sources_before"].subjects == ["imagenet – birds"]
    assert groups["random"].subjects == ["imagenet", "birds"]
    # Before training only drawn weights have seeds.
    assert list(groups["seeds"].rows[0][0].profiles) == ["random"]
    assert groups["seeds"].rows[0][0].title == ("chest", "before training")
    assert groups["protocols"].panels[0].title == ("chest",)


def test_panels_follow_each_other_where_data_sets_have_recipes_of_their_own() -> None:
    together = data_of(("chest", "breast"), protocols=("freeze", "no_freeze"), seeds=3)
    alone = data_of(("films",), protocols=("freeze_600", "no_freeze_600"), seeds=3)
    both = pd.concat([together.similarity, alone.similarity], ignore_index=True)
    groups = {g.pair: g for g in features.groups_of(replace(together, similarity=both))}
    assert [len(row) for row in groups["before_after"].rows] == [3, 3]
    assert [len(row) for row in groups["sources_before"].rows] == [3]
    equal = {group.pair: group for group in features.groups_of(together)}
    assert [len(row) for row in equal["before_after"].rows] == [2, 2]


def test_the_caption_of_gains_tells_of_the_data_sets_that_it_shows() -> None:
    data = wide(2)
    elsewhere = data.cells.assign(dataset="elsewhere", n_patients=99)
    more = replace(data, cells=pd.concat([data.cells, elsewhere], ignore_index=True))
    assert "elsewhere" not in gains.caption(more) and "99" not in gains.caption(more)
    assert "160 patients in the test split of films" in gains.caption(more)


def test_lines_and_floor_are_drawn_where_the_table_says(data: FigureData) -> None:
    with style.styled():
        figure = features.draw(data)
    panels = [panel for group in features.groups_of(data) for panel in group.panels]
    assert len(figure.axes) == len(panels)
    for ax, panel in zip(figure.axes, panels, strict=True):
        lines = [line for line in ax.lines if line.get_marker() in {"o", *palette.MARKERS}]
        drawn = [line for line in lines if len(line.get_xdata())]
        for line, rows in zip(drawn, panel.profiles.values(), strict=True):
            assert list(line.get_ydata()) == list(rows["value"])
        (band,) = [one for one in ax.collections if isinstance(one, PolyCollection)]
        ends = band.get_paths()[0].vertices[:, 1]
        assert ends.min() == panel.floor["floor_low"].min()
        assert ends.max() == panel.floor["floor_high"].max()


def test_the_matrix_of_states_has_two_measures_of_the_deepest_layer(data: FigureData) -> None:
    first = feature_pairs.matrices_of(data)[0]
    assert first.title == "chest" and first.names[0] == "random, before"
    assert len(first.names) == 3 + 3 * 2
    for (row, column), value in np.ndenumerate(first.values):
        measure = "mean_cca" if row >= column else "cka_debiased"
        own = at(data.similarity, dataset="chest", layer="pooled", measure=measure)
        ends = [
            own[f"{side}_pretraining"].str.cat(
                own[f"{side}_protocol"].where(own[f"{side}_state"] == "final", "before"), ", "
            )
            for side in ("left", "right")
        ]
        names = first.names[row], first.names[column]
        mine = ((ends[0] == names[0]) & (ends[1] == names[1])) | (
            (ends[0] == names[1]) & (ends[1] == names[0])
        )
        if not mine.any():
            assert np.isnan(value)
            continue
        assert value == pytest.approx(own.loc[mine, "value"].mean())
        assert first.chance[row, column] == (value <= own.loc[mine, "floor_high"].mean())
    assert first.chance.any() and not first.chance.all()
    with style.styled():
        texts = [text.get_text() for text in feature_pairs.draw(data).axes[0].texts]
    assert sum(text.endswith(CHANCE) for text in texts) == first.chance.sum()


def test_agreement_stands_between_its_baseline_and_ceiling(data: FigureData) -> None:
    table = data.agreement
    low = np.where(table["pair"] == "random", table["baseline"] - 0.01, table["low"])
    changed = replace(data, agreement=table.assign(low=low))
    with style.styled():
        axes = predictions.draw(changed).axes
    for ax, panel in zip(axes, predictions.panels_of(changed), strict=True):
        dots = [line for line in ax.lines if line.get_marker() == "o"]
        rows = [(head, label, row) for head, each in panel.groups for label, row in each]
        for dot, bar, (head, label, row) in zip(dots, ax.patches, rows, strict=True):
            own = at(changed.agreement, dataset=panel.title, measure="agreement")
            own = own[own["task"].isna() & (own["pair"] == pair_of(head))]
            own = own[own.apply(name_of, axis=1) == label]
            mean = own[["value", "baseline", "ceiling"]].mean()
            assert dot.get_xdata()[0] == pytest.approx(mean["value"])
            assert bar.get_x() == pytest.approx(mean["baseline"])
            assert bar.get_x() + bar.get_width() == pytest.approx(mean["ceiling"])
            filled = dot.get_markerfacecolor() != palette.PAPER
            assert filled == (row["low"] > row["baseline"]) == (pair_of(head) != "random")
    assert {pair_of(head) for head, _ in panel.groups} == set(predictions.HEADINGS) - {"drawn"}


def pair_of(heading: str) -> str:
    return next(pair for pair, words in predictions.HEADINGS.items() if words == heading)


def name_of(row: pd.Series) -> str:
    parts = [
        " – ".join(dict.fromkeys([row[f"left_{axis}"], row[f"right_{axis}"]]))
        for axis in ("pretraining", "protocol")
    ]
    return ", ".join(parts)


def test_arms_are_compared_seed_by_seed_in_the_matrix_of_predictions(data: FigureData) -> None:
    first = prediction_pairs.matrices_of(data)[0]
    assert np.isfinite(first.values[:-1]).all()  # the last arm's second seed diverged
    other = data.agreement["left_seed"] != data.agreement["right_seed"]
    crossed = other & (data.agreement["pair"] == "several")
    assert crossed.any()
    wrong = data.agreement["value"].mask(crossed, 9.0)
    again = prediction_pairs.matrices_of(
        replace(data, agreement=data.agreement.assign(value=wrong))
    )
    assert np.array_equal(again[0].values, first.values, equal_nan=True)
    own = at(data.agreement, dataset="chest", measure="agreement", pair="seeds")
    own = at(own, left_pretraining="imagenet", left_protocol="freeze")
    here = first.names.index("imagenet, freeze")
    assert first.values[here, here] == own.loc[own["task"].isna(), "value"].mean()


def test_tables_that_not_all_studies_have_are_those_of_stages_that_are_asked_for() -> None:
    asked_by = {table.name: stage.asked_by for stage in ANALYSES for table in stage.tables}
    read = {name for figure in FIGURES for name in figure.reads}
    assert {name: asked_by[name] for name in read if asked_by[name]} == ASKED_BY


def test_a_study_with_nothing_compared_has_none_of_them(data: FigureData) -> None:
    none = replace(data, similarity=pd.DataFrame(), agreement=pd.DataFrame())
    lost = replace(
        data,
        similarity=data.similarity[data.similarity["flags"] == "diverged"],
        agreement=data.agreement[data.agreement["flags"] == "diverged"],
    )
    assert len(lost.similarity) and len(lost.agreement)
    for module in ALIKE.values():
        assert module.lack(none) and module.lack(lost) and not module.lack(data)


@pytest.mark.parametrize("name", ALIKE)
def test_captions_state_n_interval_and_that_no_test_is_made(data: FigureData, name: str) -> None:
    caption = ALIKE[name].caption(data)
    assert re.search(r"\d+ (rows|studies) of \d+ patients", caption.replace("\u202f", ""))
    assert "95 % intervals" in caption or "Intervals (95 %" in caption
    assert "No test is made" in caption and "are drawn" not in caption
    many = tuple(f"set{number}" for number in range(alike.MOST + 1))
    wide = data_of(many, sources=("random", "imagenet"), protocols=("one",))
    told = f"Of {alike.MOST + 1} data sets and networks the first {alike.MOST} are drawn"
    assert told in ALIKE[name].caption(wide)
    with style.styled():
        figure = ALIKE[name].draw(wide)
    words = {text.get_text() for text in figure.findobj(Text)}
    lines = {line for text in words for line in text.split("\n")}
    assert {f"set{number}" for number in range(alike.MOST)} <= lines
    assert f"set{alike.MOST}" not in lines


LONG = "_with_a_name_as_long_as_that_of_any_tag_of_timm.in22k_ft_in1k"
STUDIES = {
    "a recipe": data_of(("chest",), protocols=("finetune",)),
    "one layer": data_of(("chest",), layers=("pooled",), seeds=1),
    "long names": data_of(
        ("chest" + LONG, "breast" + LONG),
        ("net" + LONG,),
        ("random", "imagenet" + LONG, "birds" + LONG),
        ("freeze" + LONG, "no_freeze" + LONG),
        layers=LAYERS[-2:],
    ),
    "many arms": data_of(
        ("chest",),
        sources=(*SOURCES, *(f"source{number}" for number in range(5))),
        protocols=("finetune",),
        seeds=1,
        layers=("stem", *(f"block{number}" for number in range(1, 19)), "pooled"),
    ),
}


@pytest.mark.parametrize("study", STUDIES)
def test_no_label_stands_on_another(study: str) -> None:
    told = {}
    for name, module in ALIKE.items():
        if not module.lack(STUDIES[study]):
            with style.styled():
                told[name] = faults(module.draw(STUDIES[study]))
    assert {figure: found[:4] for figure, found in told.items() if found} == {}
    assert "features" in told
    if study == "many arms":
        assert "the first 10 are drawn" in features.caption(STUDIES[study])


def test_negative_excess_is_printed_with_a_true_minus_sign(data: FigureData) -> None:
    turned = data.agreement["value"].where(data.agreement["measure"] != "excess_agreement", -0.07)
    changed = replace(data, agreement=data.agreement.assign(value=turned))
    with style.styled():
        texts = [text.get_text() for text in prediction_pairs.draw(changed).axes[0].texts]
    assert "−.07" in texts and not any("-" in text for text in texts)
