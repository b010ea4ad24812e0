"""The stages: the nodes of the graph from source to report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Stage:
    """A node of the graph.

    Attributes:
        name: Its name, in stamps and messages.
        per: What one job is for.
        reads: Names of the stages whose output it reads.
        writes: What a job leaves, relative to the folder of results.
        code: Modules that its fingerprint starts from, the package's name left out.
        rule: The rule of Snakemake that runs it.
    """

    name: str
    per: Literal["dataset", "weights", "tuning", "cell", "study", "ensemble"]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    code: tuple[str, ...]
    rule: str
