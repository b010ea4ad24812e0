"""A study's trainings as TensorBoard's event files, written by its own package."""

from __future__ import annotations

from pathlib import Path

from transfergrid.commands.export_runs import Run, runs_of, scalars
from transfergrid.planning.planned import PlannedStudy
from transfergrid.runtime.atomic import replacing_directory


def write_tensorboard(study: PlannedStudy, results: Path, folder: Path) -> int:
    """Write a folder of events for each training, to read with ``tensorboard --logdir``.

    A training's settings and test scores are in the tab HPARAMS. What an earlier export has left
    there is replaced.

    Returns:
        The number of trainings.

    Raises:
        UserError: A file is not what was written.
    """
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
