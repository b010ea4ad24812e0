"""What the tables and prepared cards of data sets say, each read once for all checks."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from transfergrid.catalog.kinds import dataset_kind
from transfergrid.planning.described import described_by
from transfergrid.planning.inputs import Dataset
from transfergrid.planning.paths import cache_directory
from transfergrid.planning.task_names import Tasks
from transfergrid.runtime.atomic import read_json

if TYPE_CHECKING:
    from transfergrid.data.manifest import Manifest  # pandas


@dataclass
class TablesRead:
    """What data sets hold.

    Attributes:
        results: The folder of results.
        faulty: Ids of data sets whose faults are told already; nothing is read of them.
        samples: Films to open of each data set, where films are opened.
    """

    results: Path
    faulty: Collection[str] = ()
    samples: int = 20
    _manifests: dict[str, Manifest | None] = field(default_factory=dict)

    def sound(self, dataset: Dataset) -> bool:
        """Tell whether a data set's tables can be read."""
        return dataset.id not in self.faulty

    def cache(self, dataset: Dataset) -> Path:
        """Return the folder of a data set's cache."""
        return cache_directory(dataset.id, self.results)

    def prepared(self, dataset: Dataset) -> bool:
        """Tell whether a data set has its cache."""
        files = ("receipt.json", "card.json")
        return all((self.cache(dataset) / file).is_file() for file in files)

    def tasks(self, dataset: Dataset) -> Tasks | None:
        """Return a data set's tasks: its card's, or those of its tables; None where neither is.

        Raises:
            UserError: Any fault that its reader finds.
        """
        if self.prepared(dataset):
            card = read_json(self.cache(dataset) / "card.json")
            tasks, scored = tuple(card["tasks"]), tuple(card["score_tasks"])
            return Tasks(dataset.name, card["task_kind"], tasks, scored)
        found = self.manifest(dataset)
        if found is None:
            return None
        return Tasks(dataset.name, found.task_kind, found.tasks, found.score_tasks)

    def manifest(self, dataset: Dataset) -> Manifest | None:
        """Return what a data set's reader returns; None where it can only be drawn.

        Raises:
            UserError: Any fault that the reader finds.
        """
        if dataset.id not in self._manifests:
            self._manifests[dataset.id] = _manifest(dataset)
        return self._manifests[dataset.id]


def _manifest(dataset: Dataset) -> Manifest | None:
    from transfergrid.data.kinds import read_unchecked
    from transfergrid.runtime.named import load

    kind = dataset_kind(dataset.declaration["kind"])
    if kind is None or kind.rooted:
        return read_unchecked(dataset.declaration, dataset.root)
    described = described_by(kind, dataset.declaration)
    if described is None or not described.drawn:
        return None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        drawn: Manifest = load(described.drawn)(dataset.declaration, folder)
        return drawn
