"""Networks that are lent, and mapped files that are given back: memory that does not grow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from transfergrid.data.stacked import stacked
from transfergrid.data.unmapped import let_go
from transfergrid.evaluation.lent import Lent
from transfergrid.evaluation.predict import films_a_pass
from transfergrid.tasks.learn.kind import learn_half
from transfergrid.tasks.learn.segmentation import Segmentation


def test_only_as_many_networks_stay_as_there_is_room_for() -> None:
    made: list[str] = []
    refilled: list[str] = []

    def load(file: str) -> nn.Module:
        made.append(file)
        network = nn.Linear(1, 1).train()
        refill(network, file)
        return network

    def refill(network: nn.Module, file: str) -> None:
        refilled.append(file)
        nn.init.constant_(network.get_parameter("weight"), ord(file))

    networks = Lent(load, refill, ["a", "b", "c", "d"], [4, 4, 4, 4], 9)
    assert len(networks) == 4 and not made
    for _ in range(2):
        for network, file in zip(networks, "abcd", strict=True):
            assert not network.training and network.get_parameter("weight").item() == ord(file)
    assert made == ["a", "b", "c"] and refilled == ["a", "b", "c", "d", "c", "d"]
    assert networks[0] is not networks[1] and networks[2] is networks[3]
    tight = Lent(load, refill, ["a", "b"], [4, 4], 1)
    assert tight[0] is tight[1]


def resident(path: Path) -> int:
    """Return the KiB of a mapped file that are in this process's memory."""
    found, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ", 1)[0]:
            inside = line.endswith(str(path))
        elif inside and line.startswith("Rss:"):
            found += int(line.split()[1])
    return found


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="the system does not tell")
@pytest.mark.parametrize("several", [False, True])
def test_what_was_read_of_a_mapped_file_is_given_back(several: bool, tmp_path: Path) -> None:
    path = tmp_path / "films.npy"
    films = np.random.default_rng(0).integers(0, 255, (64, 128, 128), np.uint8)
    np.save(path, films)
    mapped = np.load(path, mmap_mode="r")
    rows = stacked([mapped], [np.arange(1, 64)]) if several else mapped
    kept = films[1:] if several else films
    assert np.array_equal(rows[:], kept) and resident(path) >= 900
    let_go(rows, None, films)
    assert resident(path) <= 64
    assert np.array_equal(rows[:], kept)


def test_a_cpu_takes_large_films_one_by_one() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    sizes = {px: Segmentation(px=px) for px in (64, 128, 256, 384, 512, 2000)}
    assert {px: films_a_pass(task, cpu) for px, task in sizes.items()} == {
        **{64: 64, 128: 64, 256: 16},  # as validation does, to the last bit
        **{384: 1, 512: 1, 2000: 1},
    }
    assert films_a_pass(sizes[512], gpu) == sizes[512].batch == 4
    assert films_a_pass(learn_half("multilabel"), cpu) == 64
