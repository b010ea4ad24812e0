"""A trained cell with what is known of it: which ensemble a study made, and how well it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from transfergrid.catalog.external import EVERY
from transfergrid.planning.paths import RESULTS
from transfergrid.planning.stamps import read_named, stamps_in
from transfergrid.reporting.tables.stage_files import read_made_table
from transfergrid.reporting.words import known
from transfergrid.runtime.errors import UserError, listed, suggest
from transfergrid.runtime.sealed import read_sealed

if TYPE_CHECKING:
    from transfergrid.data.store import Card
    from transfergrid.evaluation.loaded import LoadedCell

RELEASED = "released.json"
"""Of a cell in an archive: its selection, and what is said of it."""
DEFAULT = "best"
"""The selection of a cell that belongs to no study's ensembles."""


def load_cell(
    path: str | Path,
    selection: str | None = None,
    study: str | None = None,
    device: str = "cpu",
    *,
    own_code: bool = False,
) -> LoadedCell:
    """Load a trained cell to predict films with.

    Args:
        path: Its folder, in results/cells or in an archive, or the name of a cell in
            results/cells.
        selection: Which of its checkpoints are averaged, such as "best" or "top10"; by default as
            its study's first selection says, and "best" of a cell that is in no study's grid.
        study: The study that is meant, where several have the cell.
        device: "cpu", "cuda" or "cuda:<n>".
        own_code: Whether a network, decoder or metric that is not the project's may be imported, as
            the cell's specification names it. Cells of results/cells in the working directory need
            no leave, for they are the run's own; for others, give it if you trust who made them.

    Returns:
        The cell; its `predict` takes films, its `about` says what it was trained and tested on.

    Raises:
        UserError: There is no such cell or study, the cell is not trained or diverged, its weights
            were freed or damaged, its studies have different first selections, it was released
            with another selection, there is no such device, or it needs code that may not be
            imported or was edited after its training.
    """
    from transfergrid.evaluation.loaded import LoadedCell

    folder = _folder_of(Path(path))
    if (folder / RELEASED).is_file():
        told = read_sealed(folder / RELEASED, f"take {RELEASED} from the archive again")
        own = str(told["selection"])
        if selection not in (None, own):
            raise UserError(
                f"the released cell {folder.name} was described and tested with selection '{own}', "
                f"not '{selection}'; leave the selection out."
            )
        loaded = LoadedCell.of(folder, own, device, own_code)
        return replace(loaded, about=str(told["about"]))
    studies = studies_of(folder)
    if study is not None and study not in studies:
        raise UserError(
            f"study '{study}' has made no ensemble of cell {folder.name}; it is in "
            f"{listed(studies) or 'no study'}."
        )
    named = {study: studies[study]} if study is not None else studies
    firsts = {selections[0] for selections in named.values()}
    if selection is None and len(firsts) > 1:
        raise UserError(
            f"cell {folder.name} is in {listed(named)}, whose first selections are "
            f"{listed(sorted(firsts))}; name the study or the selection."
        )
    ours = folder.parent == (RESULTS / "cells").resolve()
    chosen = selection or next(iter(firsts), DEFAULT)
    loaded = LoadedCell.of(folder, chosen, device, own_code or ours)
    return replace(loaded, about=told_of(loaded, named))


def _folder_of(path: Path) -> Path:
    """Return a cell's folder, which may be named by the cell alone."""
    for folder in (path, RESULTS / "cells" / path):
        if folder.is_dir():
            return folder.resolve()
    cells = RESULTS / "cells"
    near = suggest(path.name, sorted(one.name for one in cells.iterdir()) if cells.is_dir() else ())
    raise UserError(
        f"there is no cell {path}{near}; name its folder, or a cell of {cells} in the folder of "
        "the run."
    )


def studies_of(folder: Path) -> dict[str, list[str]]:
    """Return the selections, the first one first, of each study that has ensembles of a cell."""
    found: dict[str, list[str]] = {}
    for name, path in stamps_in(folder.parent.parent / "stamps"):
        if name.stage == "ensembles":
            with suppress(FileNotFoundError):  # a run has just published one that replaces it
                content = read_named(path)
                if folder.name in content["targets"]:
                    found[name.owner] = list(content["evaluation"]["selections"])
    return found


def row_of(folder: Path, selection: str, studies: Iterable[str]) -> dict[str, Any]:
    """Return a cell's row of cells.csv in the first study that has one, with the study's name."""
    for study in studies:
        place = folder.parent.parent / study
        if (place / "tables" / "cells.csv").is_file():
            table = read_made_table(place, "cells")
            row = table[(table["cell"] == folder.name) & (table["selection"] == selection)]
            if len(row):
                return {"study": study, **{str(key): value for key, value in row.iloc[0].items()}}
    return {}


def elsewhere_of(folder: Path, selection: str, study: str) -> list[dict[str, Any]]:
    """Return a cell's rows of a study's external.csv, of its mean over tasks."""
    place = folder.parent.parent / study
    if not (place / "tables" / "external.csv").is_file():
        return []
    table = read_made_table(place, "external")
    own = (table["cell"] == folder.name) & (table["selection"] == selection)
    rows = table[own & table["task"].isna()].to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def told_of(cell: LoadedCell, studies: Iterable[str]) -> str:
    """Say of a cell in a folder of results what `about` says, by the first study that knows."""
    row = row_of(cell.folder, cell.selection, studies)
    elsewhere = elsewhere_of(cell.folder, cell.selection, row["study"]) if row else []
    return about(cell, row, [one for one in elsewhere if one["metric"] == row["metric"]])


def about(
    cell: LoadedCell, row: Mapping[str, Any], elsewhere: Sequence[Mapping[str, Any]] = ()
) -> str:
    """Say what a cell was trained and tested on, and how well it did.

    Args:
        cell: The cell.
        row: Its row of cells.csv with ``study``; empty where there is none.
        elsewhere: Its rows of external.csv in that row's metric.
    """
    axes, card = cell.spec["cell"], cell.card
    fold = f", fold {axes['fold']}" if "fold" in axes else ""
    told = [
        f"{axes['architecture']} with initial weights '{axes['pretraining']}', recipe "
        f"'{axes['protocol']}', seed {axes['seed']}{fold}, trained on "
        f"{_films(card, 'train')} of data set '{axes['dataset']}' ({card.kind}); its "
        f"checkpoints were chosen on {_films(card, 'valid')}, and these are "
        f"{_means(cell)}."
    ]
    if row:
        told.append(
            f"In study '{row['study']}' it was tested on {_films(card, 'test')} of the same "
            f"data set: {_score(row)}."
        )
    else:
        told.append("No study's table says how well it did.")
    told += [f"On {where_tested(there)}: {_score(there, 'value')}." for there in elsewhere]
    told += card.notes
    if ":" in cell.spec["dataset"]["kind"]:
        told.append(
            f"Its films were read by {cell.spec['dataset']['kind']}; files named here are read as "
            "image files, so if that reader decodes in a way of its own, give it the pixels."
        )
    told.append(
        f"Nothing here says how well it does on films of {'any other' if elsewhere else 'another'} "
        "source, and it is no medical device."
    )
    return " ".join(told)


def _means(cell: LoadedCell) -> str:
    count = cell.chosen.shape[1]
    what = "masks by its mean probability" if cell.marks else "its mean probabilities"
    return f"{what} over {count} checkpoint{'s' * (count != 1)} (selection '{cell.selection}')"


def _films(card: Card, split: str) -> str:
    counts = card.splits.get(split) or {}
    if "images" not in counts:
        return f"the {split} films"
    films, patients = counts["images"], counts.get("patients")
    people = f" of {patients:,} patients" if patients and card.patients == "known" else ""
    return f"{films:,} films{people}"


def where_tested(row: Mapping[str, Any]) -> str:
    """Say of a row of external.csv on what it is."""
    films = "all films" if row["split"] == EVERY else "the test films"
    return f"{films} of data set '{row['tested_on']}' ({row['n']:,} examinations)"


def _score(row: Mapping[str, Any], key: str = "score") -> str:
    if not known(row[key]) or pd.isna(row[key]):
        return f"its {row['metric']} is not defined"
    low, high = ("low", "high") if key == "value" else ("score_low", "score_high")
    ends = [row[low], row[high]]
    between = f" ({ends[0]:.3f} to {ends[1]:.3f})" if all(map(pd.notna, ends)) else ""
    flags = "" if pd.isna(row["flags"]) else f"; flags: {row['flags'].replace(';', ', ')}"
    return f"{row['metric']} {row[key]:.3f}{between}{flags}"
