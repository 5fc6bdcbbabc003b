"""What the worker of a test holds, in a process that imports it by this name."""

from __future__ import annotations

import time


class Served:
    """Answers, hangs, fails and ends."""

    def add(self, a, b, times=1):
        return times * (a + b)

    def sleep(self, seconds):
        time.sleep(seconds)

    def fail(self):
        raise ValueError("expected something else\nand more")

    def end(self):
        raise SystemExit(7)


def make_nothing():
    raise RuntimeError("no GPU: none here")
