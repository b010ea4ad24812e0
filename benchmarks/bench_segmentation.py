"""Learning masks: an epoch from files, and training steps, against the usual loop.

The same U-Net on the same network from timm, AdamW, no augmentation, cross-entropy and Dice; all
sides have two threads, which is what PyTorch takes on two cores.

An epoch: a later cell of a study, whose films and masks are in the cache, with a validation and a
checkpoint, against a DataLoader with two workers and torchvision's transforms v2, which decodes in
every epoch and resizes where films are not of that size already; films are in the kernel's memory.
The usual loop has the faster of the two memory layouts, found by a few steps of each.

A step: against a bare loop over tensors in memory, as in bench_step.py, also with a fused AdamW;
then with a validation and a checkpoint after each of two epochs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from bench_step import Rates, compare, faster_layout, ratios
from common import alternate, heading, parse, row, seconds, table
from made_films import FULL
from made_masks import MaskLoop, Pairs, declaration, usual_dice, usual_loss, write_pairs
from made_training import Tensors, clear, network, warm_up, write_cells

from transfergrid.training.loop import train

NETWORK = "mobilenetv2_100"
FILMS = {(128, (128, 128)): 128, (256, (256, 256)): 40, (128, FULL): 80}
"""Training films by the images' side and the films' size."""
STEPS = {128: 96, 256: 24}
"""Training films of an epoch of the second table by the images' side."""
VALID, BATCH, THREADS, WORKERS, EPOCHS = 16, 8, 2, 2, 2


@dataclass(frozen=True)
class Case:
    """A cell of masks whose cache is made.

    Attributes:
        films: Folder of the films.
        px: Side of the images.
        resize: Whether films have another size.
        spec: The cell's specification.
        folder: Where its results are.
    """

    films: Path
    px: int
    resize: bool
    spec: Mapping[str, Any]
    folder: Path

    @classmethod
    def made(
        cls, place: Path, px: int, size: tuple[int, int], counts: Mapping[str, int], **recipe: Any
    ) -> Case:
        """Write films, and make the cell's cache."""
        films, folder = place / "films", place / "run"
        write_pairs(films, counts, size)
        name = recipe.pop("network")
        specs = write_cells(folder, [name], {"films": declaration(films, px)}, **recipe)
        return cls(films, px, size != (px, px), specs["films", name], folder)

    def faster(self, count: int) -> torch.memory_format:
        """Return the layout in which steps on the first films take less time."""
        first = Tensors.of(self.spec, self.folder / "results", "train", count)
        return faster_layout(self.spec, self.folder / "results", first, MaskLoop)[1]

    def library(self, threads: int) -> None:
        """Train the cell."""
        clear(self.folder)
        train(self.spec, self.folder / "results", threads=threads)

    def usual(self, layout: torch.memory_format, workers: int) -> None:
        """Train an epoch the usual way."""
        torch.manual_seed(0)
        model = network(self.spec, self.folder / "results", layout)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

        def logits(shown: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = model(
                shown.expand(-1, 3, -1, -1).contiguous(memory_format=layout)
            )
            return found

        model.train()
        for shown, truth in self._loader("train", workers):
            optimizer.zero_grad()
            usual_loss(logits(shown), truth).backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            pairs = self._loader("valid", workers)
            found = [usual_dice(logits(shown), truth) for shown, truth in pairs]
        float(torch.cat(found).mean())
        torch.save(model.state_dict(), self.folder / f"usual-{os.getpid()}.pt")

    def _loader(self, split: str, workers: int) -> Any:
        pairs = Pairs.of(self.films, split, self.px, self.resize)
        return pairs.loader(BATCH, workers, shuffle=split == "train")


def epochs(folder: Path, quick: bool, threads: int, runs: int) -> None:
    """Print the table of epochs from files."""
    heading("Masks: an epoch from files", f"Batch {BATCH}, threads: {threads}, s; runs: {runs}.")
    table(["films", "px", "number", "later cell", "DataLoader", "ratio"], texts=1)
    films = {(32, (40, 36)): 16} if quick else FILMS
    for (px, size), count in films.items():
        held = 8 if quick else VALID
        case = Case.made(
            folder / f"{px}-{size[0]}",
            px,
            size,
            {"train": count, "valid": held, "test": 2},
            network="lcnet_050" if quick else NETWORK,
            epochs=1,
            batch_size=BATCH,
        )
        layout = case.faster(4 * BATCH)
        calls = {
            "ours": partial(seconds, partial(case.library, threads)),
            "usual": partial(seconds, partial(case.usual, layout, WORKERS)),
        }
        took = alternate(calls, runs)
        told = f"{size[0]} x {size[1]}"
        row(told, px, count, took["ours"], took["usual"], took["usual"] / took["ours"])


def steps(folder: Path, quick: bool, threads: int, runs: int) -> None:
    """Print the tables of training steps."""
    heading(
        "Masks: a training step",
        f"Batch {BATCH}, threads: {threads}, {EPOCHS} epochs; images/s in steps; runs: {runs}.",
    )
    columns = ["train", "bare loop", "ratio", "bare loop, fused", "ratio"]
    table(["px", "bare loop's layout", *columns], texts=1)
    whole: list[tuple[int, tuple[Rates, Rates, Rates]]] = []
    for px, count in ({32: 16} if quick else STEPS).items():
        case = Case.made(
            folder / f"steps-{px}",
            px,
            (px, px),
            {"train": count, "valid": 8 if quick else VALID, "test": 2},
            network="lcnet_050" if quick else NETWORK,
            epochs=EPOCHS,
            batch_size=BATCH,
        )
        rates = compare(case.spec, case.folder, count, threads, runs, MaskLoop, (px,))
        whole.append((px, rates))
    print("\n## Masks: with a validation and a checkpoint after each epoch\n")
    table(["px", *columns], texts=1)
    for px, sides in whole:
        row(px, *ratios(*(side.all for side in sides)))


def main(words: Sequence[str] | None = None) -> None:
    warm_up()
    arguments = parse(__doc__, words)
    before = torch.get_num_threads()
    threads = 1 if arguments.quick else THREADS
    torch.set_num_threads(threads)
    try:
        with tempfile.TemporaryDirectory() as name:
            for print_table in (epochs, steps):
                print_table(Path(name), arguments.quick, threads, arguments.runs)
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    main()
