"""How many films with masks were missed or falsely marked, as tables of the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from transfergrid.catalog.axes import PLACE
from transfergrid.catalog.empty_masks import LEFT_OUT, STATES, is_pooled, values_of
from transfergrid.planning.grid import ALL
from transfergrid.reporting.figures.summaries import network_words
from transfergrid.reporting.folds import answered
from transfergrid.reporting.metric_words import MetricWords
from transfergrid.reporting.words import count, listing, plural

TITLE = "Missed and empty structures"
MOST_ROWS = 12
"""With more rows, each structure has a table of its own, folded away."""
MOST = 20
"""Networks of such a table; the others are in mask_states.csv."""
NAMED = 8
"""Structures that a warning names one by one."""
COUNTS = ("n", "both", *STATES)
HEADS = ("Films", "Drawn and marked", "Missed", "False alarm", "Both empty")
NETWORK = [axis for axis in PLACE if axis != "dataset"]


@dataclass(frozen=True)
class FilmStates:
    """One structure on the test films of a cell.

    Attributes:
        films: How many films there are.
        drawn: In how many of them the structure is.
        missed: In how many of these nothing was marked.
        false_alarm: On how many of the others something was.
    """

    films: int
    drawn: int
    missed: int
    false_alarm: int


@dataclass(frozen=True)
class StateRow:
    """A structure as one network marks it, over its seeds.

    Attributes:
        structure: The structure, with its data set where there are several.
        drawn: In how many films it is, in words.
        network: The architecture, with cut and recipe where these vary.
        pretraining: Its initial weights.
        counts: How many films there are, and in each state; where seeds differ, from the fewest to
            the most.
    """

    structure: str
    drawn: str
    network: str
    pretraining: str
    counts: tuple[str, ...]


@dataclass(frozen=True)
class StateGroup:
    """A structure's rows.

    Attributes:
        title: The structure, with its data set where there are several.
        told: What is to be known of it before its table is opened.
        rows: Its networks, those that miss most first.
    """

    title: str
    told: str
    rows: tuple[StateRow, ...]


@dataclass(frozen=True)
class MaskStates:
    """What the page shows of the states of masks.

    Attributes:
        lead: What the counts are, in sentences.
        heads: Of each column of counts its heading, and below it what such a film counts in the
            metric that is shown; empty where there are several, or where it has no such value.
        others: (metrics, what such films count in them) of those that no heading tells of.
        groups: The structures, those that are missed most first.
        folded: Whether they are folded away.
    """

    lead: str
    heads: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    groups: tuple[StateGroup, ...]
    folded: bool

    @property
    def rows(self) -> list[StateRow]:
        """The rows of all structures."""
        return [row for group in self.groups for row in group.rows]


def mask_states(
    table: pd.DataFrame | None,
    cells: pd.DataFrame,
    study: Mapping[str, Any],
    metrics: Mapping[str, MetricWords],
) -> MaskStates | None:
    """Return the states of all structures; None where no cell has masks.

    Args:
        table: Rows of mask_states.csv, or None.
        cells: Rows of cells.csv under the primary selection, single folds left out.
        study: The study's JSON.
        metrics: What metrics are called, by name.
    """
    rows = _of_cells(table, cells, str(study["evaluation"]["primary"]))
    if rows.empty:
        return None
    several = rows["dataset"].nunique() > 1
    varied = [axis for axis in ("truncation", "protocol") if _tells(rows, axis)]
    unit = unit_of(table)
    structures = [
        (f"{dataset}: {task}" if several else str(task), own)
        for (dataset, task), own in rows.groupby(["dataset", "task"], sort=False)
    ]
    structures.sort(key=lambda one: _missing(one[1]), reverse=True)
    groups = tuple(_group(title, own, varied, unit) for title, own in structures)
    folded = sum(len(group.rows) for group in groups) > MOST_ROWS
    shown = {study["primary_metric"][name] for name in rows["dataset"].unique()}
    words = _worth(study["metrics"][next(iter(shown))], metrics) if len(shown) == 1 else {}
    told = shown if words else set()
    heads = tuple((head, words.get(name, "")) for head, name in zip(HEADS, COUNTS, strict=True))
    others = tuple(_others([m for name, m in study["metrics"].items() if name not in told]))
    networks = max(own.groupby(NETWORK).ngroups for _, own in structures)
    lead = _lead(rows, networks, bool(words), bool(others))
    return MaskStates(lead, heads, others, groups, folded)


def states_by_cell(table: pd.DataFrame | None, primary: str) -> dict[str, dict[str, FilmStates]]:
    """Return by cell, runs over folds and their folds among them, the states of its structures.

    Args:
        table: Rows of mask_states.csv, or None.
        primary: The selection that the page's scores come from.
    """
    found: dict[str, dict[str, FilmStates]] = {}
    if table is None:
        return found
    for row in table[table["selection"] == primary].to_dict("records"):
        films, both, missed, false_alarm, _ = (int(row[name]) for name in COUNTS)
        states = FilmStates(films, both + missed, missed, false_alarm)
        found.setdefault(str(row["cell"]), {})[str(row["task"])] = states
    return found


def never_marked(table: pd.DataFrame | None, cells: pd.DataFrame, study: Mapping[str, Any]) -> str:
    """Say which structures cells mark in none of the films that show them; empty without any.

    Args:
        table: Rows of mask_states.csv, or None.
        cells: Rows of cells.csv.
        study: The study's JSON.
    """
    if table is None or table.empty:
        return ""
    primary = str(study["evaluation"]["primary"])
    rows = _of_cells(table, answered(cells[cells["selection"] == primary]), primary)
    told = []
    for (dataset, task), own in rows.groupby(["dataset", "task"], sort=False):
        if _never(own).any():
            by = _by_whom(own, unit_of(table))
            told.append(f"{task} of {dataset}, {_drawn(own)}, is marked in none of these {by}")
    more = [plural(len(told) - NAMED, "further structure")] if len(told) > NAMED else []
    if not told:
        return ""
    return (
        f"{'; '.join([*told[:NAMED], *more])}. Whatever such a network scores on that structure "
        f"comes from films without it; see “{TITLE}”."
    )


def unit_of(table: pd.DataFrame | None) -> str:
    """Return what a row of a table is called that answers are given for: "run" over folds."""
    return "cell" if table is None or (table["fold"] == ALL).all() else "run"


def _of_cells(table: pd.DataFrame | None, cells: pd.DataFrame, primary: str) -> pd.DataFrame:
    """Return the rows of the primary selection beside their cells' places."""
    if table is None or table.empty:
        return pd.DataFrame()
    here = answered(table[table["selection"] == primary])
    return cells[["cell", "seed", *PLACE]].merge(here, on="cell")


def _tells(rows: pd.DataFrame, axis: str) -> bool:
    """Tell whether an axis differs between rows of one architecture and initial weights."""
    same = rows.groupby(["dataset", "architecture", "pretraining"])
    return bool((same[axis].nunique() > 1).any())


def _missing(rows: pd.DataFrame) -> tuple[float, float]:
    """Return what rows are ordered by: the shares of films missed, and of falsely marked ones."""
    total = rows[list(COUNTS)].sum()
    drawn, others = total["both"] + total["missed"], total["false_alarm"] + total["both_empty"]
    return total["missed"] / max(drawn, 1), total["false_alarm"] / max(others, 1)


def _never(rows: pd.DataFrame) -> pd.Series:
    return (rows["both"] == 0) & (rows["missed"] > 0)


def _group(title: str, rows: pd.DataFrame, varied: Sequence[str], unit: str) -> StateGroup:
    networks = [own for _, own in rows.groupby(NETWORK, sort=False)]
    networks.sort(key=_missing, reverse=True)
    told = [_drawn(rows), f"missed in {_ends(rows['missed'])}"]
    told += [f"marked in none of them {_by_whom(rows, unit)}"] if _never(rows).any() else []
    found = tuple(_row(title, own, varied) for own in networks[:MOST])
    return StateGroup(title, ", ".join(told), found)


def _row(title: str, rows: pd.DataFrame, varied: Sequence[str]) -> StateRow:
    first = rows.iloc[0]
    counts = tuple(_ends(rows[name]) for name in COUNTS)
    drawn = f"drawn in {_ends(rows['both'] + rows['missed'])}"
    network = network_words(first, varied)
    return StateRow(title, drawn, network, str(first["pretraining"]), counts)


def _ends(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return count(low) if low == high else f"{count(low)}–{count(high)}"


def _drawn(rows: pd.DataFrame) -> str:
    drawn, films = rows["both"] + rows["missed"], _ends(rows["n"])
    if not drawn.any():
        return f"drawn in none of {films} test films"
    share = f"all {films}" if (drawn == rows["n"]).all() else f"{_ends(drawn)} of {films}"
    return f"drawn in {share} test films"


def _by_whom(rows: pd.DataFrame, unit: str) -> str:
    never, every = int(_never(rows).sum()), len(rows)
    if never < every:
        return f"by {count(never)} of {count(every)} {unit}s"
    return f"by all {count(every)} {unit}s" if every > 1 else f"by the only {unit}"


def _worth(metric: Mapping[str, Any], metrics: Mapping[str, MetricWords]) -> dict[str, str]:
    """Return by state what such a film counts, with the metric's name."""
    title = metrics[metric["name"]].title
    values = values_of(metric)
    return {name: text if text == LEFT_OUT else f"{title} {text}" for name, text in values.items()}


def _others(declared: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield metrics that agree in what such films count in them, and what that is."""
    found: dict[str, list[str]] = {}
    for metric in declared:
        values = values_of(metric)
        text = ", ".join(f"{STATES[name]} {value}" for name, value in values.items())
        if is_pooled(metric):
            text = "no value of single films: the pixels of all films are counted together"
        if text:
            found.setdefault(text, []).append(metric["title"])
    yield from ((listing(titles), text) for text, titles in found.items())


def _lead(rows: pd.DataFrame, networks: int, valued: bool, others: bool) -> str:
    told = [
        "In how many test films a structure is drawn and marked, drawn alone (missed), marked "
        "alone (false alarm), or neither (both empty)."
    ]
    if valued:
        more = ", and below the table what it counts in other metrics" if others else ""
        told.append(f"Below a heading stands what such a film counts{more}.")
    elif others:
        told.append("Below the table stands what such a film counts.")
    told.append("What is missed most comes first.")
    if rows.groupby(list(PLACE))["seed"].nunique().max() > 1:
        told.append("Where the seeds of a network differ, the fewest and the most are given.")
    if networks > MOST:
        told.append(f"Of {count(networks)} networks, the {MOST} that miss most are listed.")
    return " ".join([*told, "Every cell and selection is in mask_states.csv."])
