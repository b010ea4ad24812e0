"""Films that were missed, falsely marked or rightly left empty, as tables of the page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from unit.reporting import fabricate
from unit.reporting.page.parsed import EVIL, Page

from transfergrid.catalog.axes import PLACE
from transfergrid.planning.metrics import built_in
from transfergrid.reporting.metric_words import metric_words
from transfergrid.reporting.page.mask_state_rows import (
    MOST,
    MOST_ROWS,
    NAMED,
    MaskStates,
    mask_states,
    never_marked,
    states_by_cell,
)
from transfergrid.reporting.page.material import ReportInput, read_report
from transfergrid.reporting.page.notes import notes
from transfergrid.reporting.page.page import context, render

STATES = ("both", "missed", "false_alarm", "both_empty")
HEART = {"a0": (0, 11, 0, 5), "a1": (4, 7, 1, 4), "b0": (9, 2, 0, 5), "b1": (9, 2, 2, 3)}
"""Films in each state, by cell."""
LUNG = dict.fromkeys(HEART, (16, 0, 0, 0))


def cells(names: dict[str, Any], **more: Any) -> pd.DataFrame:
    rows = []
    for name in names:
        row = {"cell": name, "dataset": "chest", "architecture": f"net_{name[0]}", "truncation": 0}
        row |= {"pretraining": "random", "protocol": "masks", "seed": int(name[1:])}
        rows.append(row | {"selection": "best", "fold": "all"} | more)
    return pd.DataFrame(rows)


def table(**structures: dict[str, tuple[int, ...]]) -> pd.DataFrame:
    rows = [
        {"cell": cell, "fold": "all", "selection": "best", "task": task, "n": sum(counts)}
        | dict(zip(STATES, counts, strict=True))
        for cell in next(iter(structures.values()))
        for task, found in structures.items()
        for counts in [found[cell]]
    ]
    return pd.DataFrame(rows)


def study(*metrics: str, empty: str = "score") -> dict[str, Any]:
    declared = {name: built_in(name) for name in metrics}
    if "empty" in declared["dice"]["settings"]:
        declared["dice"] = {**declared["dice"], "settings": {"empty": empty}}
    return {
        "metrics": declared,
        "primary_metric": {"chest": "dice"},
        "evaluation": {"primary": "best"},
    }


def states(frame: pd.DataFrame, known: pd.DataFrame, asked: dict[str, Any]) -> MaskStates:
    found = mask_states(frame, known, asked, metric_words(asked))
    assert found is not None
    return found


def test_what_is_missed_most_comes_first_with_what_such_a_film_counts() -> None:
    asked = study("dice", "iou", "hd95", "dice_pooled", "auroc")
    known = cells(dict(reversed(HEART.items())))
    found = states(table(lung=LUNG, heart=HEART), known, asked)
    assert [(row.structure, row.network, row.counts) for row in found.rows] == [
        ("heart", "net_a", ("16", "0–4", "7–11", "0–1", "4–5")),
        ("heart", "net_b", ("16", "9", "2", "0–2", "3–5")),
        ("lung", "net_b", ("16", "16", "0", "0", "0")),
        ("lung", "net_a", ("16", "16", "0", "0", "0")),
    ]
    assert found.rows[0].drawn == "drawn in 11" and found.rows[2].drawn == "drawn in 16"
    assert [group.told for group in found.groups] == [
        "drawn in 11 of 16 test films, missed in 2–11, marked in none of them by 1 of 4 cells",
        "drawn in all 16 test films, missed in 0",
    ]
    assert found.heads == (
        ("Films", ""),
        ("Drawn and marked", ""),
        ("Missed", "Dice 0"),
        ("False alarm", "Dice 0"),
        ("Both empty", "Dice 1"),
    )
    assert found.others == (
        ("Intersection over union", "missed 0, false alarm 0, both empty 1"),
        ("HD95", "missed the image's diagonal, false alarm the image's diagonal, both empty 0"),
        ("Dice, pooled", "no value of single films: the pixels of all films are counted together"),
    )
    assert "the fewest and the most" in found.lead and not found.folded
    assert "Below a heading stands what such a film counts, and below the table" in found.lead
    assert states(table(lung=LUNG), cells(LUNG), study("dice", empty="skip")).heads[-1] == (
        "Both empty",
        "left out",
    )


def test_metrics_that_differ_by_data_set_stand_below_the_table() -> None:
    asked = study("dice", "iou")
    asked["primary_metric"]["eyes"] = "iou"
    known = cells(HEART)
    known.loc[known["cell"].str.startswith("b"), "dataset"] = "eyes"
    found = states(table(heart=HEART), known, asked)
    assert {worth for _, worth in found.heads} == {""}
    assert found.others == (
        ("Dice and Intersection over union", "missed 0, false alarm 0, both empty 1"),
    )
    assert [row.structure for row in found.rows] == ["chest: heart", "eyes: heart"]


def test_of_many_networks_each_structure_has_a_table_of_its_own() -> None:
    names = {f"{chr(97 + n)}0": (n, 30 - n, 0, 0) for n in range(MOST + 1)}
    found = states(table(heart=names, lung=names), cells(names), study("dice"))
    assert found.folded and [len(group.rows) for group in found.groups] == [MOST, MOST]
    assert found.groups[0].rows[0].network == "net_a"
    assert found.groups[0].told == (
        "drawn in all 30 test films, missed in 10–30, marked in none of them by 1 of 21 cells"
    )
    assert f"Of {MOST + 1} networks, the {MOST} that miss most" in found.lead
    assert "seeds" not in found.lead
    few = dict(list(names.items())[: MOST_ROWS // 2])
    assert not states(table(heart=few, lung=few), cells(few), study("dice")).folded


def test_recipes_and_cuts_are_named_where_they_tell_networks_apart() -> None:
    known = cells(HEART)
    known["protocol"] = ["brief", "long"] * 2
    known.loc[1, "truncation"] = 1
    networks = {row.network for row in states(table(heart=HEART), known, study("dice")).rows}
    assert networks == {
        "net_a, brief",
        "net_a, one block removed, long",
        "net_b, brief",
        "net_b, long",
    }


def test_a_structure_that_is_never_marked_is_warned_of() -> None:
    asked, known = study("dice"), cells(HEART)
    told = never_marked(table(lung=LUNG, heart=HEART), known, asked)
    assert told.startswith(
        "heart of chest, drawn in 11 of 16 test films, is marked in none of these by 1 of 4 cells. "
    )
    assert never_marked(table(lung=LUNG), known, asked) == never_marked(None, known, asked) == ""
    # Nothing is missed where there is nothing.
    nothing = dict.fromkeys(HEART, (0, 0, 0, 16))
    assert never_marked(table(clip=nothing), known, asked) == ""
    every = dict.fromkeys(HEART, (0, 11, 0, 5))
    assert "none of these by all 4 cells." in never_marked(table(heart=every), known, asked)
    alone = never_marked(table(heart={"a0": HEART["a0"]}), known[:1], asked)
    assert "none of these by the only cell." in alone
    many = {f"s{n}": every for n in range(NAMED + 2)}
    assert "; 2 further structures. " in never_marked(table(**many), known, asked)
    leaks = pd.DataFrame(columns=["dataset", "other_dataset", "n_images", "n_equal", "n_near"])
    frames = {"mask_states": table(heart=HEART), "leaks": leaks}
    frames["cells"] = known.assign(status="finished", flags="")
    (note,) = [one for one in notes(asked, frames, {}) if one.title == "Never marked"]
    assert note.kind == "warning" and note.text.startswith("heart of chest")


def test_folds_are_counted_with_their_run_and_other_selections_left_out() -> None:
    frame = table(heart=HEART)
    more = [frame.assign(fold="0", both=0, missed=99), frame.assign(selection="last", missed=99)]
    both = pd.concat([frame, *more])
    asked, known = study("dice"), cells(HEART)
    assert states(both, known, asked).rows == states(frame, known, asked).rows
    assert "by 1 of 4 runs." in never_marked(both, known, asked)
    by_cell = states_by_cell(frame, "best")["a1"]["heart"]
    assert (by_cell.films, by_cell.drawn, by_cell.missed, by_cell.false_alarm) == (16, 11, 7, 1)
    assert states_by_cell(frame, "last") == states_by_cell(None, "best") == {}


@pytest.fixture(scope="module")
def plain(tree: fabricate.Tree) -> ReportInput:
    return read_report(tree.study, tree.results, [])


def masked(plain: ReportInput, heart: str = "Edema") -> ReportInput:
    """The made-up study, as if its tasks were structures."""
    names = list(plain.primary_cells["cell"])
    found = table(**{heart: dict.fromkeys(names, (0, 11, 0, 5))})
    asked = {**plain.study, "metrics": {**plain.study["metrics"], "dice": built_in("dice")}}
    asked["primary_metric"] = {"phantom": "dice"}
    tables = {**plain.tables, "mask_states": found.assign(selection=plain.primary)}
    cards = {"phantom": {**plain.cards["phantom"], "masks": "overlapping"}}
    return replace(plain, study=asked, tables=tables, cards=cards)


def section(html: str) -> str:
    part = html[html.index('id="mask-states"') :]
    return part[: part.index("</section>")]


def test_the_page_has_them_below_its_leaderboard(plain: ReportInput) -> None:
    assert context(plain)["states"] is None
    html = render(plain)
    assert 'id="mask-states"' not in html and "Drawn in" not in html and "Never marked" not in html
    html = render(masked(plain))
    shown = section(html)
    networks = plain.primary_cells.groupby(list(PLACE)).ngroups
    assert shown.count('<th scope="row"') == networks
    assert shown.count('data-label="Missed (Dice 0)">11<') == networks
    assert 'Both empty <span class="worth">Dice 1</span>' in shown
    words = Page(html).words
    assert (
        "Never marked. Edema of phantom, drawn in 11 of 16 test films, is marked in none" in words
    )
    assert "films, 160 patients" in words and "images, 240 studies" not in words


def test_structures_are_folded_away_where_rows_are_many(plain: ReportInput) -> None:
    shown = masked(plain)
    frame = shown.tables["mask_states"]
    both = pd.concat([frame, frame.assign(task="Mass", both=11, missed=0)])
    html = section(render(replace(shown, tables={**shown.tables, "mask_states": both})))
    assert html.count("<details") == 2 and html.count(" open>") == 1
    assert html.index("Edema <span>drawn in 11 of 16") < html.index("Mass <span>drawn in 11 of 16")
    assert ">Structure</th>" not in html


def test_each_cell_tells_its_own_states_beside_the_score(plain: ReportInput) -> None:
    words = Page(render(masked(plain))).words
    assert "and missed films by structure Structure Drawn in Missed False alarm" in words
    assert "Edema 11 of 16 11 0 0." in words


def test_names_of_structures_are_escaped(plain: ReportInput) -> None:
    html = render(masked(plain, EVIL))
    page = Page(html)
    assert EVIL not in html and page.tags["script"] == 1
    assert f"{EVIL} of phantom, drawn in 11" in page.words and page.words.count(EVIL) > 2
