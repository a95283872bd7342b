"""What a process does with signals."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from sap_rl.machine import interrupt_later


@pytest.fixture(autouse=True)
def _python_s_own_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_waits_for_the_end_of_the_block() -> None:
    done: list[str] = []

    def work() -> None:
        with interrupt_later():
            signal.raise_signal(signal.SIGINT)
            done.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["all of it"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_ctrl_c_and_in_other_threads_nothing_happens() -> None:
    done: list[str] = []

    def work() -> None:
        with interrupt_later():
            done.append("there")

    with interrupt_later():
        done.append("here")
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["here", "there"]
