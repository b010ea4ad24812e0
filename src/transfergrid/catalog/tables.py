"""The tables of a study, with a word for every column.

A table is declared with its stage in `measured`, `observed`, `curved`, `grouped`, `mapped`,
`alike`, `weighed`, `external`, `answered` or `costed`; everything that lists tables loops over
this.
"""

from __future__ import annotations

from transfergrid.catalog.alike import AGREEING, ALIKE
from transfergrid.catalog.answered import STATISTICS
from transfergrid.catalog.costed import costed
from transfergrid.catalog.curved import CURVED
from transfergrid.catalog.external import EXTERNALS
from transfergrid.catalog.grouped import GROUPED, PROBED
from transfergrid.catalog.mapped import POINTING
from transfergrid.catalog.measured import MEASURED
from transfergrid.catalog.observed import OBSERVED
from transfergrid.catalog.records import Stage, Table
from transfergrid.catalog.weighed import WEIGHED

_FOUND: tuple[Stage, ...] = (
    *MEASURED,
    OBSERVED,
    CURVED,
    GROUPED,
    PROBED,
    POINTING,
    ALIKE,
    AGREEING,
    *WEIGHED,
    EXTERNALS,
    STATISTICS,
)

ANALYSES: tuple[Stage, ...] = (*_FOUND, costed(_FOUND))
"""The stages that make tables."""

TABLES: tuple[Table, ...] = tuple(table for stage in ANALYSES for table in stage.tables)
"""Every table that a study may have."""
