"""Probes and partly frozen networks: this build, an older one, and a scikit-learn user.

Drawn textures of 128 px (2,000 to learn from), initial weights in a file, no augmentation. Data and
weights are prepared before anything is measured; what is measured is all that follows up to stored
scores, Snakemake included, on the clock and of the processor.

``--before FOLDER`` names a checkout of an older build. It trains one cell a turn, which is scaled:
cells of a probe grid cost alike, and what Snakemake takes to start counts once. It takes most of
the time, so that ``--before-runs 1`` lets it take part in the first turn alone. The scikit-learn
user computes the same network's features in a timm loop, once, and fits ``LogisticRegressionCV``
for each seed, choosing among as many values of C as we try rates, on the same split.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
import yaml
from common import Cost, heading, median, parse, row, run, table
from safetensors.torch import save_file

from transfergrid.planning.architectures import known_architectures
from transfergrid.planning.paths import PROJECT

FILMS, PX, EPOCHS = 2_000, 128, 10
HELD = FILMS // 5
"""Films to validate on, and as many to test on."""
RATES = (1e-2, 3e-3, 1e-3)


@dataclass(frozen=True)
class Grid:
    """A grid of cells of one network.

    Attributes:
        network: Its name.
        learns: Its layers that learn.
        seeds: Number of seeds.
        rates: The learning rates.
    """

    network: str
    learns: str
    seeds: int
    rates: tuple[float, ...]

    @property
    def cells(self) -> int:
        """Number of its trainings."""
        return self.seeds * len(self.rates)


GRIDS = (
    Grid("resnet18", "head", 5, RATES),
    Grid("lcnet_050", "head", 5, RATES),
    Grid("mobilenetv2_100", "last_1", 3, RATES[1:2]),
)
PHASED = "resnet18"
"""The network of the head phases."""


def write_weights(path: Path, network: str) -> None:
    """Save weights that no start would give, with norms that fit them: features must differ."""
    name = str(known_architectures()[network].timm)
    model = timm.create_model(name.partition(".")[0], pretrained=False)
    draw = torch.Generator().manual_seed(0)
    state = model.state_dict()
    for key, tensor in state.items():
        if tensor.is_floating_point():
            state[key] = tensor * (0.5 + torch.rand(tensor.shape, generator=draw))
    model.load_state_dict(state)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
            module.reset_running_stats()
    with torch.no_grad():
        for _ in range(4):
            noise = torch.rand((16, 3, PX // 8, PX // 8), generator=draw)
            model(torch.nn.functional.interpolate(noise, size=(PX, PX), mode="bilinear") * 4 - 2)
    save_file(model.state_dict(), path)


def study(folder: Path, grid: Grid, films: int, epochs: int, small: bool) -> dict[str, Any]:
    """Return the grid as a study; `small` is its first cell alone."""
    rates = grid.rates[:1] if small else grid.rates
    protocols = {f"rate{i}": {"learning_rate": rate} for i, rate in enumerate(rates)}
    return {
        **_frame(folder, grid.network, films),
        "recipe": {
            "optimizer": "adamw",
            "batch_size": 32,
            "epochs": epochs,
            "keep_checkpoints": 3,
            "train_layers": grid.learns,
        },
        "protocols": protocols,
        "grid": [_block(grid.network, list(protocols), 1 if small else grid.seeds)],
    }


def two_phases(folder: Path, network: str, films: int, epochs: int) -> dict[str, Any]:
    """Return a study of one cell: the head for `epochs` epochs, then all layers for one."""
    phases = [
        {"train_layers": "head", "learning_rate": 3e-3, "epochs": epochs},
        {"train_layers": "all", "learning_rate": 3e-4, "epochs": 1},
    ]
    return {
        **_frame(folder, network, films),
        "recipe": {"optimizer": "adamw", "batch_size": 32, "keep_checkpoints": 3},
        "protocols": {"phased": {"phases": phases}},
        "grid": [_block(network, ["phased"], 1)],
    }


def _frame(folder: Path, network: str, films: int) -> dict[str, Any]:
    held = {"valid_patients": films // 5, "test_patients": films // 5}
    textures = {"kind": "phantom", "set": "shapes", "image_px": PX, "patients": films, **held}
    weights = {"kind": "file", "path": str(folder / f"{network}.safetensors")}
    return {
        "name": "probe",
        "device": "cpu",
        "datasets": {"textures": textures},
        "pretrainings": {"filed": weights},
        "evaluation": {"selections": ["best"]},
        "questions": [],
    }


def _block(network: str, protocols: list[str], seeds: int) -> dict[str, Any]:
    return {
        "datasets": ["textures"],
        "architectures": [network],
        "pretrainings": ["filed"],
        "truncations": [0],
        "protocols": protocols,
        "seeds": list(range(seeds)),
    }


class Build:
    """A checkout whose workflow is run in a folder of its own."""

    def __init__(self, project: Path, folder: Path) -> None:
        self.project, self.folder = project, folder
        folder.mkdir(parents=True)

    def snakemake(self, settings: dict[str, Any], *words: str) -> Cost:
        """Run a study as far as `words` say."""
        (self.folder / "study.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "study.yaml"]
        command += ["--snakefile", str(self.project / "Snakefile"), *words]
        return run(command, self.folder, {"PYTHONPATH": str(self.project / "src")})

    def prepare(self, settings: dict[str, Any]) -> Cost:
        """Prepare data and weights, unless they are; return what that costs."""
        return self.snakemake(settings, "--until", "prepare", "weights")

    def scored(self, settings: dict[str, Any]) -> Cost:
        """Train and score all cells, as if none had been before."""
        for made in ("cells", "features"):
            shutil.rmtree(self.folder / "results" / made, ignore_errors=True)
        return self.snakemake(settings, "--until", "evaluate")


def scaled(one: Cost, start: Cost, cells: int) -> Cost:
    """Return what `cells` cells cost if one costs `one`, and the start of a run counts once."""
    wall = start.wall + (one.wall - start.wall) * -(-cells // 2)  # two at a time
    return Cost(wall, start.cpu + (one.cpu - start.cpu) * cells, one.memory)


PEER = """
import sys
import numpy as np, timm, torch
from pathlib import Path
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import PredefinedSplit
from transfergrid.data.store import open_split
cache, name, weights, seeds, rates, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
model = timm.create_model(name, num_classes=0).eval()
tensors = load_file(weights)
model.load_state_dict({key: tensors[key] for key in model.state_dict()})
found, labels = {}, {}
for split in ("train", "valid", "test"):
    rows = open_split(Path(cache), split)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(rows.images), 64):
            pixels = torch.from_numpy(np.array(rows.images[start : start + 64])).float() / 255
            films = (pixels if pixels.ndim == 4 else pixels[..., None].expand(*pixels.shape, 3))
            parts.append(model(((films - 0.45) / 0.225).permute(0, 3, 1, 2)).numpy())
    found[split], labels[split] = np.concatenate(parts), rows.labels.argmax(axis=1)
both = [np.concatenate([place["train"], place["valid"]]) for place in (found, labels)]
fold = PredefinedSplit([-1] * len(labels["train"]) + [0] * len(labels["valid"]))
for seed in range(int(seeds)):
    settings = {"Cs": int(rates), "cv": fold, "scoring": "neg_log_loss", "random_state": seed}
    settings |= {"max_iter": 1000, "l1_ratios": (0.0,), "use_legacy_attributes": False}
    fit = LogisticRegressionCV(**settings)
    fit.fit(*both)
    print(roc_auc_score(labels["test"], fit.predict_proba(found["test"]), multi_class="ovr"))
"""


def scikit_learn(build: Build, grid: Grid, weights: Path) -> Cost:
    """Return what a user of timm and scikit-learn spends on the grid."""
    (cache,) = (build.folder / "results" / "cache").glob("textures-*/")
    name = str(known_architectures()[grid.network].timm).partition(".")[0]
    # One cell shows that this runs, with one thread: those that wait for a busy core spin.
    words = [cache, name, weights, str(grid.seeds), str(len(grid.rates)), str(min(2, grid.cells))]
    return run([sys.executable, "-c", PEER, *words], build.folder)


def compare(
    folder: Path, grid: Grid, films: int, epochs: int, runs: int, old: Path | None, old_runs: int
) -> None:
    """Print a row for each way to do one grid; the older build has the first few turns alone."""
    ours = Build(PROJECT, folder / f"ours-{grid.network}")
    before = Build(old, folder / f"before-{grid.network}") if old else None
    whole, small = (study(folder, grid, films, epochs, small) for small in (False, True))
    ours.prepare(whole)
    start = None
    if before and old_runs:
        before.prepare(small)
        start = before.prepare(small)  # all is there: the start of a run
    weights = folder / f"{grid.network}.safetensors"
    costs: dict[str, list[Cost]] = {"this build": [], "the build before": [], "scikit-learn": []}
    for turn in range(runs):
        costs["this build"].append(ours.scored(whole))
        if before and start and turn < old_runs:
            one = scaled(before.scored(small), start, grid.cells)
            costs["the build before"].append(one)
        if grid.learns == "head":
            costs["scikit-learn"].append(scikit_learn(ours, grid, weights))
    mine = median(costs["this build"])
    for way, found in costs.items():
        if found:
            cost = median(found)
            ratios = (cost.cpu / mine.cpu, cost.wall / mine.wall)
            numbers = (grid.cells, len(found), cost.cpu, cost.wall, *ratios)
            row(grid.network, grid.learns, way, *numbers)


def phases(folder: Path, network: str, films: int, epochs: Sequence[int], runs: int) -> None:
    """Print what a head phase costs by its length, beside one pass of the data."""
    build = Build(PROJECT, folder / f"phases-{network}")
    build.prepare(two_phases(folder, network, films, epochs[0]))
    for count in epochs:
        settings = two_phases(folder, network, films, count)
        cost = median([build.scored(settings) for _ in range(runs)])
        row(network, count, cost.cpu, cost.wall)


def _more(parser: ArgumentParser) -> None:
    parser.add_argument("--before", type=Path, help="a checkout of an older build")
    parser.add_argument(
        "--before-runs", type=int, metavar="N", help="turns that it takes part in [all]"
    )
    parser.add_argument(
        "--networks",
        nargs="+",
        choices=[grid.network for grid in GRIDS],
        metavar="NETWORK",
        help="only these of %(choices)s",
    )
    parser.add_argument("--no-phases", action="store_true", help="leave the head phases out")


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(__doc__, words, more=_more)
    quick = arguments.quick
    films, epochs = (60, 2) if quick else (FILMS, EPOCHS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = arguments.networks or [grid.network for grid in GRIDS]
        grids = [grid for grid in GRIDS if grid.network in wanted]
        if quick:
            grids = [Grid("lcnet_050", "head", 1, RATES[:1])]
        old_runs = arguments.runs if arguments.before_runs is None else arguments.before_runs
        phased = not (quick or arguments.no_phases)
        for network in {grid.network for grid in grids} | ({PHASED} if phased else set()):
            write_weights(folder / f"{network}.safetensors", network)
        heading("Probes", f"{films} films of {PX} px, {epochs} epochs; scores included.")
        columns = ("processor, s", "s", "processor, ratio", "ratio")
        table(("network", "learns", "who", "cells", "turns", *columns), texts=3)
        for grid in grids:
            turns = (arguments.runs, arguments.before, old_runs)
            compare(folder, grid, films, epochs, *turns)
        if phased:
            heading("A head phase, then an epoch of all layers", f"Turns: {arguments.runs}.")
            table(("network", "epochs of the head", "processor, s", "s"))
            phases(folder, PHASED, films, (1, 10, 40), arguments.runs)


if __name__ == "__main__":
    main()
