"""The share of a process in what processors use, from files like the kernel's."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.runtime.fake_powercap import RANGE, Kernel, kernel

from transfergrid.runtime.packages import (
    MOST_S,
    PackageMeter,
    busy_seconds,
    find_packages,
    process_seconds,
    rise,
)


@pytest.fixture
def machine(tmp_path: Path) -> Kernel:
    """Two sockets, with their parts and all else that a kernel may show beside them."""
    made = kernel(tmp_path)
    made.zone("intel-rapl", "")
    made.zone("intel-rapl:0", "package-0", 1_000_000)
    made.zone("intel-rapl:0:0", "core", 7)
    made.zone("intel-rapl:0:1", "uncore", 7)
    made.zone("intel-rapl:0:2", "dram", 7)
    made.zone("intel-rapl:1", "package-1", 2_000_000)
    made.zone("intel-rapl:2", "psys", 7)
    made.zone("intel-rapl-mmio:0", "package-0", 7)
    made.zone("dtpm:0", "package-0", 7)
    return made


def metered(machine: Kernel, now: SimpleNamespace) -> PackageMeter:
    return PackageMeter(machine.powercap, machine.stat, lambda: now.own, lambda: now.at)


@pytest.fixture
def now() -> SimpleNamespace:
    """The clock, and the processor time of the process itself."""
    return SimpleNamespace(at=100.0, own=10.0)


def test_only_packages_are_counted_and_each_once(machine: Kernel) -> None:
    found = find_packages(machine.powercap)
    assert [zone.name for zone in found] == ["intel-rapl:0", "intel-rapl:1"]
    assert find_packages(machine.powercap / "none") == []


def test_a_process_has_its_share_of_busy_time_of_every_interval(machine, now) -> None:
    meter = metered(machine, now)
    assert (meter.whole, meter.share) == (0.0, 0.0)
    # 30 J and 20 J; 4 s of work on all processors, of which 1 s is ours: user, nice, system, irq
    # and softirq count, while idle, waiting for disks, stolen time and guests (in user) do not.
    machine.count("intel-rapl:0", 31_000_000)
    machine.count("intel-rapl:1", 22_000_000)
    machine.work(250, 50, 60, 9000, 800, 30, 10, 700, 99, 99)
    now.at, now.own = 105.0, 11.0
    meter.look()
    assert meter.whole == pytest.approx(50.0)
    assert meter.share == pytest.approx(50.0 / 4)
    # Then the machine is ours alone; the counter of ticks is behind the process's own.
    machine.count("intel-rapl:0", 41_000_000)
    machine.work(449, 50, 60, 9000, 800, 30, 10, 700, 99, 99)
    now.at, now.own = 110.0, 13.0
    meter.look()
    assert meter.whole == pytest.approx(60.0)
    assert meter.share == pytest.approx(50.0 / 4 + 10.0)
    # And then nobody works: what is used idly is nobody's.
    machine.count("intel-rapl:0", 44_000_000)
    now.at = 115.0
    meter.look()
    assert (meter.whole, meter.share) == (pytest.approx(63.0), pytest.approx(22.5))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**9),  # microjoules
            st.lists(st.integers(0, 500), min_size=3, max_size=3),  # ticks of three processes
        ),
        max_size=8,
    )
)
def test_the_shares_of_all_add_up_to_the_whole(tmp_path_factory, steps) -> None:
    machine = kernel(tmp_path_factory.mktemp("machine"))
    machine.zone("intel-rapl:0", "package-0")
    at, own = SimpleNamespace(seconds=0.0), [0, 0, 0]
    meters = [
        PackageMeter(machine.powercap, machine.stat, lambda n=n: own[n] / 100, lambda: at.seconds)
        for n in range(3)
    ]
    count, idle = 0, 0.0
    for joules, ticks in steps:
        count, at.seconds = count + joules, at.seconds + 5
        idle += 0 if any(ticks) else joules / 1e6
        own[:] = [before + more for before, more in zip(own, ticks, strict=True)]
        machine.count("intel-rapl:0", count)
        machine.work(sum(own), *[0] * 9)
        for meter in meters:
            meter.look()
    shares = [meter.share for meter in meters]
    assert sum(shares) + idle == pytest.approx(meters[0].whole) == pytest.approx(count / 1e6)


def test_a_counter_comes_round(machine, now) -> None:
    machine.count("intel-rapl:0", RANGE - 4_000_000)
    meter = metered(machine, now)
    machine.count("intel-rapl:0", 6_000_000)
    machine.work(100, *[0] * 9)
    now.at, now.own = 105.0, 10.5
    meter.look()
    assert (meter.whole, meter.share) == (pytest.approx(10.0), pytest.approx(5.0))


@given(st.integers(1, 2**40), st.data())
def test_a_rise_is_that_of_a_count_without_end(most: int, data: st.DataObject) -> None:
    before, more = data.draw(st.integers(0, most)), data.draw(st.integers(0, most - 1))
    after = before + more if before + more <= most else before + more - most
    assert rise(before, after, most) == more


def unreadable(machine: Kernel) -> None:
    path = machine.powercap / "intel-rapl:1" / "energy_uj"
    path.unlink()  # as root, a test may read whatever is there
    path.mkdir()


def nonsense(machine: Kernel) -> None:
    (machine.powercap / "intel-rapl:1" / "energy_uj").write_text("\n")


def set_back(machine: Kernel) -> None:
    machine.count("intel-rapl:1", 0)  # which is no power that a processor could have drawn


def no_stat(machine: Kernel) -> None:
    machine.stat.unlink()


def other_stat(machine: Kernel) -> None:
    machine.stat.write_text("intr 1 2 3 4 5 6 7 8\n")


@pytest.mark.parametrize("harm", [unreadable, nonsense, set_back, no_stat, other_stat])
def test_what_one_counter_does_not_tell_is_not_told(machine, now, harm) -> None:
    meter = metered(machine, now)
    harm(machine)
    now.at = 105.0
    meter.look()
    assert (meter.whole, meter.share) == (None, None)
    meter.look()
    assert (meter.whole, meter.share) == (None, None)
    if harm is not set_back:
        assert metered(machine, now).whole is None


def test_a_counter_that_may_have_come_round_unseen_is_not_told(machine, now) -> None:
    meter = metered(machine, now)
    now.at += MOST_S + 1
    meter.look()
    assert meter.whole is None


def test_without_its_range_a_counter_that_fell_is_not_told(machine, now) -> None:
    (machine.powercap / "intel-rapl:0" / "max_energy_range_uj").unlink()
    meter = metered(machine, now)
    machine.count("intel-rapl:0", 1_500_000)
    now.at = 105.0
    meter.look()
    assert meter.whole == pytest.approx(0.5)
    machine.count("intel-rapl:0", 1_400_000)
    now.at = 110.0
    meter.look()
    assert meter.whole is None


def test_dies_that_may_repeat_one_counter_are_not_told(tmp_path: Path) -> None:
    machine = kernel(tmp_path)
    machine.zone("intel-rapl:0", "package-0-die-0")
    machine.zone("intel-rapl:1", "package-0-die-1")
    assert find_packages(machine.powercap) == []
    assert PackageMeter(machine.powercap, machine.stat).whole is None


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="not Linux")
def test_this_machine_tells_of_its_work() -> None:
    busy, own = busy_seconds(Path("/proc/stat")), process_seconds()
    assert busy is not None and busy > own > 0
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    assert process_seconds() >= own
    assert process_seconds() == pytest.approx(sum(os.times()[:4]), abs=0.1)
