from __future__ import annotations

import re
import signal
import threading
import time

import pytest

from transfergrid.runtime.errors import UserError
from transfergrid.runtime.limit import time_limit


def test_work_that_takes_too_long_is_ended_by_a_sentence() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(UserError, match="too long"), time_limit(0.02, "too long"):
        while True:
            pass
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_search_within_a_regular_expression_is_ended_too() -> None:
    # Of quadratic length, a few seconds at most: it ends by itself.
    with pytest.raises(UserError), time_limit(0.02, "too long"):
        re.search("a*b", "a" * 40_000)


def test_work_that_ends_in_time_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(600, "too long"):
        found = re.search("b", "abc")
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert found
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == before


def test_another_thread_works_without_a_limit() -> None:
    done = []

    def work() -> None:
        with time_limit(0.001, "too long"):
            time.sleep(0.02)
        done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]
