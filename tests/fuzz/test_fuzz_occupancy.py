"""Whatever is handed to the operation: no signal, no hang, one answer of both implementations."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fuzz.damage import ARE_NEW

PROGRAM = Path(__file__).with_name("occupancy_calls.py")
# Cases of three calls each in one process; further processes go on where one was ended.
_TOGETHER = 1000
_SILENT_SECONDS = 300
_MOST_FINDINGS = 20


def run_cases(seed, end, log):
    """Calls made and findings, one line each."""
    first, findings = 0, []
    while first < end and len(findings) < _MOST_FINDINGS:
        words = [sys.executable, PROGRAM, seed, first, min(first + _TOGETHER, end), log]
        with Path(f"{log}.errors").open("w") as errors:
            process = subprocess.Popen(list(map(str, words)), stderr=errors)
        ended = wait_for(process, log)
        first = min(first + _TOGETHER, end)
        if ended:
            begun = re.findall(r"^(\d+) begins: (.*)$", log.read_text(), re.MULTILINE)
            first = int(begun[-1][0]) + 1 if begun else end
            findings.append(f"{ended}: {begun[-1] if begun else Path(errors.name).read_text()}")
    text = log.read_text()
    findings += re.findall(r"^\d+ begins: .*\n\d+ finding: .*$", text, re.MULTILINE)
    return sum(map(int, re.findall(r"^(\d+) calls$", text, re.MULTILINE))), findings


def wait_for(process, log):
    """Waits for a process that writes to a log; "" or how it ended otherwise."""
    size, since = -1, time.monotonic()
    while process.poll() is None:
        time.sleep(0.2)
        now = log.stat().st_size if log.exists() else -1
        if now != size:
            size, since = now, time.monotonic()
        elif time.monotonic() - since > _SILENT_SECONDS:
            process.kill()
            process.wait()
            return "hangs"
    return f"ended with status {process.returncode}" if process.returncode else ""


def test_calls(tmp_path):
    calls, findings = run_cases(1, 60, tmp_path / "log")
    assert not findings, "\n".join(findings)
    assert calls > 170


@pytest.mark.slow
@pytest.mark.thorough
def test_many_calls(tmp_path):
    """CISREG_FUZZ_EXAMPLES=3400 makes more than 10,000 calls; `make fuzz` others each time."""
    seed = time.time_ns() if ARE_NEW else 2
    cases = int(os.environ.get("CISREG_FUZZ_EXAMPLES", "500"))
    calls, findings = run_cases(seed, cases, tmp_path / "log")
    assert not findings, "\n".join([f"seed {seed}", *findings])
    assert calls > 2 * cases
    print(f"{calls} calls")


def test_processes_that_end_are_noticed(tmp_path, monkeypatch):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\n"
        "seed, first, end, log = sys.argv[1:]\n"
        "with open(log, 'a') as file:\n"
        "    for index in range(int(first), int(end)):\n"
        "        print(index, 'begins: a case', file=file, flush=True)\n"
        "        if index == 2:\n"
        "            os.abort()\n"
        "        if index == 4:\n"
        "            print('4 finding: two answers', file=file)\n"
        "    print(3, 'calls', file=file)\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "PROGRAM", program)
    calls, findings = run_cases(0, 6, tmp_path / "log")
    assert calls == 3
    assert findings[0].startswith("ended with status -6: ('2', 'a case')")
    assert findings[1:] == ["4 begins: a case\n4 finding: two answers"]
