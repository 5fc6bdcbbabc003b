"""How threads share the items of a launch: no race, no thread that waits for ever, nothing twice.

`share_items.cc` does what the CPU kernels do, under ThreadSanitizer, which TensorFlow and Python do
not stand.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

HEADER = Path(__file__).parents[2] / "csrc" / "common" / "shared_items.h"
PROGRAM = Path(__file__).with_name("share_items.cc")
RACE = "data race"

pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None or platform.machine() != "x86_64",
    reason="ThreadSanitizer needs g++ and, here, an x86-64 processor",
)


def run(folder, old="", new=""):
    """What the program says, and its exit status, with one piece of the header replaced."""
    text = HEADER.read_text()
    assert text.count(old) == 1 or not old, "adapt the fault to the new text"
    include = folder / "common"
    include.mkdir()
    (include / HEADER.name).write_text(text.replace(old, new) if old else text)
    program = folder / "share_items"
    command = ["g++", "-std=c++17", "-O1", "-g", "-fsanitize=thread", f"-I{folder}", "-pthread"]
    built = subprocess.run([*command, PROGRAM, "-o", program], capture_output=True, text=True)
    if "tsan" in built.stderr:
        pytest.skip("g++ has no ThreadSanitizer")
    assert built.returncode == 0, built.stderr
    done = subprocess.run([program], capture_output=True, text=True, timeout=300)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("ThreadSanitizer does not run on this kernel")
    return done.stdout + done.stderr, done.returncode


def test_threads_share_items_without_a_race(tmp_path):
    said, status = run(tmp_path)
    assert (said, status) == ("done\n", 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "state_[i].store(kDone, std::memory_order_release)",
            "state_[i].store(kDone, std::memory_order_relaxed)",
        ),
        (
            "if (!state_[i].compare_exchange_strong(open, kBegun)) continue;",
            "if (state_[i] != open) continue;\n"
            "      std::this_thread::yield();\n      state_[i] = kBegun;",
        ),
    ],
    ids=["not published", "begun twice"],
)
def test_a_race_is_noticed(tmp_path, old, new):
    said, status = run(tmp_path, old, new)
    assert status != 0
    assert RACE in said
