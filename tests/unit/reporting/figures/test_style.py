"""Colours, letters, numbers and bytes that every figure shares."""

from __future__ import annotations

from random import Random

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.points import correlation_of, key_text, letters_of, rho_text
from transfergrid.reporting.figures.summaries import by_skill, limits, seed_means


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


@given(st.sets(st.text(min_size=1, max_size=12), max_size=5), st.randoms())
def test_pretrainings_of_a_study_differ_in_colour_and_keep_theirs(
    names: set[str], random: Random
) -> None:
    names |= {"random", "imagenet"}
    order = sorted(names)
    random.shuffle(order)
    marks = palette.marks_of(order)
    assert marks["random"] == palette.Mark(palette.BASELINE, "o")
    assert len({mark.colour for mark in marks.values()}) == len(names)
    assert len({mark.marker for mark in marks.values()}) == len(names)
    assert marks == palette.marks_of(sorted(names))
    for name in names & palette.NAMED.keys():
        assert palette.marks_of([name])[name] == marks[name]


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
