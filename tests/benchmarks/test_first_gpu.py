"""The scripts for the first GPU: their choices, their budget and their pages, without a GPU.

`recorded_launchers.json` and `recorded_check.json` are runs on stand-ins for a GPU, the shim and
the processor, whose times mean nothing. To record them again:

    python -m benchmarks.gpu.launchers --stand-in --json tests/benchmarks/recorded_launchers.json
    python -m benchmarks.gpu.check --stand-in --json tests/benchmarks/recorded_check.json
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from served import Served, make_nothing

from benchmarks.gpu import check, clocks, launchers, rates
from benchmarks.gpu.budget import (
    LEFT_OUT,
    Deadline,
    ImpossibleError,
    Outcome,
    Task,
    TaskError,
    reasons_of,
    run_tasks,
)
from benchmarks.gpu.checks import first_cases, judge, other_cases, same_bits
from benchmarks.gpu.findings import Timed, is_right, notes, write_findings
from benchmarks.gpu.machine_code import disassemble
from benchmarks.gpu.static import find_nvcc, find_nvdisasm
from benchmarks.gpu.worker import Worker
from benchmarks.shared.cuda_cases import CASES, Case
from benchmarks.shared.rivals import ON_GPU_NAMES
from benchmarks.shared.rivals_tensorflow import ON_GPU

HERE = Path(__file__).parent


def read(name):
    """Facts and outcomes of a recorded run."""
    written = json.loads((HERE / f"recorded_{name}.json").read_text())
    return written["machine"], [Outcome(**row) for row in written["rows"]]


class Clock:
    """A clock that runs where it is told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class NoLab(launchers.Lab):
    """Its tasks are never performed."""

    def __init__(self):
        pass

    def expect(self, case):
        pass


def replayed(tasks, outcomes, clock):
    """The tasks that were recorded, which give what was recorded and take the time that it took."""
    recorded = {outcome.name: outcome for outcome in outcomes}

    def perform(outcome, _):
        clock.now += outcome.seconds
        if outcome.result is None:
            raise (ImpossibleError if outcome.impossible else TaskError)(outcome.missing)
        return outcome.result

    return [
        dataclasses.replace(task, perform=lambda left, of=recorded[task.name]: perform(of, left))
        for task in tasks
        if task.name in recorded
    ]


def replay(seconds, change=lambda outcomes: outcomes):
    """What comes of the recorded run of the launchers within some seconds."""
    facts, outcomes = read("launchers")
    clock = Clock()
    tasks = replayed(launchers.make_tasks(NoLab(), small=True), change(outcomes), clock)
    return facts, run_tasks(tasks, seconds, clock=clock)


# -------------------------------------------------------------------------------- budget


def make_task(name, priority, seconds, perform=lambda left: {}):
    return Task(name, "part", priority, seconds, perform)


def test_tasks_come_by_priority_and_fit():
    clock, seen = Clock(), []

    def work(name, seconds):
        def perform(_):
            seen.append(name)
            clock.now += seconds
            return {}

        return perform

    tasks = [
        make_task("late", 2, 5, work("late", 1)),
        make_task("large", 1, 50, work("large", 50)),
        make_task("first", 0, 10, work("first", 8)),
        make_task("second", 0, 10, work("second", 8)),
    ]
    outcomes = run_tasks(tasks, 30, clock=clock)
    # After 16 of 30 seconds, the large one does not fit; the small one behind it does.
    assert seen == ["first", "second", "late"]
    assert [each.name for each in outcomes if each.left_out] == ["large"]
    assert reasons_of(outcomes) == [("large", LEFT_OUT)]


def test_a_task_that_fails_is_named_and_others_go_on():
    def fail(_):
        raise TaskError("the kernel never ended")

    outcomes = run_tasks([make_task("bad", 0, 1, fail), make_task("good", 0, 1)], 9)
    assert [(each.name, each.missing) for each in outcomes] == [
        ("bad", "the kernel never ended"),
        ("good", None),
    ]
    assert not outcomes[0].left_out


def test_an_error_that_nobody_expected_loses_nothing_that_was_measured():
    def fail(_):
        raise ValueError("shapes do not agree")

    tasks = [make_task("good", 0, 1), make_task("bad", 1, 1, fail), make_task("later", 2, 1)]
    outcomes = run_tasks(tasks, 9)
    assert [(each.name, each.missing) for each in outcomes] == [
        ("good", None),
        ("bad", "ValueError: shapes do not agree"),
        ("later", None),
    ]


class Slow:
    """A worker that takes some seconds for each answer, and begins in more than a task may take."""

    def __init__(self, clock, seconds_of_answer):
        self.clock, self.seconds_of_answer, self.began = clock, seconds_of_answer, False

    def begin(self):
        self.clock.now += 0 if self.began else 60
        self.began = True

    def ask(self, method, *arguments, seconds, **keywords):
        self.begin()
        self.clock.now += min(seconds, self.seconds_of_answer)
        if self.seconds_of_answer > seconds:
            raise TaskError(f"no answer within {seconds:.0f} s")
        return [1.0]


@pytest.mark.parametrize("method", ["check", "time", "rival"])
def test_a_task_that_asks_often_takes_no_longer_than_it_may(monkeypatch, method):
    """But what a worker takes to begin, after one that hung, is no fault of the task."""
    clock = Clock()
    monkeypatch.setattr(launchers, "Deadline", functools.partial(Deadline, clock=clock))
    slow = Slow(clock, seconds_of_answer=6)
    lab = launchers.Lab(slow, None, slow)
    size = launchers.Size(3, length=20, width=5, motif_count=7)
    asked = {
        "check": CASE,
        "time": Timed("forward", size),
        "rival": launchers.Rival("forward", size, False, False),
    }[method]
    with pytest.raises(TaskError, match="no answer within 4 s"):
        getattr(lab, method)(asked, 10.0)
    assert clock.now == 100 + 60 + 10


# -------------------------------------------------------------------------------- worker


def test_a_worker_answers_fails_hangs_and_begins_again():
    worker = Worker(Served)
    try:
        assert worker.ask("add", 1, 2, times=3, seconds=60) == 9
        with pytest.raises(TaskError, match="ValueError: expected something else"):
            worker.ask("fail", seconds=60)
        with pytest.raises(TaskError, match="no answer within 1 s: its process was ended"):
            worker.ask("sleep", 600, seconds=1)
        with pytest.raises(TaskError, match="its process ended with 7"):
            worker.ask("end", seconds=60)
        worker.begin()
        worker.begin()
        assert worker.ask("add", 1, 2, seconds=60) == 3
    finally:
        worker.end()


def test_a_worker_that_cannot_begin_says_why():
    with pytest.raises(TaskError, match="RuntimeError: no GPU: none here"):
        Worker(make_nothing).ask("add", 1, 2, seconds=60)


# ---------------------------------------------------------------- choices of the launchers


def test_every_problem_is_checked_once_and_sizes_are_those_that_matter():
    tasks = launchers.make_tasks(NoLab(), small=False)
    names = [task.name for task in tasks]
    assert len(set(names)) == len(names)
    float32 = {f"right: {case}" for case in CASES if case.compute_dtype == "float32"}
    assert float32 <= set(names)
    timed = [each for _, each in launchers.timed_points()]
    assert {each.size.sequence_count for each in timed} >= {1, 100, 128, 1000, 1100, 8192, 10_000}
    assert max(each.size.length for each in timed) == 10**6
    assert max(each.size.motif_count for each in timed) == 10**4
    kinds = {(each.task, each.marks, each.cold) for each in timed}
    for task in ("forward", "backward"):
        assert {(task, "", False), (task, "weighted", False), (task, "", True)} <= kinds


def test_what_decides_comes_first():
    tasks = sorted(launchers.make_tasks(NoLab(), small=False), key=lambda task: task.priority)
    parts = [part for part, _ in itertools.groupby(task.part for task in tasks)]
    assert parts == [
        "checks",
        "rates",
        "times",
        "checks",
        "times",
        "rival errors",
        "times",
        "sanitizer",
    ]
    # Should every task take all that it may, one problem of every kind and the headline's times
    # still fit beside a build of a minute and a half.
    necessary = [task for task in tasks if task.priority <= 2]
    assert len(necessary) < 60
    assert {task.part for task in necessary} == {"checks", "rates", "times"}


def test_launches_fill_the_time_of_a_measurement():
    assert launchers.launches_within(0.001) == launchers.MOST_LAUNCHES
    assert launchers.launches_within(10) == 20
    assert launchers.launches_within(1000) == launchers.FEWEST_LAUNCHES


# ---------------------------------------------------------------------- what counts as right


CASE = Case(3, 20, 5, 7, "expected", "same", "float32", "weighted held")


def right_answers():
    sums = [np.asarray(each, np.float32) for each in CASE.expected]
    gradients = {name: value.astype(np.float32) for name, value in CASE.expected_gradient.items()}
    return sums, gradients


def test_the_oracle_itself_is_right():
    judged = judge(CASE, *right_answers())
    assert judged["right"]
    assert 0 < judged["sums"] < 1e-7
    assert 0 < judged["gradients"] < 1e-7


@pytest.mark.parametrize("fault", ["sum", "small sum", "NaN", "gradient", "held"])
def test_what_is_wrong_is_noticed(fault):
    sums, gradients = right_answers()
    if fault == "sum":
        sums[1] *= np.float32(1 + 1e-5)
    elif fault == "small sum":
        # One that the norm of all does not show.
        at = np.unravel_index(np.argmin(CASE.terms[0]), sums[0].shape)
        sums[0][at] *= np.float32(1 + 1e-5)
    elif fault == "NaN":
        sums[0][0, 0, 0] = np.nan
    elif fault == "gradient":
        gradients["position_weight"] *= np.float32(1 + 3e-5)
    else:
        held = np.argwhere(~np.broadcast_to(CASE.trained, gradients["log_kd"].shape))[0]
        gradients["log_kd"][tuple(held)] = 1e-30
    assert not judge(CASE, sums, gradients)["right"]


def test_bits_are_compared():
    first = [np.float32([1.0, np.nan]), None]
    assert same_bits(first, [first[0].copy(), None])
    assert not same_bits(first, [np.float32([1.0 + 1e-7, np.nan]), None])
    assert not same_bits([np.float32([0.0])], [np.float32([-0.0])])


def test_cases_of_16_bits_are_large_enough():
    cases = [*first_cases(), *other_cases()]
    assert all(case.sequences >= 30 for case in cases if case.compute_dtype != "float32")
    assert {case.compute_dtype for case in cases} == {"float32", "float16", "bfloat16"}


# ------------------------------------------------------------------------- the recorded runs


def test_the_recorded_run_is_that_of_the_stand_in():
    facts, outcomes = read("launchers")
    assert "stand-in" in facts["device"]
    tasks = launchers.make_tasks(NoLab(), small=True)
    recorded = {each.name for each in outcomes}
    # The table of problems may have got others since then.
    others = {task.name for task in tasks if task.part != "checks"}
    assert others <= recorded, "record it again: see above"
    assert sum(task.name in recorded for task in tasks if task.part == "checks") > 20


def test_a_replayed_run_is_right_and_complete(tmp_path, capsys):
    facts, outcomes = replay(10_000)
    assert is_right(outcomes)
    assert not any(each.left_out for each in outcomes)
    json_path, page = tmp_path / "a" / "found.json", tmp_path / "found.html"
    write_findings(facts, outcomes, json_path, page)
    printed = capsys.readouterr().out
    assert "0 wrong" in printed
    assert "compute-sanitizer is not here" in printed
    text = page.read_text()
    for words in ("against the oracle", "position weights", "cold cache", "no result", "stand-in"):
        assert words in text
    assert "http" not in text
    # What is written is a recorded run again.
    assert len(json.loads(json_path.read_text())["rows"]) == len(outcomes)


def test_with_little_time_the_first_problems_come_and_the_rest_is_named():
    facts, whole = replay(10_000)
    checks = [each for each in whole if each.part == "checks"]
    enough = sum(each.seconds for each in checks) + launchers.CHECK_SECONDS
    facts, outcomes = replay(enough)
    assert [each.name for each in outcomes if each.part == "checks" and each.result] == [
        each.name for each in checks
    ]
    left_out = [each for each in outcomes if each.left_out]
    assert left_out
    assert f"{len(left_out)} of {len(outcomes)} tasks were left out" in " ".join(
        notes(facts, outcomes)
    )
    # Left out is not wrong.
    assert is_right(outcomes)


@pytest.mark.parametrize("fault", ["wrong", "other bits", "no answer", "sanitizer"])
def test_a_fault_in_the_recorded_run_shows(fault, tmp_path, capsys):
    def change(outcomes):
        at = next(i for i, each in enumerate(outcomes) if each.part == "checks")
        result = dict(outcomes[at].result)
        if fault == "sanitizer":
            at = next(i for i, each in enumerate(outcomes) if each.part == "sanitizer")
            found = {"tool": "memcheck", "right": False, "said": ["Invalid __global__ read"]}
            outcomes[at] = dataclasses.replace(outcomes[at], result=found, missing=None)
        elif fault == "no answer":
            outcomes[at] = dataclasses.replace(outcomes[at], result=None, missing="it hung")
        else:
            result |= {"right": False, "repeats": fault != "other bits"}
            outcomes[at] = dataclasses.replace(outcomes[at], result=result)
        return outcomes

    facts, outcomes = replay(10_000, change)
    assert not is_right(outcomes)
    write_findings(facts, outcomes, None, tmp_path / "page.html")
    shown = {
        "wrong": "WRONG",
        "other bits": "OTHER BITS",
        "no answer": "it hung",
        "sanitizer": "Invalid __global__ read",
    }[fault]
    assert shown in capsys.readouterr().out
    assert shown in (tmp_path / "page.html").read_text()


def test_the_recorded_check_replays(tmp_path, capsys):
    facts, outcomes = read("check")
    tasks = check.make_tasks(None, None, small=True)
    assert [task.name for task in tasks] == [each.name for each in outcomes], "record it again"
    clock = Clock()
    outcomes = run_tasks(replayed(tasks, outcomes, clock), 10_000, clock=clock)
    assert check.is_right(outcomes)
    check.write_findings(facts, outcomes, tmp_path / "found.json", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    for words in (
        "a training step of cisreg.fit",
        "a training step of Keras",
        "checks",
        "stand-in",
    ):
        assert words in text
    wrong = [
        dataclasses.replace(each, result={**each.result, "right": False})
        if each.name == "XLA"
        else each
        for each in outcomes
    ]
    assert not check.is_right(wrong)
    # A check that gave no answer is wrong, one that this machine cannot do is not.
    (impossible,) = [each for each in outcomes if each.impossible]
    assert impossible.name == "memory"
    hung = [
        dataclasses.replace(each, result=None, missing="no answer within 90 s")
        if each.name == "XLA"
        else each
        for each in outcomes
    ]
    assert not check.is_right(hung)
    check.write_findings(facts, wrong, None, None)
    assert "WRONG" in capsys.readouterr().out


def test_names_of_rivals_on_a_gpu():
    assert set(ON_GPU) == set(ON_GPU_NAMES)


# ------------------------------------------------------------------------ rates and clocks


def measured(kernel, cycles, warps=16):
    return {
        **{"kernel": kernel, "warps": warps, "rounds": 100, "products": 8, "cycles": cycles},
        "milliseconds": cycles / 1.5e6,
    }


def test_rates_counted_by_hand():
    # 16 warps, 8 products of 4096 operations in 512 cycles: 1024 a cycle.
    rows = [measured("dense half", 51_200), measured("sparse half", 64_000)]
    assert rates.operations_per_cycle(rows[0]) == 1024
    # Sparse ones count twice the operations.
    assert rates.sparse_factor(rows) == pytest.approx(2 * 512 / 640)
    assert rates.clock_ghz(rows[0]) == pytest.approx(1.5)
    assert rates.sparse_factor(rows[:1]) is None
    rows += [measured("other instructions", 40_000), measured("sparse half and others", 84_000)]
    # 20,000 of the shorter one's 40,000 cycles are hidden.
    assert rates.overlap(rows, "sparse half", 16) == pytest.approx(0.5)
    assert rates.overlap(rows, "dense half", 16) is None
    title, columns, cells = rates.make_table(rows)
    assert "1.60 times" in title
    assert {len(line) for line in cells} == {len(columns)}


def test_clocks_are_summarised_and_missing_ones_left_out():
    lines = ["1980, 2619, 650.1, 60", "1755, 2619, 690.5, 64", "[N/A], 2619, 700.0, 66"]
    found = clocks.summarise(lines)
    assert found["clock, MHz"] == [1755, 1867.5, 1980]
    assert found["power, W"] == [650.1, 690.5, 700.0]
    assert clocks.summarise([]) == {}


def test_clocks_stay_as_they_are_unless_asked_for(monkeypatch):
    monkeypatch.setattr(clocks.subprocess, "run", None)
    with clocks.locked(None) as how:
        assert how == "not locked"


def test_clocks_that_may_not_be_locked_are_no_error(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'no permission'\nexit 4\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with clocks.locked(1500) as how:
        assert how == "not locked: no permission"
    program.write_text("#!/bin/sh\necho $* >> $0.log\n")
    with clocks.locked(1500) as how:
        assert how == "locked to 1500 MHz"
    said = Path(f"{program}.log").read_text().split("\n")
    assert "--lock-gpu-clocks=1500,1500" in said[0]
    assert "--reset-gpu-clocks" in said[1]


@pytest.mark.skipif(find_nvcc() is None, reason="nvcc is not here")
@pytest.mark.skipif(find_nvdisasm() is None, reason="nvdisasm is not here")
def test_the_rates_program_has_the_instructions_that_it_counts(tmp_path):
    cubin = tmp_path / "rates.cubin"
    command = [*rates.compile_command(cubin, "sm_90"), "-cubin"]
    subprocess.run(command, check=True)
    kinds = []
    for blocks in disassemble(cubin, lines=False).values():
        counts = [
            tuple(
                sum(opcode.startswith(kind) for opcode, _ in block.instructions)
                for kind in ("HMMA.SP.16832", "HMMA.16816", "MUFU.EX2", "FFMA")
            )
            for block in blocks
        ]
        # The loop.
        kinds.append(max(counts, key=sum))
    text = (Path(rates.__file__).with_name("rates.cu")).read_text()
    products, sums, exponentials = (
        int(re.search(rf"constexpr int {name} = (\d+);", text)[1])
        for name in ("kProducts", "kSums", "kExponentials")
    )
    others = (exponentials, sums)
    assert sorted(kinds) == sorted(
        [
            *[(0, products, 0, 0)] * 2,
            (0, 0, *others),
            (0, products, *others),
            (products, 0, 0, 0),
            (products, 0, *others),
        ]
    )


BARE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        packages = "tensorflow keras pyarrow dnaio isal zstandard rich typer pandas matplotlib"
        if name.split(".")[0] in packages.split():
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
sys.modules["torch"] = type(sys)("torch")
sys.modules["torch"].Tensor = object
import benchmarks.gpu.launchers, benchmarks.gpu.worker, benchmarks.shared.executors
import benchmarks.shared.rivals_torch
from benchmarks.gpu.checks import first_cases, reference
reference(first_cases()[3])
"""


def test_the_launchers_want_numpy_alone():
    """A GPU that is lent for minutes often comes with PyTorch and nothing else."""
    done = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
