"""What nvidia-smi says, and what CUDA_VISIBLE_DEVICES leaves of it: torch reads it the same way."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.runtime import fake_gpus
from unit.runtime.fake_gpus import instance, uuid

from transfergrid.runtime import gpus
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.gpus import (
    count_visible,
    list_boards,
    parse_boards,
    parse_instances,
    visible,
)

FOUR = parse_boards(fake_gpus.answers(range(4))[0])

# As the drivers print them, R470 and R550.
REAL_QUERY = """\
0, GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77, Disabled, 550.90.07, 143771 MiB, NVIDIA H200
1, GPU-e91edf3b-b297-37c1-a2a7-7601c3238fa2, Enabled, 550.90.07, 40960 MiB, NVIDIA A100-SXM4-40GB
3, GPU-11111111-b297-37c1-a2a7-7601c3238fa2, [N/A], 550.90.07, [N/A], NVIDIA GeForce RTX 3090
WARNING: infoROM is corrupted at gpu 0000:3B:00.0
"""
REAL_LIST = """\
GPU 0: NVIDIA H200 (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-e91edf3b-b297-37c1-a2a7-7601c3238fa2)
  MIG 3g.20gb     Device  0: (UUID: MIG-c7384736-a75d-5afc-978f-d2f1294409fd)
  MIG 1g.5gb+me Device 1: (UUID: MIG-GPU-e91edf3b-b297-37c1-a2a7-7601c3238fa2/11/0)
"""


def uuids(found: tuple[gpus.Gpu, ...]) -> list[str]:
    return [gpu.uuid for gpu in found]


def test_the_query_is_read_and_warnings_are_left_out() -> None:
    boards = parse_boards(REAL_QUERY)
    assert [board.ordinal for board in boards] == [0, 1, 3]
    assert [board.memory_mib for board in boards] == [143771, 40960, None]
    assert [board.instances for board in boards] == [None, (), None]
    assert boards[0].gpu == gpus.Gpu("GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77", "NVIDIA H200")
    assert boards[0].driver == "550.90.07"


def test_instances_belong_to_their_gpu() -> None:
    assert parse_instances(REAL_LIST) == {
        "GPU-e91edf3b-b297-37c1-a2a7-7601c3238fa2": (
            gpus.Gpu("MIG-c7384736-a75d-5afc-978f-d2f1294409fd", "MIG 3g.20gb"),
            gpus.Gpu("MIG-GPU-e91edf3b-b297-37c1-a2a7-7601c3238fa2/11/0", "MIG 1g.5gb+me"),
        )
    }


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a fake nvidia-smi; a driver is there if `driver`."""

    def install(script: str | None, driver: bool) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        if script is not None:
            fake_gpus.install_script(folder, script)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin" if script else str(folder))
        monkeypatch.setattr(gpus, "_DRIVER", (tmp_path,) if driver else ())

    return install


def test_a_gpu_in_mig_mode_gives_its_instances(tmp_path, monkeypatch) -> None:
    folder = fake_gpus.install(tmp_path, [7, 8, 9], {8: [0, 1], 9: []})
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    assert uuids(visible(list_boards(), None)) == [uuid(7), instance(8, 0), instance(8, 1)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,1")
    assert count_visible(needed=True) == 2
    # As PyTorch names them in train.json.
    names = [gpu.name for gpu in visible(list_boards(), None)]
    assert names == ["NVIDIA A100 80GB", *["NVIDIA A100 80GB MIG 1g.10gb"] * 2]
    assert uuids(visible(list_boards(), "2,1,0")) == [instance(8, 0), instance(8, 1), uuid(7)]
    assert uuids(visible(list_boards(), instance(8, 1))) == [instance(8, 1)]
    assert uuids(visible(list_boards(), uuid(8))) == [instance(8, 0), instance(8, 1)]


@pytest.mark.parametrize("script", [None, "echo 'could not communicate with the driver'; exit 9"])
def test_a_machine_without_the_driver_has_no_gpu(machine, script) -> None:
    machine(script, driver=False)
    assert list_boards() == ()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (None, "not on the PATH"),
        ("echo 'Driver/library version mismatch' >&2; exit 18", "version mismatch"),
        ("exec sleep 60", "no answer"),
    ],
)
def test_a_driver_that_cannot_be_asked_is_no_machine_without_gpus(
    machine, monkeypatch, script, told
) -> None:
    machine(script, driver=True)
    monkeypatch.setattr(gpus, "_TIMEOUT_S", 0.5)
    for ask in (list_boards, lambda: count_visible(needed=True)):
        with pytest.raises(UserError, match=told):
            ask()
    assert count_visible(needed=False) == 0


@pytest.mark.parametrize("status", [0, 6])
def test_a_driver_that_shows_no_device_has_none(machine, status) -> None:
    machine(f"echo 'No devices were found'; exit {status}", driver=True)
    assert list_boards() == ()


ENTRIES = st.one_of(
    st.integers(-2, 3).map(str),  # where 4 and a repetition meet, torch and CUDA's manual differ
    st.sampled_from(["", " 1", "2 ", "+3", "-0", "1gpu", "x", "NoDevFiles", uuid(0), "MIG-x"]),
)
BEGINNINGS = st.builds(lambda n, length: uuid(n)[:length], st.integers(0, 5), st.integers(4, 41))
SETTINGS = st.one_of(
    st.lists(ENTRIES, max_size=6).map(",".join),
    st.lists(st.one_of(BEGINNINGS, ENTRIES), min_size=1, max_size=5).map(
        lambda parts: ",".join([uuid(2), *parts])
    ),
    st.lists(BEGINNINGS, min_size=1, max_size=4).map(",".join),
)


def as_torch_reads_it(setting: str, count: int) -> list[int]:
    """The ordinals that torch.cuda.device_count goes by."""
    from torch import cuda

    if setting.startswith("GPU-"):
        entries = list(takewhile(lambda entry: entry.startswith("GPU-"), setting.split(",")))
        return cuda._transform_uuid_to_ordinals(entries, [uuid(n) for n in range(count)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", setting)
        return cuda._parse_visible_devices()


@given(SETTINGS)
def test_the_variable_is_read_as_torch_reads_it(setting: str) -> None:
    if setting.startswith("MIG-"):
        expected: list[int] = []
    else:
        expected = as_torch_reads_it(setting, 4)
    assert uuids(visible(FOUR, setting)) == [uuid(n) for n in expected]


@pytest.mark.parametrize("setting", ["", "-1", "NoDevFiles", "4", "0,0", "GPU-9", "GPU-0"])
def test_settings_that_show_nothing(setting: str) -> None:
    assert visible(FOUR, setting) == ()


def test_without_the_variable_all_are_visible() -> None:
    assert uuids(visible(FOUR, None)) == [uuid(n) for n in range(4)]


@pytest.mark.parametrize("setting", ["3,1,9,0", "3,1,4,1"])
def test_a_device_that_is_not_there_ends_the_list(setting: str) -> None:
    assert uuids(visible(FOUR, setting)) == [uuid(3), uuid(1)]
