"""What every program does first: hold the code with which its job was planned, or stop.

Code is compared and held before a job waits for a lock, for data or for a GPU. What it imports
afterwards is the code that was compared; see `transfergrid.runtime.imports`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.catalog.derivation import modules_of
from transfergrid.planning.architectures import own_code
from transfergrid.planning.fingerprint import (
    DICOM,
    NIFTI,
    kind_modules,
    modules_code,
    modules_fingerprint,
    plugin_source,
    prepare_code,
    stage_code,
    stage_fingerprint,
    template_hashes,
    tuning_hash,
)
from transfergrid.planning.metrics import code_of, functions_of, split_ours
from transfergrid.planning.notes import known_note
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import SPEC, read_spec
from transfergrid.planning.stamps import read_named
from transfergrid.planning.tasks import task_modules, tasks_fingerprint
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.imports import hold


def hold_stage(stage: str, recorded: str | None = None) -> str:
    """Make this process import a stage's code as it is now, whenever it does so.

    Args:
        stage: The stage.
        recorded: The fingerprint with which the job was planned, if one was recorded.

    Returns:
        The fingerprint of the code that is held.

    Raises:
        UserError: The code was edited after the job was planned.
    """
    current = stage_fingerprint(stage)
    if recorded is not None and current != recorded:
        raise UserError(
            f"the code of stage '{stage}' was edited after this job was planned ({recorded} then, "
            f"{current} now); run snakemake again to plan with the new code."
        )
    hold(stage_code(stage))
    return current


def hold_prepare(declaration: Mapping[str, Any]) -> None:
    """Make this process import a data set's reader, even a plug-in's, as it is now.

    Args:
        declaration: The data set's, with its kind, and whether it has DICOM or NIfTI files.

    Raises:
        UserError: A plug-in's module does not exist.
    """
    hold(prepare_code(declaration["kind"]))
    if declaration.get("dicom"):
        hold(modules_code(DICOM))
    if declaration.get("nifti"):
        hold(modules_code(NIFTI))


def hold_plugin(reference: str, recorded: str | None = None) -> None:
    """Make this process import the module of a ``module:function`` as it is now.

    Raises:
        UserError: It does not exist, or was edited after the job was planned.
    """
    source = plugin_source(reference)
    if recorded is not None and source.fingerprint != recorded:
        raise UserError(
            f"the code of {reference} was edited after this job was planned; run snakemake again "
            "to plan with the new code."
        )
    hold({source.module: source.code})


def hold_plugins(spec: Mapping[str, Any]) -> None:
    """Hold the plug-in network and weights of a cell, and what derives its weights from others.

    Args:
        spec: The cell's specification.

    Raises:
        UserError: Some of that code is not the code after which the cell is named.
    """
    hold_network(spec)
    weights = spec["weights"]
    if weights.get("code"):
        hold_plugin(weights["kind"], weights["code"])
    hold_derivation(weights.get("derive"))


def hold_derivation(derivation: Mapping[str, Any] | None) -> None:
    """Hold the code that derives initial weights from others.

    Args:
        derivation: ``derive`` of a specification's ``weights``, if it has that.

    Raises:
        UserError: It was edited after the job was planned.
    """
    if derivation is None:
        return
    modules = modules_of(derivation)
    if modules_fingerprint(modules) != derivation["code"]:
        raise UserError(
            "the code that derives this job's initial weights was edited after it was planned; run "
            "snakemake again to plan with the new code."
        )
    hold(modules_code(modules))


def hold_kind(kind: str) -> None:
    """Hold the code that is that of one kind of released weights alone.

    Whether it is what the weights are named after is compared with their note.
    """
    hold(modules_code(kind_modules(kind)))


def hold_cell(spec: Mapping[str, Any]) -> None:
    """Hold all that a cell's specification names beside stages: plug-ins, kind of task, metric.

    Args:
        spec: The cell's specification.

    Raises:
        UserError: Some of that code is not what the cell is named after.
    """
    hold_plugins(spec)
    data = spec["dataset"]
    if tasks_fingerprint(data) != spec["code"]["task"]:
        raise UserError(
            "the code of this cell's kind of task was edited after the job was planned; run "
            "snakemake again to plan with the new code."
        )
    hold(modules_code(task_modules(data)))
    hold_metric(spec["metric"], spec["code"]["metric"])


def hold_metric(metric: Mapping[str, Any], recorded: str) -> None:
    """Hold the functions of a metric.

    Args:
        metric: Its declaration, or what a specification holds of it.
        recorded: The fingerprint that the job was planned with.

    Raises:
        UserError: They are not what was planned with.
    """
    named = functions_of(metric)
    if code_of(named) != recorded:
        raise UserError(
            f"the code of metric '{metric['name']}' was edited after this job was planned; run "
            "snakemake again to plan with the new code."
        )
    ours, others = split_ours(named)
    hold(modules_code(ours))
    for reference in others:
        hold_plugin(reference)


def hold_network(spec: Mapping[str, Any]) -> None:
    """Hold a cell's own network and decoder; UserError if it is named after other code."""
    network = spec["architecture"]
    if network.get("code"):
        for reference, code in zip(own_code(network), network["code"].split("-"), strict=True):
            hold_plugin(reference, code)


def hold_networks(study: Mapping[str, Any], results: Path) -> None:
    """Hold the plug-in networks of a study's cells: their parameters are counted for its tables.

    Args:
        study: The stamp's content.
        results: Root of all outputs.

    Raises:
        UserError: A network's code is not that after which its cells are named, or a specification
            is damaged.
    """
    cells = {(entry["architecture"], entry["protocol"]): entry["cell"] for entry in study["cells"]}
    for cell in cells.values():
        path = cell_directory(cell, results) / SPEC
        if path.is_file():
            hold_network(read_spec(path))


def hold_questions(study: Mapping[str, Any]) -> None:
    """Hold the code of a study's own kinds of question.

    Args:
        study: The stamp's content, which has questions where the stage answers any.

    Raises:
        UserError: The code is not what the stamp names.
    """
    for question in study.get("questions", ()):
        if "code" in question:
            hold_plugin(question["kind"], question["code"])


def hold_readers(study: Mapping[str, Any], results: Path) -> None:
    """Hold the readers of data sets that a stage reads again, for observers or for groups.

    Args:
        study: The stamp's content, which has observers or subgroups where the stage reads them.
        results: Root of all outputs.

    Raises:
        UserError: No note says where a data set lies, or it or its reader was edited since.
    """
    again = (study.get(key, {}) for key in ("observers", "subgroups"))
    for dataset in dict.fromkeys(name for part in again for name in part):
        hold_reader(known_note(dataset, results))


def hold_reader(note: Mapping[str, Any]) -> None:
    """Hold the reader of a data set that a job reads again.

    Args:
        note: Where the data set lies, see `transfergrid.planning.inputs.Dataset.location`.

    Raises:
        UserError: It or its reader was edited since.
    """
    # Training holds its code by this module, and needs nothing with which studies are read.
    from transfergrid.planning.inputs import check_dataset

    hold_prepare(note["declaration"])
    check_dataset(note)


def hold_figures(study: Mapping[str, Any]) -> None:
    """Hold the code of a study's own figures.

    Args:
        study: The stamp's content.

    Raises:
        UserError: It was edited after the job was planned.
    """
    for figure in study["figures"].values():
        hold_plugin(figure["function"], figure["code"])


def read_stamp(path: Path, stage: str) -> dict[str, Any]:
    """Read the stamp that a stage's job was given, and hold the code that it names.

    Raises:
        UserError: The code was edited since, or the stamp is damaged.
    """
    content = read_named(path)
    hold_content(stage, content)
    return content


def hold_content(stage: str, content: Mapping[str, Any]) -> None:
    """Hold a stage's code and that of the metrics which its stamp holds.

    Raises:
        UserError: Some of it was edited after the stamp was planned.
    """
    hold_stage(stage, content["code"])
    for metric in content.get("metrics", {}).values():
        hold_metric(metric, metric["code"])


def hold_tuning(tuning_id: str, trials: Mapping[str, str]) -> None:
    """Hold the code that chooses a learning rate.

    Args:
        tuning_id: The name of the choice.
        trials: Name of the trial cell by learning rate, as text.

    Raises:
        UserError: The name stands for other trials, or for other code.
    """
    if tuning_id.rpartition("-")[2] != tuning_hash(trials):
        raise UserError(
            f"the trials of {tuning_id} or the code that chooses among them were edited after this "
            "job was planned; run snakemake again to plan with what is there now."
        )
    hold_stage("tune")


def check_templates(recorded: Mapping[str, str]) -> None:
    """Stop if a page was made with templates other than those with which it was planned.

    Args:
        recorded: What `template_hashes` returned.

    Raises:
        UserError: Some were edited since.
    """
    current = template_hashes()
    changed = [n for n in {**recorded, **current} if recorded.get(n) != current.get(n)]
    if changed:
        raise UserError(
            f"{listed(changed)} changed after this page was planned; run snakemake again to plan "
            "with what is there now."
        )
