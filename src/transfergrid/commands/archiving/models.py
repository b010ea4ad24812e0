"""Released cells in an archive: weights that can be loaded and predict, each with a model card."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from huggingface_hub import EvalResult, ModelCardData

from transfergrid.commands.archiving.licences import Terms
from transfergrid.commands.archiving.parts import copy_kept, without_remarks
from transfergrid.evaluation.loaded import LoadedCell
from transfergrid.evaluation.trust import own_network
from transfergrid.planning.records import RECORD, TRAINED
from transfergrid.reporting.loading import RELEASED, elsewhere_of, load_cell, told_of, where_tested
from transfergrid.runtime.atomic import read_json, write_text
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.sealed import write_sealed

CARD = "README.md"
_UNSEALED = "seal"


def release(
    cell: str,
    results: Path,
    folder: Path,
    study: str,
    scores: pd.DataFrame,
    terms: Mapping[str, Terms],
    told: bool,
) -> None:
    """Copy a cell so that `transfergrid.load_cell` can read it, and write its card.

    The checkpoints are all that were kept; which of them are averaged is told beside them.

    Args:
        cell: Its name.
        results: The folder of results.
        folder: The archive.
        study: The study.
        scores: Rows of scores.csv.
        terms: Of the cell's data set ("data") and initial weights ("weights", where there are).
        told: Whether names of its films and patients may be told.

    Raises:
        UserError: The cell diverged, its weights were freed, or a file is not what was written.
    """
    source, target = results / "cells" / cell, folder / "models" / cell
    loaded = load_cell(source, study=study)
    if "per_task" in loaded.selection:
        raise UserError(
            f"cell {cell} averages other checkpoints for each task ('{loaded.selection}'), which a "
            "released cell cannot tell; put another selection first."
        )
    copy_kept(source, target, told)
    if not told:
        notes = without_remarks({"notes": loaded.card.notes})["notes"]
        loaded = replace(loaded, card=replace(loaded.card, notes=tuple(notes)))
        loaded = replace(loaded, about=told_of(loaded, [study]))
    for name in (RECORD, TRAINED):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)
    for name in loaded.trained.files:
        if name.startswith("checkpoints/"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)
    write_sealed(target / RELEASED, {"selection": loaded.selection, "about": loaded.about})
    elsewhere = elsewhere_of(source, loaded.selection, study)
    write_text(target / CARD, card_text(loaded, scores[scores["cell"] == cell], elsewhere, terms))


def seal_again(folder: Path) -> None:
    """Write the receipts of a copied cell anew, whose card or history may have new names."""
    for name in (RECORD, TRAINED):
        path = folder / name
        if path.is_file():
            content = {key: value for key, value in read_json(path).items() if key != _UNSEALED}
            there = {
                file: sha256_file(folder / file)
                for file in content["files"]
                if (folder / file).is_file()
            }
            write_sealed(path, {**content, "files": {**content["files"], **there}})


def card_text(
    cell: LoadedCell,
    scores: pd.DataFrame,
    elsewhere: Sequence[Mapping[str, Any]],
    terms: Mapping[str, Terms],
) -> str:
    """Return a model card: what Hugging Face reads (model-index), then what people read.

    Args:
        cell: The cell.
        scores: Its rows of scores.csv.
        elsewhere: Its rows of external.csv, of means over tasks.
        terms: As `release`.
    """
    axes = cell.spec["cell"]
    rows = scores[scores["selection"] == cell.selection]
    whole = rows[rows["task"].isna() | (rows["task"] == "")]
    whole = whole[whole["value"].notna()]
    kind = "image-segmentation" if cell.marks else "image-classification"
    found = [
        _result(kind, str(axes["dataset"]), "test", row) for row in whole.to_dict("records")
    ] + [
        _result(kind, str(row["tested_on"]), str(row["split"]), row)
        for row in elsewhere
        if pd.notna(row["value"])
    ]
    data = ModelCardData(
        license="other",
        license_name="see-licences",
        license_link="../../LICENCES.md",
        library_name="transfergrid",
        pipeline_tag=kind,
        tags=["medical", "transfer-learning"],
        model_name=cell.folder.name,
        eval_results=found or None,
    )
    return f"---\n{data.to_yaml()}\n---\n\n{_body(cell, rows, elsewhere, terms)}"


def _result(kind: str, dataset: str, split: str, row: Mapping[Any, Any]) -> EvalResult:
    return EvalResult(
        task_type=kind,
        dataset_type=dataset,
        dataset_name=dataset,
        dataset_split=split,
        metric_type=str(row["metric"]),
        metric_name=f"{row['metric']}{_interval(row)}",
        metric_value=float(row["value"]),
    )


def _interval(row: Mapping[Any, Any]) -> str:
    if pd.isna(row["low"]) or pd.isna(row["high"]):
        return ""
    return f" ({row['low']:.3f} to {row['high']:.3f})"


def _line(what: str, row: Mapping[Any, Any]) -> str:
    value = "not defined" if pd.isna(row["value"]) else f"{row['value']:.3f}"
    told = [what, row["metric"], value, _interval(row).strip(" ()"), row["n_patients"]]
    return f"| {' | '.join(map(str, told))} |"


def _body(
    cell: LoadedCell,
    rows: pd.DataFrame,
    elsewhere: Sequence[Mapping[str, Any]],
    terms: Mapping[str, Terms],
) -> str:
    own = own_network(cell.spec)
    leave = ", own_code=True" if own else ""
    lines = [f"# {cell.folder.name}", "", cell.about, "", "## Use", "", "```python"]
    lines += [
        "import transfergrid",
        "",
        f'cell = transfergrid.load_cell("models/{cell.folder.name}"{leave})',
    ]
    lines += ['cell.predict(["film.png"])', "```", ""]
    if own:
        lines += [f"It runs {listed(own)}, which is not in here and has to be on `PYTHONPATH`.", ""]
    lines += ["## Labels", ""]
    lines += [f"- {task}" for task in cell.tasks]
    lines += ["", "## Scores on the test films", ""]
    lines += ["| label | metric | value | interval | patients |", "|---|---|---:|---|---:|"]
    for row in rows.to_dict("records"):
        label = "all" if pd.isna(row["task"]) or row["task"] == "" else row["task"]
        lines.append(_line(label, row))
    if elsewhere:
        lines += ["", "## Scores on films of other data sets", ""]
        lines += ["| films | metric | value | interval | patients |", "|---|---|---:|---|---:|"]
        lines += [_line(where_tested(row), row) for row in elsewhere]
    lines += ["", "Intervals are clustered by patient; how, `../../report.html` says.", ""]
    lines += ["## Terms", ""]
    lines += [f"- {one.what}: {one.licence}. {one.cites}" for one in terms.values()]
    lines += ["", "## Limits", ""]
    others = [
        "one data set and on no others",
        "its own data set, on those of which scores are told above, and on no others",
    ]
    lines += [f"It was tested on films of {others[bool(elsewhere)]}. It is no medical device."]
    return "\n".join(lines) + "\n"
