"""The records that stages and tables are declared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Per = Literal[
    "dataset",
    "weights",
    "features",
    "state",
    "weighing",
    "tuning",
    "cell",
    "shard",
    "study",
    "figure",
]


@dataclass(frozen=True)
class Column:
    """A column of a table, or several of one meaning.

    Attributes:
        name: As in the header; several are given with ", " between them.
        meaning: What it holds, with its unit, as Markdown.
    """

    name: str
    meaning: str

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, one by one."""
        return tuple(self.name.split(", "))


@dataclass(frozen=True)
class Table:
    """A table of a study.

    Attributes:
        name: File name without ``.csv``.
        rows: What one row is, in a sentence or two, as Markdown.
        caption: What a reader must know of it, for Snakemake's report, as reStructuredText.
        columns: Its columns, in order.
        flags: The words of its column ``flags``.
    """

    name: str
    rows: str
    caption: str
    columns: tuple[Column, ...]
    flags: tuple[Column, ...] = ()

    @property
    def header(self) -> tuple[str, ...]:
        """The names of its columns, in order."""
        return tuple(name for column in self.columns for name in column.names)

    @property
    def file(self) -> str:
        """Where it lies in the study's folder."""
        return f"tables/{self.name}.csv"


@dataclass(frozen=True)
class Stage:
    """A node of the graph from source to report.

    Attributes:
        name: Its name, in stamps and messages: small letters.
        per: What one job is for.
        mark: The file that a job writes last, relative to the folder of results: it tells that the
            job has ended, and is what later stages wait for.
        reads: Names of the stages whose output it reads.
        writes: The other files that a job leaves and declares to Snakemake.
        code: Modules that its fingerprint starts from, the package's name left out; none where what
            it does is no part of any result.
        run: ``module:function`` of an analysis: see `tables`. Without one, the stage has a program
            of its own.
        tables: What `run` returns: a data frame for each of these names.
        holds: What its stamp says of the study, beside the code: keys of
            `transfergrid.planning.contents.PARTS`, of ``evaluation`` also single settings.
        asked_by: Key of the study without which it has no such stage, or an empty string. What a
            stamp holds under it is empty then.
        rule: The rule of Snakemake that runs it, where that has another name.
        threads: Threads that its rule asks for, if it makes tables; other rules say themselves.
        memory_mb: Memory that its rule asks for at the first attempt, if it makes tables, figures
            or the page.
        minutes: Time that its rule asks for, as `memory_mb`.
        title: What its rule says it is doing, if it makes tables; ``{wildcards.study}`` stands for
            the study.
    """

    name: str
    per: Per
    mark: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    run: str = ""
    tables: tuple[Table, ...] = ()
    holds: tuple[str, ...] = ()
    asked_by: str = ""
    rule: str = ""
    threads: int = 1
    memory_mb: int = 2000
    minutes: int = 30
    title: str = ""

    @property
    def of_study(self) -> bool:
        """Whether what it makes lies in a study's folder, and follows the study's settings."""
        return self.mark.startswith("{study}/")

    @property
    def rule_name(self) -> str:
        """The rule of Snakemake that runs it."""
        return self.rule or self.name

    @property
    def benchmark(self) -> str:
        """Where Snakemake writes what a job took: beside its log."""
        if not self.of_study:
            room, inner, *_ = self.mark.split("/")
            own = inner == "{cell}"
            return f"{room}/{inner}/logs/{self.name}.tsv" if own else f"{room}/logs/{inner}.tsv"
        part = {"shard": "/{shard}", "cell": "/{cell}"}.get(self.per, "")
        return f"{{study}}/logs/{self.rule_name}{part}.tsv"

    @property
    def written(self) -> str:
        """Where its rule stands in workflow/rules: a rule's name, or the file of a loop's."""
        return "analyses" if self.run else self.rule_name

    @property
    def files(self) -> tuple[str, ...]:
        """All that a job leaves and declares."""
        return (*self.writes, self.mark)


def analysis(name: str, run: str, *tables: Table, title: str, **more: object) -> Stage:
    """Declare a stage of a study that makes tables.

    Args:
        name: Its name.
        run: ``module:function``, the package's name left out. The function takes the study (what
            the stamp holds, with the study's cells), the folder of results and the number of
            worker processes that it may use, and returns each of the tables by name.
        *tables: What it makes.
        title: What its rule says it is doing.
        **more: Other fields of `Stage`.
    """
    code = (run.partition(":")[0], "reporting.tables.stage_files")
    return Stage(
        name=name,
        per="study",
        mark=receipt_of(name),
        writes=tuple(f"{{study}}/{table.file}" for table in tables),
        code=code,
        run=f"transfergrid.{run}",
        tables=tables,
        title=title,
        **more,  # type: ignore[arg-type]
    )


def receipt_of(stage: str) -> str:
    """Return where a stage of a study leaves the SHA-256 of what it made there."""
    return f"{{study}}/receipts/{stage}.json"
