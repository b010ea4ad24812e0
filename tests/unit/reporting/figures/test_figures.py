from __future__ import annotations

import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from unit.reporting import fabricate
from unit.reporting.figures.papers_figure import against_the_papers_figure
from unit.reporting.figures.wide import folded, wide
from unit.reporting.made_up_alike import agreement_of, cells_of, similarity_of

from transfergrid.catalog.figures import FIGURES
from transfergrid.catalog.tables import TABLES
from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.boost_size import boosts_of
from transfergrid.reporting.figures.data import FigureData, read_figure_data
from transfergrid.reporting.figures.drawing import Module, draw_all, draw_one, lacking, module_of
from transfergrid.reporting.figures.files import read_drawn, restore_drawn, write_drawn
from transfergrid.reporting.figures.points import correlation_of, key_text, letters_of, rho_text
from transfergrid.reporting.figures.seeds import seed_spread
from transfergrid.reporting.figures.summaries import by_skill, limits, seed_means
from transfergrid.reporting.page.material import read_report
from transfergrid.reporting.page.page import figures
from transfergrid.reporting.tables.files import read_table, write_table
from transfergrid.reporting.tables.stage_files import seal_stage
from transfergrid.reporting.words import count
from transfergrid.runtime.errors import UserError

WEIGHED = ["drift", "layer_reset", "filters"]
ALIKE = [figure.name for figure in FIGURES if figure.section != "figures"]
SPEED = ["convergence", "time_to_level"]
UNASKED = ["published", "gains", "precision_recall", *SPEED, "cams", *WEIGHED, *ALIKE]
"""Made-up networks are none of a paper's; nobody asks for gains, other metrics, maps or pairs."""


@pytest.fixture(scope="module")
def data(drawn_tree: fabricate.Tree) -> FigureData:
    return read_figure_data(drawn_tree.study, drawn_tree.results)


def words_in(svg: str) -> str:
    texts = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return "\n".join("".join(text.itertext()) for text in texts)


def drawing(name: str) -> Module:
    return module_of(next(figure for figure in FIGURES if figure.name == name))


def svgs(data: FigureData) -> dict[str, str]:
    return {drawn.shown.name: drawn.svg for drawn in draw_all(data)}


def test_drawing_twice_gives_the_same_bytes_and_leaves_the_settings_alone(
    data: FigureData, drawn_tree: fabricate.Tree
) -> None:
    before = dict(matplotlib.rcParams)
    drawn = draw_all(data)
    assert tuple(drawn) == read_drawn(drawn_tree.results / "demo")
    assert draw_one(data, "seeds") in drawn
    assert not any("<dc:date>" in one.svg for one in drawn)
    assert dict(matplotlib.rcParams) == before


def test_a_figure_that_does_not_exist_or_has_nothing_to_show_is_named(data: FigureData) -> None:
    with pytest.raises(UserError, match="no figure 'auroc'; there are score, tasks"):
        draw_one(data, "auroc")
    with pytest.raises(UserError, match="'published' has nothing to show: The study shares"):
        draw_one(data, "published")


def test_figures_of_an_earlier_drawing_go_and_a_lost_one_comes_back(
    data: FigureData, tmp_path: Path
) -> None:
    first, second = (draw_one(data, name) for name in ("seeds", "boosts"))
    write_drawn(tmp_path, [first, second])
    assert read_drawn(tmp_path) == (first, second)
    first.shown.file(tmp_path).unlink()
    with pytest.raises(UserError, match="seeds.svg is not the file that was written"):
        read_drawn(tmp_path)
    with pytest.raises(UserError, match="now drawn differently"):
        restore_drawn(tmp_path, replace(first, svg=second.svg))
    restore_drawn(tmp_path, first)
    assert read_drawn(tmp_path) == (first, second)
    write_drawn(tmp_path, [second])
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["boosts.svg"]
    assert read_drawn(tmp_path / "elsewhere") == ()


def test_every_figure_is_small_and_holds_its_words_as_text(data: FigureData) -> None:
    texts = svgs(data)
    assert max(len(text) for text in texts.values()) < 80_000
    for name in ("score", "boosts", "truncation", "learning"):
        assert "resnet18" in words_in(texts[name])
    words = words_in(texts["correlation"])
    assert "tf_efficientnet_lite0" in words
    assert "ρ +0.40 (−0.80 to +1.00)\nn 4" in words
    assert "+0.105 (+0.081 to +0.129)" in words_in(texts["boosts"])
    assert "1 of 2 seeds" in words_in(texts["score"])


def test_dots_stand_where_the_table_says(data: FigureData) -> None:
    with style.styled():
        figure = drawing("score").draw(data)
    ax = figure.axes[0]
    means = [float(line.get_xdata()[0]) for line in ax.lines if line.get_markersize() == 7.5]
    expected = seed_means(data.cells)["score"].dropna()
    assert sorted(means) == pytest.approx(sorted(expected))
    seeds = np.concatenate([dots.get_offsets()[:, 0] for dots in ax.collections])
    several = data.finished.groupby(["architecture", "pretraining", "truncation"])["score"]
    repeated = several.transform("size") > 1
    assert set(seeds) == set(data.finished.loc[repeated, "score"])


def test_contrasts_stand_where_the_table_says(data: FigureData) -> None:
    with style.styled():
        ax = drawing("boosts").draw(data).axes[0]
    squares = [line for line in ax.lines if line.get_marker() == "s"]
    assert [line.get_xdata()[0] for line in squares] == list(data.contrasts["estimate"])
    clear = (data.contrasts["low"] > 0) | (data.contrasts["high"] < 0)
    assert [line.get_markerfacecolor() != palette.PAPER for line in squares] == list(clear)
    arms = [list(line.get_xdata()) for line in ax.lines if line.get_linewidth() == 2]
    assert arms == data.contrasts[["low", "high"]].to_numpy().tolist()


def test_names_with_dollars_and_angle_brackets_stay_as_they_are(data: FigureData) -> None:
    rename = {"resnet18": "<b>$x^2$ & y"}
    changed = replace(
        data,
        cells=data.cells.assign(architecture=data.cells["architecture"].replace(rename)),
    )
    for name in ("score", "truncation", "learning"):
        with style.styled():
            svg = style.svg_text(drawing(name).draw(changed), name)
        assert "<b>$x^2$ & y" in words_in(svg)


def test_a_panel_for_each_dataset_and_protocol(data: FigureData) -> None:
    other = data.cells.assign(dataset="chest", cell=data.cells["cell"] + "x")
    both = replace(data, cells=pd.concat([data.cells, other], ignore_index=True))
    texts = svgs(both)
    for name in ("score", "truncation", "correlation"):
        assert "phantom" in words_in(texts[name])
        assert "chest" in words_in(texts[name])


def test_a_figure_with_nothing_to_show_is_not_drawn_and_left_out_of_the_page(
    data: FigureData, drawn_tree: fabricate.Tree
) -> None:
    none = replace(
        data,
        cells=data.cells.assign(score=np.nan, score_low=np.nan, score_high=np.nan),
        contrasts=data.contrasts.iloc[:0],
        correlations=data.correlations.iloc[:0],
        reliability=data.reliability.iloc[:0],
        small_data=data.small_data.iloc[:0],
        histories={},
    )
    reasons = lacking(none)
    assert list(reasons) == [figure.name for figure in FIGURES]
    assert "No contrast" in reasons["boosts"] and "truncated" in reasons["truncation"]
    assert draw_all(none) == []
    report = read_report(drawn_tree.study, drawn_tree.results, [])
    shown = [figure.name for figure in figures(report)]
    assert shown == [drawn.shown.name for drawn in draw_all(data)]
    assert set(shown) == {figure.name for figure in FIGURES} - set(UNASKED)


def test_a_figure_needs_something_to_compare(data: FigureData) -> None:
    one_task = data.scores[data.scores["task"] == data.scores["task"].dropna().iloc[0]]
    assert drawing("tasks").lack(replace(data, scores=one_task))
    whole = replace(data, cells=data.cells[data.cells["truncation"] == 0])
    assert drawing("truncation").lack(whole)
    two = data.cells[data.cells["architecture"].isin(["resnet18", "lcnet_050"])]
    table = data.contrasts[~data.contrasts["architecture"].isin(["tf_efficientnet_lite0"])]
    few = replace(data, cells=two, contrasts=table)
    assert drawing("correlation").lack(few) and drawing("boost_size").lack(few)
    assert drawing("seeds").lack(replace(data, cells=data.cells[data.cells["seed"] == 0]))
    assert list(lacking(data)) == UNASKED


@pytest.mark.parametrize(
    "name", [figure.name for figure in FIGURES if figure.name not in UNASKED[1:]]
)
def test_captions_state_n_interval_and_method(data: FigureData, name: str) -> None:
    if name == "published":
        data = against_the_papers_figure(data)
    caption = drawing(name).caption(data)
    assert re.search(r"\d+ (seeds|cells|studies)", caption)
    assert "interval" in caption
    if name != "learning":
        assert "160 patients" in caption
        assert "95 %" in caption
    assert re.search(r"[Tt]est: |no test|[Nn]o test is made|without interval or test", caption)
    if name == "calibration":
        cells = data.finished["pretraining"].value_counts()
        common = cells.min()
        for pretraining, rows in data.reliability.groupby("pretraining"):
            told = (
                f"{pretraining}, {count(rows['n'].sum())} cases of {rows['n_cells'].iloc[0]} cells"
            )
            assert told in caption
            assert rows["n_cells"].iloc[0] <= common
            assert f"in {len(rows)} bins of" in caption
    if name in ("boosts", "correlation"):
        method = data.contrasts if name == "boosts" else data.correlations
        assert str(method["method"].iloc[0]) in caption


def test_a_caption_counts_the_networks_of_the_panels_that_are_drawn(data: FigureData) -> None:
    rows = data.correlations
    others = [rows.assign(n=2, method="of two"), rows.assign(y="boost", n=99, method="of boosts")]
    more = replace(data, correlations=pd.concat([rows, *others]))
    caption = drawing("correlation").caption
    assert caption(more) == caption(data)
    assert "95 % interval. Interval and test" not in caption(
        replace(data, correlations=rows.assign(low=np.nan))
    )


def test_boosts_stand_at_their_networks_sizes(data: FigureData) -> None:
    table = boosts_of(data)
    assert list(table["architecture"]) == list(dict.fromkeys(data.cells["architecture"]))
    for row in table.to_dict("records"):
        cells = data.cells[
            (data.cells["architecture"] == row["architecture"])
            & (data.cells["truncation"] == 0)
            & (data.cells["pretraining"] == "shapes")
        ]
        assert row["params"] == cells["params"].mean()
        assert row["contrast"].startswith(f"{row['architecture']}, whole network")
    rho = data.correlations[data.correlations["x"] == "params"].tail(1)
    rho = rho.assign(y="boost", protocol="finetune", rho=-0.72)
    asked = replace(data, correlations=pd.concat([data.correlations, rho]))
    for found, told in ((data, ""), (asked, "\nρ −0.72")):
        with style.styled():
            (ax,) = drawing("boost_size").draw(found).axes
        title = ax.get_title(loc="left")
        assert title.startswith("shapes − random" + told)
        assert ("ρ" in title) == bool(told)
        low, high = ax.get_ylim()
        assert low < min(0, table["low"].min()) and high > max(0, table["high"].max())


def test_seed_means_average_finished_seeds_and_count_all() -> None:
    cells = pd.DataFrame(
        {
            "cell": list("abc"),
            "dataset": "d",
            "protocol": "p",
            "architecture": ["m", "m", "n"],
            "pretraining": "random",
            "truncation": 0,
            "seed": [0, 1, 0],
            "params": [10, 10, 20],
            "metric": "auroc",
            "score": [0.7, np.nan, 0.9],
            "score_low": [0.6, np.nan, 0.8],
            "score_high": [0.8, np.nan, 1.0],
        }
    )
    means = seed_means(cells).set_index("architecture")
    assert means.loc["m", ["score", "n_cells", "n_finished"]].tolist() == [0.7, 2, 1]
    assert by_skill(seed_means(cells)) == ["n", "m"]
    assert limits(pd.Series([np.nan])) == (0.0, 1.0)


@given(st.sets(st.text(min_size=1, max_size=12), max_size=8), st.randoms())
def test_a_pretraining_has_one_colour_in_every_study(names: set[str], random: Random) -> None:
    names |= {"random", "imagenet", "shapes"}
    order = sorted(names)
    random.shuffle(order)
    marks = palette.marks_of(order)
    assert marks["random"] == palette.Mark(palette.BASELINE, "o")
    assert len(set(marks.values())) == len(names)
    for name in names:
        assert palette.marks_of([name])[name].colour == marks[name].colour
        assert marks[name] == palette.marks_of(sorted(names))[name]


def test_marks_stay_unique_where_colours_run_out_of_markers() -> None:
    marks = palette.marks_of(["random", *(f"p{i}" for i in range(20))])
    assert len({(mark.colour, mark.marker) for mark in marks.values()}) == 21


def test_rho_belongs_to_its_panel() -> None:
    table = pd.DataFrame(
        {
            "x": ["params", "params", "imagenet_top1"],
            "y": ["score", "boost", "score"],
            "dataset": "d",
            "pretraining": "random",
            "truncation": [0, 0, 1],
            "protocol": "p",
            "metric": "auroc",
            "n": 4,
            "rho": [0.5, 0.1, 0.2],
            "low": np.nan,
            "high": np.nan,
        }
    )
    row = correlation_of(table, "params", "random", ("d", "p"), "auroc")
    assert rho_text(row) == "ρ +0.50\nn 4"
    assert correlation_of(table, "imagenet_top1", "random", ("d", "p"), "auroc") is None
    assert correlation_of(table, "params", "random", ("d", "p"), "brier") is None
    assert rho_text({**row, "n_families": 3}) == "ρ +0.50\nn 4 in 3 families"
    assert rho_text(None) == ""


def test_letters_go_past_z() -> None:
    means = pd.DataFrame({"architecture": [f"m{i:02d}" for i in range(30)], "params": range(30)})
    letters = letters_of(means)
    assert (letters["m00"], letters["m25"], letters["m26"]) == ("a", "z", "a1")
    assert len(set(letters.values())) == 30
    assert "a\u00a0m00" in key_text(letters)


def test_a_layout_a_trillionth_of_a_point_away_gives_the_same_bytes() -> None:
    texts = []
    for shift in (0.0, 1e-12):
        figure = Figure(figsize=(2, 2))
        ax = figure.add_axes((0.2 + shift, 0.2, 0.7, 0.7))
        ax.plot([0, 1], [0, 1])
        texts.append(style.svg_text(figure, "x"))
    assert texts[0] == texts[1]
    assert 'clip-path="url(#x-clip0)"' in texts[0]
    assert 'id="x-clip0"' in texts[0]


def test_the_grid_of_tasks_has_every_mean_in_its_place(data: FigureData) -> None:
    with style.styled():
        axes = drawing("tasks").draw(data).axes
    assert len(axes) == 2
    for ax, pretraining in zip(axes, data.pretrainings, strict=True):
        mine = data.finished[data.finished["pretraining"] == pretraining]
        rows = [label.get_text() for label in ax.get_yticklabels()]
        columns = [label.get_text() for label in axes[0].get_xticklabels()]
        assert len(rows) == mine.groupby(["architecture", "truncation"]).ngroups
        assert "Fracture" not in columns  # a single class has no AUROC
        for text in ax.texts:
            x, y = (int(v) for v in text.get_position())
            name, _, cut = rows[y].partition(" −")
            same = mine[(mine["architecture"] == name) & (mine["truncation"] == int(cut or 0))]
            own = data.scores[data.scores["cell"].isin(same["cell"])]
            mean = own.loc[own["task"] == columns[x], "value"].mean()
            assert float(text.get_text()) == pytest.approx(mean, abs=0.0051)
    assert axes[0].get_yticklabels()[0].get_text() == "tf_efficientnet_lite0"


def test_the_grid_of_tasks_marks_what_rests_on_some_of_the_folds(data: FigureData) -> None:
    crossed = folded(data, k=3)
    crossed = replace(crossed, scores=crossed.scores.assign(n_folds=3))
    grid = drawing("tasks")
    assert "*" not in grid.caption(crossed) + grid.caption(data)
    task = crossed.scores["task"].dropna().iloc[0]
    one = crossed.scores["n_folds"].mask(crossed.scores["task"] == task, 1)
    crossed = replace(crossed, scores=crossed.scores.assign(n_folds=one))
    with style.styled():
        axes = grid.draw(crossed).axes
    columns = [label.get_text() for label in axes[0].get_xticklabels()]
    for text in (text for ax in axes for text in ax.texts):
        marked = columns[int(text.get_position()[0])] == task
        assert text.get_text().endswith("*") == marked
    assert "A score with * rests on some of the folds" in grid.caption(crossed)


def test_seeds_stand_around_their_mean(data: FigureData) -> None:
    spread = seed_spread(data.cells)
    several = data.finished.groupby(["architecture", "pretraining", "truncation"])["score"]
    assert sorted(spread["sd"]) == pytest.approx(sorted(several.std().dropna()))
    with style.styled():
        ax = drawing("seeds").draw(data).axes[0]
    dots = [line.get_xdata() for line in ax.lines if line.get_markersize() == 5.5]
    expected = several.transform(lambda seeds: seeds - seeds.mean())[several.transform("size") > 1]
    assert sorted(np.concatenate(dots)) == pytest.approx(sorted(expected))


def test_the_band_is_the_margin_around_the_whole_network(data: FigureData) -> None:
    with style.styled():
        axes = drawing("truncation").draw(data).axes
    means = seed_means(data.finished)
    whole = means[
        (means["truncation"] == 0) & means["architecture"].isin(["resnet18", "lcnet_050"])
    ]
    bands = [patch.get_bbox() for ax in axes for patch in ax.patches]
    middles = [(band.y0 + band.y1) / 2 for band in bands]
    assert sorted(middles) == pytest.approx(sorted(whole["score"]))
    assert [band.height for band in bands] == pytest.approx([0.04] * 4)
    caption = drawing("truncation").caption
    assert "±0.02" in caption(data)
    without = replace(data, contrasts=data.contrasts.assign(margin=np.nan))
    with style.styled():
        assert not [p for ax in drawing("truncation").draw(without).axes for p in ax.patches]
    assert "Band" not in caption(without)


def test_differences_of_nothing_have_a_scale_that_can_be_read() -> None:
    data = wide(2)
    still = data.contrasts.assign(estimate=0.0, low=np.nan, high=np.nan)
    for margin, end in ((np.nan, 0.01), (0.05, 0.05)):
        with style.styled():
            figure = drawing("boosts").draw(replace(data, contrasts=still.assign(margin=margin)))
            figure.canvas.draw()
        ax = figure.axes[0]
        told = [tick.get_text() for tick in ax.get_xticklabels()]
        assert len(set(told)) == len(told) > 2
        assert ax.get_xlim()[0] < -end < end < ax.get_xlim()[1]


def test_folds_are_pooled_in_every_figure_but_that_of_their_trainings() -> None:
    plain = wide(2)
    crossed = folded(plain)
    before, after = svgs(plain), svgs(crossed)
    assert list(before) == list(after)
    # All folds of a made-up cell have its own curve, and its probabilities.
    assert {name for name in before if before[name] != after[name]} == {"learning"}
    assert f"{2 * len(plain.cells)} cells, one line each" in drawing("learning").caption(crossed)
    told = drawing("score").caption(crossed)
    assert "160 patients in films, each tested in one of 2 folds; " in told
    one = crossed.folds[crossed.folds["fold"] == crossed.folds["fold"].iloc[0]]
    told = drawing("score").caption(replace(crossed, folds=one))
    assert "160 patients in the test part of films's fold 0; " in told


def test_of_a_large_study_the_curves_of_the_first_seeds_are_drawn(
    data: FigureData, monkeypatch: pytest.MonkeyPatch
) -> None:
    learning, every = drawing("learning"), len(data.trained)
    first, *others = sorted(data.trained["seed"].unique())
    alone = int((data.trained["seed"] == first).sum())
    assert others and learning.first_seeds(data, every) is data
    for most in (1, alone, every - 1):  # one seed is drawn, however many cells it has
        assert set(learning.first_seeds(data, most).trained["seed"]) >= {first}
    assert len(learning.first_seeds(data, alone).trained) == alone
    assert "those of the first seeds" not in learning.caption(data)
    monkeypatch.setattr(learning, "first_seeds", partial(learning.first_seeds, most=alone))
    assert f"Of {every} cells, those of the first seeds are drawn." in learning.caption(data)


def test_rows_of_single_folds_are_kept_apart_as_a_study_is_read(
    drawn_tree: fabricate.Tree, tmp_path: Path
) -> None:
    shutil.copytree(drawn_tree.results / "demo", tmp_path / "demo")
    tables = tmp_path / "demo" / "tables"
    plain = read_figure_data(drawn_tree.study, drawn_tree.results)
    first = plain.cells["cell"].iloc[0]
    for name in ("cells", "scores"):
        table = read_table(tables / f"{name}.csv")
        own = table[table["cell"] == first].assign(cell="pooled")
        table.loc[table["cell"] == first, "fold"] = "0"
        write_table(pd.concat([table, own]), tables / f"{name}.csv")
    seal_stage(tmp_path / "demo", "tables", [f"tables/{path.name}" for path in tables.iterdir()])
    crossed = read_figure_data(drawn_tree.study, tmp_path)
    assert list(crossed.folds["cell"]) == [first]
    assert first not in set(crossed.cells["cell"]) | set(crossed.scores["cell"])
    assert {"pooled"} < set(crossed.cells["cell"]) and {"pooled"} < set(crossed.scores["cell"])
    assert crossed.parts("pooled") == [first]
    assert first in crossed.ensembles and "pooled" not in crossed.ensembles


def test_a_figure_is_drawn_from_the_tables_that_it_declares_alone() -> None:
    tables = {"calibration": "reliability"}
    own = ("cells", "scores", "contrasts", "correlations", "findings", "gains", "small_data")
    tables |= {name: name for name in (*own, "similarity", "agreement", "convergence", "reached")}
    pairs = cells_of(["films"], ["net00"], ["random", "imagenet"], ["recipe0"], seeds=2)
    data = replace(wide(3), similarity=similarity_of(pairs), agreement=agreement_of(pairs))
    whole = {drawn.shown.name: drawn for drawn in draw_all(data)}
    assert set(whole) == {figure.name for figure in FIGURES} - {"published", "cams", *WEIGHED}
    for figure in FIGURES:
        assert set(figure.reads) <= {table.name for table in TABLES}
        others = [field for name, field in tables.items() if name not in figure.reads]
        empty = {field: getattr(data, field).iloc[:0] for field in others}
        if figure.name in whole:
            assert draw_one(replace(data, **empty), figure.name) == whole[figure.name]
