"""The figures of a study."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A figure that a study may have.

    Attributes:
        name: File name without ``.svg``, and anchor on the page.
        title: Heading on the page.
        reads: Names of the tables that it is drawn from.
        module: Module that has ``lack``, ``draw`` and ``caption``, each a function of the figures'
            data; ``lack`` says why there is nothing to show, or returns an empty string.
        caption: What a reader must know whatever the study, for Snakemake's report.
    """

    name: str
    title: str
    reads: tuple[str, ...]
    module: str
    caption: str
