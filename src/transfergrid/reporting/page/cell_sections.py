"""A cell's own section: learning curve, scores of every task, weights, cost, specification."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import pandas as pd
from markupsafe import Markup

from transfergrid.planning.recipe import Recipe
from transfergrid.reporting.figures.summaries import truncation_name
from transfergrid.reporting.metric_words import MetricWords, named_together
from transfergrid.reporting.page.cell_scores import Measure
from transfergrid.reporting.page.history import curve_of, sparkline
from transfergrid.reporting.page.map_tiles import MapTile
from transfergrid.reporting.page.mask_state_rows import FilmStates
from transfergrid.reporting.page.methods import layers_in_words
from transfergrid.reporting.records import CellRecord
from transfergrid.reporting.words import count, known, listing, plural, scaled, seconds, signed
from transfergrid.reporting.words import score as printed


@dataclass(frozen=True)
class Selected:
    """A cell's score under one selection of checkpoints.

    Attributes:
        name: The selection.
        checkpoints: How many it chose.
        score: Its data set's metric on the test split, with its bounds.
        low: Lower bound.
        high: Upper bound.
        gain: How much better the primary selection's score is, as text; empty for the primary.
    """

    name: str
    checkpoints: Any
    score: Any
    low: Any
    high: Any
    gain: str


@dataclass(frozen=True)
class Trial:
    """One learning rate that was tried: its validation score, and whether it was taken."""

    rate: str
    score: str
    taken: bool


@dataclass(frozen=True)
class Section:
    """A cell's section on the page.

    Attributes:
        cell: The row of cells.csv under the primary selection.
        curve: The learning curve as an SVG element, a sentence on a single validation, or empty.
        metric: What its data set's metric is called.
        primary: The same metric of each task, or None without a score.
        others: The study's other metrics.
        selections: The primary selection first.
        trials: Learning rates that were tried, rising.
        pointing: Rows of cams.csv with marks.
        maps: Activation maps on films.
        facts: (what, value) pairs: weights, network, cost.
        spec: The specification as indented JSON, or empty.
        folds: The sections of a run's folds, in their order; none for a cell.
        states: By structure how many films were missed or falsely marked; none without masks.
    """

    cell: Mapping[str, Any]
    curve: Markup
    metric: MetricWords
    primary: Measure | None
    others: tuple[Measure, ...]
    selections: tuple[Selected, ...]
    trials: tuple[Trial, ...]
    pointing: tuple[Mapping[str, Any], ...]
    maps: tuple[MapTile, ...]
    facts: tuple[tuple[str, str], ...]
    spec: str
    folds: tuple[Section, ...] = ()
    states: Mapping[str, FilmStates] = field(default_factory=dict)

    @property
    def range(self) -> str:
        """Lowest to highest score of the folds as text, or empty."""
        return _range(self.folds)


def sections(
    cells: pd.DataFrame,
    measured: Mapping[str, Mapping[str, Measure]],
    primary: str,
    records: Mapping[str, CellRecord],
    metrics: Mapping[str, MetricWords],
    cams: pd.DataFrame | None = None,
    maps: Mapping[str, tuple[MapTile, ...]] | None = None,
    runs: Mapping[str, Sequence[str]] | None = None,
    shown: Collection[str] | None = None,
    states: Mapping[str, Mapping[str, FilmStates]] | None = None,
    masked: Collection[str] = (),
) -> list[Section]:
    """Return the sections of cells in the study's order, folds within those of their run.

    Args:
        cells: cells.csv with all selections.
        measured: The measures of each cell, by metric, under the primary selection.
        primary: The selection that the other figures of the page are under.
        records: Per cell what lies in its folder.
        metrics: What metrics are called, by name.
        cams: cams.csv, where the study has maps.
        maps: Per cell its activation maps.
        runs: Per run over folds its cells.
        shown: The cells and runs that have a section; None for all.
        states: Per cell and structure of masks its films' states.
        masked: Names of the data sets with masks.
    """
    runs = {run: folds for run, folds in (runs or {}).items() if shown is None or run in shown}
    if shown is not None:
        cells = cells[cells["cell"].isin({*shown, *chain.from_iterable(runs.values())})]
    marks = _pointing(cams)
    curves = {name: curve_of(records[name].history) for name in {*cells["cell"]} & {*records}}
    heights = _heights(cells, curves)
    found = {}
    for name, rows in cells.groupby("cell", sort=False):
        by_selection = {row["selection"]: row for row in rows.to_dict("records")}
        row = {str(key): value for key, value in by_selection[primary].items()}
        record, own = records.get(str(name), CellRecord()), str(row["metric"])
        metric, mine = named_together([own], metrics), dict(measured.get(str(name), {}))
        found[str(name)] = Section(
            cell=row,
            curve=Markup(sparkline(curves.get(str(name), []), *heights[own], metric)),
            metric=metric,
            primary=mine.pop(own, None),
            others=tuple(mine.values()),
            selections=_selections(by_selection, primary, metric),
            trials=_trials(record.tuning),
            pointing=marks.get(str(name), ()),
            maps=(maps or {}).get(str(name), ()),
            facts=tuple(_facts(row, record, masked)),
            spec=json.dumps(record.spec, indent=2) if record.spec else "",
            states=(states or {}).get(str(name), {}),
        )
    for run, folds in runs.items():
        parts = tuple(found.pop(fold) for fold in folds)
        found[run] = replace(found[run], folds=parts)
    return list(found.values())


MANY = 30
"""From this many cells on, they are shown by network."""


@dataclass(frozen=True)
class Group:
    """Cells that stand together: all of them, or in a large study those of one architecture.

    Attributes:
        name: The architecture, with its data set where there are several.
        cells: The sections.
        range: Its metric from the lowest to the highest score as text, or empty.
    """

    name: str
    cells: tuple[Section, ...]
    range: str


def grouped(found: Sequence[Section]) -> list[Group]:
    """Group the sections of a large study by data set and architecture, in their order."""
    if len(found) <= MANY:
        return [Group("", tuple(found), "")]
    several = len({section.cell["dataset"] for section in found}) > 1
    groups: dict[str, list[Section]] = {}
    for section in found:
        name = str(section.cell["architecture"])
        name += f", {section.cell['dataset']}" if several else ""
        groups.setdefault(name, []).append(section)
    return [Group(name, tuple(part), _range(part)) for name, part in groups.items()]


def _range(found: Sequence[Section]) -> str:
    scores = [section.cell["score"] for section in found if known(section.cell["score"])]
    title = found[0].metric.title if found else ""
    return f"{title} {printed(min(scores))} to {printed(max(scores))}" if scores else ""


def _heights(
    cells: pd.DataFrame, curves: Mapping[str, Sequence[tuple[float, float]]]
) -> dict[str, tuple[float, float]]:
    """Return by metric the lowest and highest point of all learning curves."""
    found = {}
    for metric, rows in cells.groupby("metric", sort=False):
        points = [score for cell in rows["cell"].unique() for _, score in curves.get(cell, ())]
        found[str(metric)] = (min(points), max(points)) if points else (0.0, 1.0)
    return found


def _selections(
    rows: Mapping[str, Mapping[Any, Any]], primary: str, metric: MetricWords
) -> tuple[Selected, ...]:
    best, sign = rows[primary]["score"], 1 if metric.higher_is_better else -1
    found = []
    for name in sorted(rows, key=lambda name: name != primary):
        row = rows[name]
        gain = "" if name == primary else signed(sign * (best - row["score"]))
        numbers = (row["n_checkpoints"], row["score"], row["score_low"], row["score_high"])
        found.append(Selected(name, *numbers, gain))
    return tuple(found)


def _trials(tuning: Mapping[str, Any]) -> tuple[Trial, ...]:
    taken = tuning.get("learning_rate")
    return tuple(
        Trial(
            f"{float(rate):g}",
            printed(trial["valid_score"])
            if trial["status"] == "finished"
            else str(trial["status"]),
            float(rate) == taken,
        )
        for rate, trial in sorted(tuning.get("trials", {}).items(), key=lambda item: float(item[0]))
    )


def _pointing(cams: pd.DataFrame | None) -> dict[str, tuple[Mapping[str, Any], ...]]:
    """Return each cell's rows of cams.csv that have something to print."""
    if cams is None or "pointing" not in cams:
        return {}
    done = cams[cams["pointing"].notna()]
    return {
        str(cell): tuple({str(key): value for key, value in row.items()} for row in rows)
        for cell, part in done.groupby("cell", sort=False)
        for rows in [part.to_dict("records")]
    }


def _facts(
    row: Mapping[str, Any], record: CellRecord, masked: Collection[str]
) -> list[tuple[str, str]]:
    facts = [("Initial weights", weights_sentence(record.proof))]
    network = record.spec.get("architecture", {})
    # A slim network is not the one that its pinned name stands for.
    called = network.get("name") if "slim" in network.get("options", {}) else network.get("timm")
    if called:
        facts.append(("Network", f"{called}, {truncation_name(row['truncation'])}"))
    facts.append(
        ("Size", f"{count(row['params'])} parameters, {scaled(row['macs'])} multiply-accumulates")
    )
    tested = f"{count(row['n_images'])} images, {count(row['n_studies'])} studies, "
    if row["dataset"] in masked:
        tested = f"{count(row['n_images'])} films, "  # each is a case of its own
    facts.append(("Tested on", f"{tested}{count(row['n_patients'])} patients"))
    facts.append(("Learning rate", rate_in_words(record)))
    facts.append(("Phases", phases_in_words(record)))
    facts.append(("Frozen layers", frozen_in_words(record)))
    facts.append(("Training", _training(row, record)))
    if record.train.get("reason"):
        facts.append(("Reason", str(record.train["reason"])))
    return [(what, value) for what, value in facts if value]


def rate_in_words(record: CellRecord) -> str:
    """Say at which rate a cell learned, by phase if these differ."""
    phases = Recipe.from_dict(record.spec.get("recipe", {})).phases if record.spec else ()
    found = _found_rate(record)
    rates = [found if p.learning_rate is None else f"{p.learning_rate:g}" for p in phases]
    if not all(rates) or len(set(rates)) == 1:
        return rates[0] if all(rates) and rates else ""
    return "; ".join(f"{rate} in phase {n}" for n, rate in enumerate(rates, 1))


def _found_rate(record: CellRecord) -> str:
    """Say which rate the trials found; empty if that is not known."""
    rate = record.tuning.get("learning_rate")
    if rate is None:
        return ""
    tried = len(record.tuning.get("trials", {}))
    text = f"{float(rate):g}, the best of {tried} on held-out training patients"
    if record.tuning.get("at_edge"):
        text += "; it lies at an end of what was tried, so a better one may lie outside"
    return text


def phases_in_words(record: CellRecord) -> str:
    """Say how each phase of a training of several went."""
    phases = record.train.get("phases", ())
    if len(phases) < 2:
        return ""
    ends = {"epochs": "", "patience": ", ended by its patience", "diverged": ", then diverged"}
    told = [
        f"{layers_in_words(phase['train_layers'])} for {count(phase['steps'])} steps "
        f"({phase['epochs']:.3g} epochs{ends[phase['ended_by']]})"
        for phase in phases
    ]
    return "; ".join(told)


def frozen_in_words(record: CellRecord) -> str:
    """Say in which phases a cell was trained on stored features; empty if in none."""
    stored, phases = record.spec.get("features", {}), record.train.get("phases", ())
    if not stored:
        return ""
    text = "computed once for each image, and what they make of it stored"
    if len(phases) > 1:
        names = listing([str(int(phase) + 1) for phase in sorted(stored, key=int)])
        text += f", for {'phases' if len(stored) > 1 else 'phase'} {names}"
    return text


def _training(row: Mapping[str, Any], record: CellRecord) -> str:
    if not known(row["train_seconds"]):
        return ""
    parts = [
        seconds(row["train_seconds"]),
        f"{scaled(row['images_per_second'])} images/s",
        f"micro-batches of {count(row['micro_batch'])}",
        f"peak memory {count(row['peak_memory_mb'])} MiB",
        f"on {row['device']}",
    ]
    torch = record.train.get("environment", {}).get("packages", {}).get("torch")
    if torch:
        parts.append(f"torch {torch}")
    return ", ".join(parts)


def weights_sentence(proof: Mapping[str, Any]) -> str:
    """Say what proof.json proves about a cell's initial weights."""
    if not proof:
        return ""
    then = _calibration(proof.get("calibration"))
    if proof.get("source") == "random":
        return f"Drawn from seed {proof.get('seed')}; nothing was loaded.{then}"
    origin = [
        str(proof[key]) for key in ("source", "tag", "package", "cell", "file") if key in proof
    ]
    text = f"{', '.join(origin)}: {plural(proof.get('matched', 0), 'tensor')} matched"
    missing, unexpected = proof.get("missing", []), proof.get("unexpected", [])
    text += f"; missing: {_names(missing)}; unexpected: {_names(unexpected)}."
    if proof.get("sha256"):
        text += f" SHA-256 {proof['sha256']}."
    probe = proof.get("probe", {})
    if known(probe.get("relative_difference")):
        text += (
            f" A probe of {probe['images']} images gives features that differ by "
            f"{_difference(probe['relative_difference'])} from those before loading."
        )
    return text + then


def _calibration(done: Mapping[str, Any] | None) -> str:
    """Say which batch norms took statistics from the training images, and what that changed."""
    if not done:
        return ""
    when = f"Before phase {done['phase'] + 1}, " if done["phase"] else "Before the first step, "
    kept = ", with scale and shift by which outputs stay" if done["keeps_function"] else ""
    return (
        f" {when}{plural(len(done['norms']), 'batch norm')} took their statistics from "
        f"{plural(done['images'], 'training image')}{kept}."
    )


def _difference(share: float) -> str:
    """Word a difference relative to what was there before, which may have been next to nothing."""
    return f"{100 * share:.1f} %" if share < 10 else f"{scaled(share)} times their size"


def _names(names: Sequence[str], most: int = 4) -> str:
    if not names:
        return "none"
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
