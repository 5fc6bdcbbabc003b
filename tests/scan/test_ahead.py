"""Work that is done ahead in a thread: order, errors, and its end; Ctrl-C."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from cisreg.scan.ahead import ahead


def test_items_come_in_order_and_errors_behind_them():
    def broken(_):
        yield from range(5)
        raise KeyError("six")

    found = []
    with pytest.raises(KeyError, match="six"):
        for item in ahead(broken):
            found.append(item)
    assert found == list(range(5))


def test_closing_ends_the_thread_and_what_it_runs():
    closed = threading.Event()

    def endless(stopped):
        try:
            while not stopped():
                yield 1
        finally:
            closed.set()

    items = ahead(endless)
    assert next(items) == 1
    items.close()
    assert closed.wait(10)
    assert not [each for each in threading.enumerate() if each.name == "cisreg-scan"]


INTERRUPTED = """
import signal, threading, time
import numpy as np
import cisreg
from cisreg.genome.portions import Portion
random = np.random.default_rng(0)
motifs = cisreg.MotifSet.from_matrices(
    [str(i) for i in range(300)], list(random.normal(0, 1, (300, 20, 4)))
)
codes = random.integers(0, 4, 2**23).astype(np.uint8)
portions = (Portion("a", i * 2**23, codes, 2**23) for i in range(10**6))
signal.signal(signal.SIGALRM, signal.default_int_handler)
try:
    for count, _ in enumerate(cisreg.scan_portions(portions, motifs, p_value=1e-5)):
        if not count:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
except KeyboardInterrupt:
    while any(each.name == "cisreg-scan" for each in threading.enumerate()):
        time.sleep(0.01)
    print("ended")
"""


def test_ctrl_c_ends_a_scan_in_portions():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "ended\n", done.stderr


MEMORY = """
import sys
import numpy as np
import cisreg
from cisreg.genome.portions import Portion
def peak():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM"))
motifs = cisreg.MotifSet.from_matrices(
    [str(i) for i in range(50)], list(np.random.default_rng(0).normal(0, 1, (50, 8, 4)))
)
codes = np.random.default_rng(0).integers(0, 4, 100_007).astype(np.uint8)
def portions(count):
    for i in range(count):
        yield Portion("a", i * 100_000, codes, 100_000)
def scan(count):
    return sum(len(table) for table in cisreg.scan_portions(portions(count), motifs, np.inf))
scan(1)
before = peak()
hits = scan(int(sys.argv[1]))
print(hits, (peak() - before) / 1024)
"""


def test_memory_does_not_grow_with_the_number_of_hits():
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, "10"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    hits, megabytes = done.stdout.split()
    # All hits would take more than 3 GB.
    assert int(hits) == 10 * 100_000 * 100
    assert float(megabytes) < 300
