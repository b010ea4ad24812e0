"""`transfergrid export`: a finished study's results in the forms of papers and other tools."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from transfergrid.commands.options import add_study_arguments, in_directory, plan_of, word
from transfergrid.planning.paths import RESULTS
from transfergrid.planning.plan import Plan
from transfergrid.planning.planned import PlannedStudy
from transfergrid.runtime.errors import UserError, listed

FOLDER = "export"
"""Folder of exports in a study's folder."""


@dataclass(frozen=True)
class Form:
    """A form to export to.

    Attributes:
        told: What it is, for the help.
        module: Module of this room that has the function.
        function: Writes a study's results: from the study, the results and a folder, which it
            replaces, to the number of files or runs.
        made: What the number counts.
        keyword: More for the function.
        needs: Packages that it is written by, beside the project's own.
        lacking: What is said where one of them is not installed.
    """

    told: str
    module: str
    function: str
    made: str
    keyword: str = ""
    needs: tuple[str, ...] = ()
    lacking: str = ""

    def check_can(self) -> None:
        """Refuse a form that cannot be written here.

        Raises:
            UserError: It needs a package that is not installed.
        """
        if any(find_spec(name) is None for name in self.needs):
            raise UserError(self.lacking)

    def write(self, study: PlannedStudy, results: Path, folder: Path) -> int:
        """Write a study's results; return how many files or runs."""
        function = getattr(import_module(f"transfergrid.commands.{self.module}"), self.function)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if self.keyword:
            function = partial(function, form=self.keyword)
        return int(cast(Callable[..., int], function)(study, results, folder))


FORMS: dict[str, Form] = {
    "latex": Form("tables, with booktabs", "export_tables", "write_tables", "tables", "latex"),
    "markdown": Form("tables", "export_tables", "write_tables", "tables", "markdown"),
    "pdf": Form("figures", "export_figures", "write_figures", "figures", "pdf"),
    "png": Form("figures, 300 dots an inch", "export_figures", "write_figures", "figures", "png"),
    "csv": Form("trainings as two tables", "export_csv", "write_csv", "runs"),
    "tensorboard": Form(
        "trainings",
        "export_tensorboard",
        "write_tensorboard",
        "runs",
        needs=("tensorboard",),
        lacking="TensorBoard's files are written by its package, which is not installed; pip "
        "install tensorboard, or export to csv.",
    ),
    "mlflow": Form(
        "trainings",
        "export_mlflow",
        "write_mlflow",
        "runs",
        needs=("mlflow", "sqlalchemy"),
        lacking="MLflow's store is written by its package, which is not installed whole; pip "
        "install mlflow, or export to csv.",
    ),
}
"""What `--to` takes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's options."""
    add_study_arguments(parser)
    parser.add_argument(
        "--to",
        nargs="+",
        required=True,
        type=word,
        choices=FORMS,
        metavar="FORM",
        help="; ".join(f"{name}: {form.told}" for name, form in FORMS.items()),
    )
    parser.add_argument(
        "--output",
        type=lambda text: Path(text).absolute(),
        metavar="DIR",
        help="where to [results/STUDY/export]",
    )


def run(arguments: argparse.Namespace) -> int:
    """Export each study to each form; say what was written where.

    Raises:
        UserError: A study cannot be planned or is not finished, a file is not what was written, or
            a form needs a package that is not installed.
    """
    with in_directory(arguments.directory):
        plan = plan_of(arguments)
        for study in plan.studies.values():
            check_finished(study, RESULTS)
        check_current(plan, RESULTS)
        wanted = list(_wanted(arguments, list(plan.studies.values())))
        for _, form, folder in wanted:
            form.check_can()
            if arguments.output and folder.exists():
                raise UserError(f"{folder} exists; remove it, or name another --output.")
        for study, form, folder in wanted:
            count = form.write(study, RESULTS, folder)
            print(f"{folder}: {count} {form.made}")
    return 0


def _wanted(
    arguments: argparse.Namespace, studies: Sequence[PlannedStudy]
) -> Iterator[tuple[PlannedStudy, Form, Path]]:
    """Yield each study with each form and the folder that it goes to."""
    for study in studies:
        base = arguments.output or RESULTS / study.name / FOLDER
        if arguments.output and len(studies) > 1:
            base = base / study.name
        for name in dict.fromkeys(cast(Iterable[str], arguments.to)):
            yield study, FORMS[name], base / name


def check_finished(study: PlannedStudy, results: Path) -> None:
    """Refuse a study whose tables and page have not been made.

    Raises:
        UserError: It says what to do.
    """
    lacking = [
        name
        for name in ("receipts/cells.json", "receipts/figures.json", "receipts/report.json")
        if not (results / study.name / name).is_file()
    ]
    if lacking:
        raise UserError(
            f"study '{study.name}' is not finished ({results / study.name / lacking[0]} is "
            "missing); run snakemake to its end first."
        )


def check_current(plan: Plan, results: Path) -> None:
    """Refuse studies of which something would be made again, such as for an edited question.

    Raises:
        UserError: It says what.
    """
    from transfergrid.commands.plan import survey

    seen = survey(plan, results)
    for name, study in plan.studies.items():
        cells = [cell.name for cell in study.cells if not seen.states[cell.name].finished]
        due = [stage.stage for stage in seen.stages[name] if stage.jobs]
        if cells or due:
            raise UserError(
                f"what study '{name}' has made is not of its file as it is now "
                f"({listed(due or cells, 3)} would be made again); run snakemake to its end first."
            )
