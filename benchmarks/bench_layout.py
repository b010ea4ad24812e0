"""Number format and memory layout on the CPU: images per second of a training step, one thread.

Bare steps (AdamW, batch 32, 64 px) on images in memory. bf16 is autocast to bfloat16, which changes
results and is therefore part of a recipe; the layout is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from common import alternate, heading, parse, row, table
from made_training import LAYOUTS, NETWORKS, BareLoop, Tensors, warm_up

from transfergrid.models.zoo import build
from transfergrid.planning.architectures import known_architectures

PX, BATCH, TASKS = 64, 32, 5
SECONDS = 2.5
"""Of steps, for one measurement."""


def rate(loop: BareLoop, limit: float) -> float:
    """Return images per second over at least `limit` seconds, after one step."""
    loop.epoch(1)
    start, images = time.perf_counter(), 0
    while not images or time.perf_counter() - start < limit:
        images += loop.epoch(2)
    return images / (time.perf_counter() - start)


def main(words: Sequence[str] | None = None) -> None:
    warm_up()
    arguments = parse(__doc__, words)
    limit, networks = (0.1, NETWORKS[:1]) if arguments.quick else (SECONDS, NETWORKS)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    heading("Number format and memory layout", f"{PX} px, batch {BATCH}, one thread, images/s.")
    names = [f"{form}, {layout}" for form in ("fp32", "bf16") for layout in LAYOUTS]
    table(("network", *names, "fp32 gain by layout", "bf16 gain"))
    images = torch.rand(4 * BATCH, 3, PX, PX, generator=torch.Generator().manual_seed(0))
    labels = (
        torch.rand(len(images), TASKS, generator=torch.Generator().manual_seed(1)) < 0.3
    ).float()
    for name in networks:
        architecture = known_architectures()[name].record(PX)
        calls: dict[str, Callable[[], float]] = {}
        for form in ("fp32", "bf16"):
            for layout, memory in LAYOUTS.items():
                model = build(architecture, TASKS, 0, 0).to(memory_format=memory)  # type: ignore[call-overload]
                data = Tensors(images, labels).laid_out(memory)
                loop = BareLoop(model, data, BATCH, bf16=form == "bf16")
                calls[f"{form}, {layout}"] = partial(rate, loop, limit)
        rates = alternate(calls, arguments.runs)
        best = max(rates[f"fp32, {layout}"] for layout in LAYOUTS)
        half = max(rates[f"bf16, {layout}"] for layout in LAYOUTS)
        layout_gain = rates["fp32, channels_last"] / rates["fp32, NCHW"]
        row(name, *rates.values(), layout_gain, half / best)
    torch.set_num_threads(before)


if __name__ == "__main__":
    main()
