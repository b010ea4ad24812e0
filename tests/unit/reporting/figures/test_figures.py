"""Which figures are drawn, from what, and what stands in their captions."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from unit.reporting import fabricate
from unit.reporting.figures.drawn import UNASKED, WEIGHED, drawing, svgs, words_in
from unit.reporting.figures.papers_figure import against_the_papers_figure
from unit.reporting.figures.wide import folded, wide
from unit.reporting.made_up_alike import agreement_of, cells_of, similarity_of
from unit.reporting.made_up_groups import subgroups

from transfergrid.catalog.figures import FIGURES
from transfergrid.catalog.tables import TABLES
from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import FigureData, read_figure_data
from transfergrid.reporting.figures.drawing import draw_all, draw_one, lacking
from transfergrid.reporting.figures.files import read_drawn, restore_drawn, write_drawn
from transfergrid.reporting.figures.score import caption
from transfergrid.reporting.page.material import read_report
from transfergrid.reporting.page.page import figures
from transfergrid.reporting.tables.files import read_table, write_table
from transfergrid.reporting.tables.stage_files import seal_stage
from transfergrid.reporting.words import count
from transfergrid.runtime.errors import UserError


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


def test_words_of_a_line_of_people_stand_only_where_one_is_drawn(data: FigureData) -> None:
    row = {"dataset": "films", "observer": 2, "metric": "dice", "value": 0.8}
    for task, there in (("disc", False), ("", True)):
        people = pd.DataFrame([row | {"task": task}])
        assert ("Dashed" in caption(replace(data, observers=people))) is there


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


def test_every_figure_is_small_and_holds_its_words_as_text(drawn: dict[str, str]) -> None:
    assert max(len(text) for text in drawn.values()) < 100_000
    for name in ("score", "boosts", "truncation", "learning", "losses"):
        assert "resnet18" in words_in(drawn[name])
    words = words_in(drawn["correlation"])
    assert "tf_efficientnet_lite0" in words
    assert "ρ +0.40 (−0.80 to +1.00)\nn 4" in words
    assert "+0.105 (+0.081 to +0.129)" in words_in(drawn["boosts"])
    assert "1 of 2 seeds" in words_in(drawn["score"])


def test_names_with_dollars_and_angle_brackets_stay_as_they_are(data: FigureData) -> None:
    rename = {"resnet18": "<b>$x^2$ & y"}
    changed = replace(
        data,
        cells=data.cells.assign(architecture=data.cells["architecture"].replace(rename)),
    )
    for name in ("score", "truncation", "learning", "losses"):
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
    data: FigureData, drawn_tree: fabricate.Tree, drawn: dict[str, str]
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
    assert shown == list(drawn)
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
    "name", [f.name for f in FIGURES if f.name not in UNASKED or f.name == "published"]
)
def test_captions_state_n_interval_and_method(data: FigureData, name: str) -> None:
    if name == "published":
        data = against_the_papers_figure(data)
    caption = drawing(name).caption(data)
    assert re.search(r"\d+ (seeds|cells|studies)", caption)
    assert "interval" in caption
    if name not in ("learning", "losses"):
        assert "160 patients" in caption
        assert "95 %" in caption
    assert re.search(r"[Tt]est: |no test|[Nn]o test is made|without interval or test", caption)
    if name == "calibration":
        cells = data.finished["pretraining"].value_counts()
        common = cells.min()
        for pretraining, rows in data.reliability.groupby("pretraining"):
            told = f"{count(rows['n'].sum())} cases of {rows['n_cells'].iloc[0]} cells"
            assert pretraining in caption and told in caption
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


def test_folds_are_pooled_in_every_figure_but_that_of_their_trainings() -> None:
    plain = wide(2)
    crossed = folded(plain)
    before, after = svgs(plain), svgs(crossed)
    assert list(before) == list(after)
    # All folds of a made-up cell have its own curve, and its probabilities.
    assert {name for name in before if before[name] != after[name]} == {"learning", "losses"}
    for name in ("learning", "losses"):
        assert f"{2 * len(plain.cells)} cells, one line each" in drawing(name).caption(crossed)
    told = drawing("score").caption(crossed)
    assert "160 patients in films, each tested in one of 2 folds; " in told
    one = crossed.folds[crossed.folds["fold"] == crossed.folds["fold"].iloc[0]]
    told = drawing("score").caption(replace(crossed, folds=one))
    assert "160 patients in the test part of fold 0 of films; " in told


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
    own = (*own, "mean_ranks", "subgroups")
    tables |= {name: name for name in (*own, "similarity", "agreement", "convergence", "reached")}
    pairs = cells_of(["films"], ["net00"], ["random", "imagenet"], ["recipe0"], seeds=2)
    data = replace(wide(3), similarity=similarity_of(pairs), agreement=agreement_of(pairs))
    data = replace(data, subgroups=subgroups().assign(dataset=data.cells["dataset"].iloc[0]))
    whole = {drawn.shown.name: drawn for drawn in draw_all(data)}
    asked = {"published", "cams", "curves", "confusion", *WEIGHED}
    assert set(whole) == {figure.name for figure in FIGURES} - asked
    for figure in FIGURES:
        assert set(figure.reads) <= {table.name for table in TABLES}
        others = [field for name, field in tables.items() if name not in figure.reads]
        empty = {field: getattr(data, field).iloc[:0] for field in others}
        if figure.name in whole:
            assert draw_one(replace(data, **empty), figure.name) == whole[figure.name]
