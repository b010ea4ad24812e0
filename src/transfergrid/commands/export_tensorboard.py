"""A study's trainings as TensorBoard's event files, written by its own package."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from transfergrid.commands.export_runs import Run, runs_of
from transfergrid.planning.planned import PlannedStudy
from transfergrid.runtime.atomic import replacing_directory
from transfergrid.runtime.errors import UserError


def check_installed() -> None:
    """Refuse where the package tensorboard is not installed.

    Raises:
        UserError: It is not.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise UserError(
            "TensorBoard's files are written by its package, which is not installed; pip install "
            "tensorboard, or export to csv."
        )


def write_tensorboard(study: PlannedStudy, results: Path, folder: Path) -> int:
    """Write a folder of events for each training, to read with ``tensorboard --logdir``.

    A training's settings and test scores are in the tab HPARAMS. What an earlier export has left
    there is replaced.

    Returns:
        The number of trainings.

    Raises:
        UserError: The package tensorboard is not installed, or a file is not what was written.
    """
    check_installed()
    folder.parent.mkdir(parents=True, exist_ok=True)
    runs = list(runs_of(study, results))
    with replacing_directory(folder) as made:
        for run in runs:
            _write(run, made / run.cell)
    return len(runs)


def _write(run: Run, folder: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for tag, value, step in scalars(run):
            writer.add_scalar(tag, value, step)
        if run.results:
            writer.add_hparams(dict(run.settings), dict(run.results), run_name=".")


def scalars(run: Run) -> Iterator[tuple[str, float, int]]:
    """Yield name, value and step of every number of a training's course."""
    for line in run.course:
        for name, value in line.items():
            if name != "step":
                yield name, value, int(line["step"])
