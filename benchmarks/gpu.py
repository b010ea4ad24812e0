"""How fast a GPU trains the networks of the published study, in less than eight minutes.

For sixteen architectures x {224, 320} px x {float32 with TF32 convolutions, bfloat16} x {NCHW,
channels_last}: images per second in a training step (normalisation, forward, backward, fused Adam)
on images already on the device, timed by device events after a warm-up, and the peak of memory.
Then what feeds a step, on its own: batches from memory on the device, batches streamed from a
memory map, and augmentation. Then torch.compile, which takes up to a minute per network: for as
many as time allows, the cheapest first, at the larger size, in bfloat16 and channels_last only.

Kernels are deterministic, the recipe's default, and the GPU is leased as jobs lease it.
`transfergrid plan` and the report read the CSV: run `python benchmarks/gpu.py` on a machine with a
GPU, then keep resources/gpu_speed.csv. New measurements only replace their own rows. `--device cpu`
and `--quick` run the same code to see that it runs; their numbers mean nothing and go to no file,
unless --output names one.
"""

from __future__ import annotations

import argparse
import copy
import csv
import datetime
import gc
import io
import itertools
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from transfergrid.commands.pace import COST_PX, macs
from transfergrid.evaluation.inference import to_device
from transfergrid.models.normalise import Normalise
from transfergrid.models.zoo import build, default_preprocessing, head_of
from transfergrid.planning.architectures import known_architectures
from transfergrid.planning.paths import RESOURCES
from transfergrid.planning.recipe import Augmentation, Recipe
from transfergrid.planning.speeds import COLUMNS, FEEDS, SPEEDS, Speed, read_speeds
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.leases import take_gpu
from transfergrid.runtime.program import run_program
from transfergrid.tasks.learn.multilabel import loss_sum
from transfergrid.training.augmentation import augment
from transfergrid.training.batches import Batch, Feed, Order
from transfergrid.training.numerics import forget, keep_float32, precision_used, settings
from transfergrid.training.optimisation import build_optimizer
from transfergrid.training.receipts import device_name, peak_memory_mb

TASKS, SIZES, LAYOUTS, PRECISIONS = 14, (224, 320), ("NCHW", "channels_last"), ("fp32", "bf16")
NETWORKS = (
    *("densenet121", "densenet169", "densenet201", "efficientnet_b0", "efficientnet_b1"),
    *("efficientnet_b2", "efficientnet_b3", "inception_v3", "inception_v4", "mnasnet_100"),
    *("mobilenetv2_100", "mobilenetv3_large_100", "resnet18", "resnet34", "resnet50", "resnet101"),
)
"""Those of studies/chextransfer.yaml."""
CHANGES = Augmentation(0.8, 0.5, 10.0, 0.05, 0.1, 0.1, 0.1, 0.0)
COMPILE_SECONDS = 90.0
"""What compiling a network may take, until one has been seen to take longer."""


@dataclass(frozen=True)
class Setting:
    """What is common to all measurements."""

    device: torch.device
    batch: int
    seconds: float
    films: int


class Stopwatch:
    """Seconds between two points of a device's own work, or of the processor's clock."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"
        self.device = device

    def _mark(self) -> Any:
        if not self.cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    def time(self, work: Callable[[], object], calls: int) -> float:
        """Return the seconds of that many calls, the device's work on them included."""
        before = self._mark()
        for _ in range(calls):
            work()
        after = self._mark()
        if not self.cuda:
            return float(after - before)
        torch.cuda.synchronize(self.device)
        return float(before.elapsed_time(after)) / 1000

    def rate(self, work: Callable[[], object], wanted: float) -> float:
        """Return calls a second over about `wanted` seconds, after a warm-up."""
        self.time(work, 3)  # kernels are loaded and chosen
        once = self.time(work, 2) / 2
        calls = max(2, min(500, round(wanted / max(once, 1e-6))))
        return calls / self.time(work, calls)


def stepper(
    model: nn.Module, architecture: dict[str, Any], pixels: Tensor, layout: str, precision: str
) -> Callable[[], None]:
    """Return a training step as the library takes it, but for the layout that is asked for."""
    normalise = Normalise(default_preprocessing(architecture), pixels.device)
    optimizer = build_optimizer(model, Recipe(), 1e-4)
    labels = torch.zeros(len(pixels), TASKS, device=pixels.device)
    memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        images = normalise(pixels).contiguous(memory_format=memory)
        half = precision == "bf16"
        with torch.autocast(pixels.device.type, dtype=torch.bfloat16, enabled=half):
            logits = model(images)
        (loss_sum(logits.float(), labels) / labels.numel()).backward()
        optimizer.step()

    return step


def prepared(model: nn.Module, layout: str, device: torch.device) -> nn.Module:
    """Return a copy of a network on the device, in training mode."""
    model = copy.deepcopy(model)
    keep_float32(head_of(model))
    if layout == "channels_last":
        return to_device(model, device).train()
    return model.to(device).train()


def trained(
    setting: Setting, name: str, model: nn.Module, px: int, precision: str, layout: str, mode: str
) -> Speed | None:
    """Measure one combination; None where memory does not suffice."""
    architecture = known_architectures()[name].record(px)
    shape = (setting.batch, px, px)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, device=setting.device)
    forget(setting.device)  # a compiled network holds on to itself
    try:
        network = prepared(model, layout, setting.device)
        if mode == "compile":
            network.compile()
        step = stepper(network, architecture, pixels, layout, precision)
        rate = setting.batch * Stopwatch(setting.device).rate(step, setting.seconds)
    except torch.OutOfMemoryError:
        print(f"{name} at {px} px, {precision}, {layout}: out of memory", file=sys.stderr)
        return None
    except Exception as error:
        # There may be no C compiler, or no Triton for this GPU or network: the others go on.
        if mode != "compile":
            raise
        reason = " ".join(str(error).split())[:200]
        print(f"{name} cannot be compiled ({type(error).__name__}: {reason})", file=sys.stderr)
        return None
    peak = peak_memory_mb(setting.device) if setting.device.type == "cuda" else None
    form = precision if precision == "bf16" else precision_used(setting.device, precision)
    return speed(setting, name, px, form, layout, mode, rate, peak)


def speed(
    setting: Setting,
    name: str,
    px: int,
    precision: str,
    layout: str,
    mode: str,
    rate: float,
    peak: float | None = None,
) -> Speed:
    """Return a row of the CSV."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    device = device_name(setting.device)
    where = (device, name, px, precision, layout, mode)
    return Speed(*where, rate, peak, torch.__version__, today, setting.batch)


def eager(
    setting: Setting, networks: Sequence[str], sizes: Sequence[int]
) -> Iterator[Speed | None]:
    """Measure every combination without torch.compile."""
    for name in networks:
        model = build(known_architectures()[name].record(max(sizes)), TASKS, 0, 0)
        for px, precision, layout in itertools.product(sizes, PRECISIONS, LAYOUTS):
            yield trained(setting, name, model, px, precision, layout, "eager")


def compiled(
    setting: Setting, networks: Sequence[str], px: int, deadline: float, wanted: float
) -> Iterator[Speed | None]:
    """Measure torch.compile, while the slowest network so far would still be done in time."""
    longest = wanted
    for name in sorted(networks, key=_work):
        start = time.monotonic()
        if start + longest > deadline:
            print(f"no time is left to compile {name} and those after it", file=sys.stderr)
            return
        torch.compiler.reset()
        model = build(known_architectures()[name].record(px), TASKS, 0, 0)
        yield trained(setting, name, model, px, "bf16", "channels_last", "compile")
        longest = max(longest, time.monotonic() - start)


def _work(name: str) -> float:
    return macs(name, 0, COST_PX) or math.inf


def feeding(setting: Setting, px: int) -> Iterator[Speed]:
    """Measure what comes before a step, by itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "films.npy"
        shape = (setting.films, px, px)
        films = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        films[:] = np.random.default_rng(0).integers(0, 256, (px, px), dtype=np.uint8)
        films.flush()
        stored = np.load(path, mmap_mode="r")
        rows = np.arange(len(stored))
        feed = Feed(stored, np.zeros((len(stored), TASKS), dtype=np.float32), rows, setting.device)
        batches = list(Order(rows, setting.batch, 4, 0).batches())
        watch = Stopwatch(setting.device)
        if feed.resident is not None:
            yield speed(setting, "", px, "", "", FEEDS[0], _drained(feed, batches, watch))
            feed.resident = None
        yield speed(setting, "", px, "", "", FEEDS[1], _drained(feed, batches, watch))
        pixels = torch.from_numpy(stored[: setting.batch].copy()).to(setting.device)
        places = torch.arange(len(pixels))
        rate = watch.rate(lambda: augment(pixels, places, 0, 0, CHANGES), setting.seconds)
        yield speed(setting, "", px, "", "", FEEDS[2], rate * len(pixels))


def _drained(feed: Feed, batches: Sequence[Batch], watch: Stopwatch) -> float:
    """Return images per second when nothing is done with them."""

    def drain() -> None:
        for _ in feed.stream(iter(batches)):
            pass

    watch.time(drain, 1)
    return batches[-1].examples / watch.time(drain, 1)


def write(path: Path, rows: Iterable[Speed]) -> None:
    """Write rows into a CSV, which may not exist, over those of the same measurement."""
    table = {row.measurement: row for row in [*read_speeds(path), *rows]}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(row.cells() for row in table.values())
    write_text(path, text.getvalue())


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--batch", type=int, default=16, help="as in the published study")
    parser.add_argument("--minutes", type=float, default=7.5, help="compiling ends by then")
    parser.add_argument("--output", type=Path, help=f"the CSV; resources/{SPEEDS} for a GPU")
    parser.add_argument("--quick", action="store_true", help="one network, few steps")
    arguments = parser.parse_args(words)
    device, quick = torch.device(arguments.device), arguments.quick
    # CUDA reads which GPU it may have when it is first asked, which has not been yet.
    gpus = int(device.type == "cuda")
    lease = take_gpu(gpus, partial(print, file=sys.stderr), "benchmarks/gpu.py")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch sees no GPU: run this on a machine with one, or --device cpu.")
    deadline = time.monotonic() + 60 * arguments.minutes
    output = arguments.output
    if output is None and device.type == "cuda" and not quick:
        output = RESOURCES / SPEEDS
    setting = Setting(device, 2, 0.0, 8) if quick else Setting(device, arguments.batch, 0.6, 4096)
    networks, sizes = (("resnet18",), (32,)) if quick else (NETWORKS, SIZES)
    with settings(device, None, Recipe().deterministic):
        measure(setting, networks, sizes, deadline, output, compiles=not quick)
    del lease  # held until here


def measure(
    setting: Setting,
    networks: Sequence[str],
    sizes: Sequence[int],
    deadline: float,
    output: Path | None,
    compiles: bool,
) -> None:
    """Measure one after the other until the deadline, and write after each, if anywhere."""
    found: list[Speed] = []
    everything = itertools.chain(
        eager(setting, networks, sizes),
        *(feeding(setting, px) for px in sizes),
        compiled(setting, networks, max(sizes), deadline, COMPILE_SECONDS) if compiles else (),
    )
    for one in everything:
        if one is not None:
            found.append(one)
            print(*one.cells(), sep=",", flush=True)
            if output is not None:
                write(output, found)  # what is there stays there if this is stopped
        if time.monotonic() > deadline:
            print("the time is over; what was not measured is left out", file=sys.stderr)
            return


if __name__ == "__main__":
    gc.freeze()  # modules stay; without them, looking for garbage before each network is cheap
    run_program(main)
