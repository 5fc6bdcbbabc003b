"""What TF_CONFIG and Slurm say about the processes that train together."""

from __future__ import annotations

import json
import os

import pytest
from typer.testing import CliRunner

from cisreg.cli import train as train_module
from cisreg.cli.app import app
from cisreg.processes.cluster import cluster_size, read_cluster, this_worker

TWO = {"worker": ["a:1", "b:1"]}
FIRST = {"type": "worker", "index": 0}
STEP = {
    "SLURM_PROCID": "1",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_STEP_NODELIST": "n[9-10]",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in [*filter(lambda name: name.startswith("SLURM_"), os.environ), "TF_CONFIG"]:
        monkeypatch.delenv(name, raising=False)


def config(cluster, task):
    return json.dumps({"cluster": cluster, "task": task})


def task_of(**values):
    return config(TWO, FIRST | values)


def job_of(addresses, kind="worker"):
    return config({kind: addresses}, {"type": kind, "index": 0})


ODD = {
    "no JSON": ("{", "JSON with cluster and task"),
    "a list": ("[]", "JSON with cluster and task, got '[]'"),
    "a text": ('"x"', "JSON with cluster and task"),
    "a million brackets": ("[" * 100_000, "JSON with cluster and task, got '[[[["),
    "a huge number": ('{"cluster": ' + "9" * 5000 + "}", "JSON with cluster and task"),
    "not UTF-8": ("\udcff{}", "JSON in UTF-8"),
    "the same twice": ('{"task": {}, "task": {}}', "got 'task' twice"),
    "nothing": ("{}", '"cluster" with the addresses of the workers, got None'),
    "a null": ('{"cluster": null, "task": {}}', '"cluster" with the addresses'),
    "a cluster that is a list": (config(["a:1"], FIRST), "got ['a:1']"),
    "no task": ('{"cluster": {"worker": ["a:1"]}}', '"task" with the type and index'),
    "a task that is a number": (config(TWO, 1), '"task" with the type and index of this process'),
    "no jobs": (config({}, FIRST), "unset it to train alone"),
    "empty jobs": (config({"worker": [], "chief": []}, FIRST), "unset it to train alone"),
    "parameter servers": (config(TWO | {"ps": ["c:1"]}, FIRST), "got 'ps'"),
    "an evaluator": (config(TWO | {"evaluator": ["c:1"]}, FIRST), "got 'evaluator'"),
    "an unknown job": (config(TWO | {"master": ["c:1"]}, FIRST), "got 'master'"),
    "two chiefs": (job_of(["a:1", "b:1"], "chief"), 'one address for "chief"'),
    "one address as a text": (job_of("a:1"), 'a list of addresses for "worker"'),
    "numbered addresses": (job_of({"0": "a:1"}), 'a list of addresses for "worker"'),
    "addresses that are numbers": (job_of([1, 2]), "addresses such as node1:12345, got 1"),
    "no port": (job_of(["a", "b"]), "addresses such as node1:12345, got 'a'"),
    "no host": (job_of([":1", "b:1"]), "addresses such as"),
    "an empty label": (job_of(["a..b:1", "b:1"]), "addresses such as node1:12345, got 'a..b:1'"),
    "a long label": (job_of([f"{'a' * 64}.b:1", "b:1"]), "addresses such as"),
    "a blank": (job_of(["a:1 ", "b:1"]), "addresses such as"),
    "a line end": (job_of(["a:1\n", "b:1"]), r"addresses such as node1:12345, got 'a:1\n'"),
    "a protocol": (job_of(["grpc://a:1", "b:1"]), "addresses such as"),
    "other digits": (job_of(["a:\u0661", "b:1"]), "addresses such as"),
    "port 0": (job_of(["a:0", "b:1"]), "a port from 1 to 65535 in each address, got 'a:0'"),
    "port 65536": (job_of(["a:1", "b:65536"]), "a port from 1 to 65535"),
    "a negative port": (job_of(["a:-1", "b:1"]), "addresses such as"),
    "one address twice": (job_of(["a:1", "A:01"]), "got 'A:01' and 'a:1'"),
    "this machine twice": (job_of(["localhost:1", "127.0.0.1:1"]), "another address for each"),
    "a chief that is a worker": (
        config({"chief": ["a:1"], "worker": ["a:1"]}, FIRST),
        "another address for each worker",
    ),
    "an address of no machine": (job_of(["0.0.0.0:1", "b:1"]), "the other workers can reach"),
    "a type that is a list": (task_of(type=["worker"]), "a task of type worker"),
    "another type": (task_of(type="evaluator"), "a task of type worker, got 'evaluator'"),
    "a type without addresses": (task_of(type="chief"), "a task of type worker, got 'chief'"),
    "no type": (config(TWO, {"index": 0}), "a task of type worker, got None"),
    "no index": (config(TWO, {"type": "worker"}), "an integer from 0 to 1, got None"),
    "a bool as index": (task_of(index=True), "an integer from 0 to 1, got True"),
    "a fraction as index": (task_of(index=1.7), "an integer from 0 to 1, got 1.7"),
    "a text as index": (task_of(index="1"), "an integer from 0 to 1, got '1'"),
    "a negative index": (task_of(index=-1), "an integer from 0 to 1, got -1"),
    "an index beyond": (task_of(index=2), "an integer from 0 to 1, got 2"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_tf_config_is_said_in_one_sentence_before_tensorflow_starts(
    tmp_path, monkeypatch, name
):
    def started():
        pytest.fail("TensorFlow was started")

    text, message = ODD[name]
    monkeypatch.setenv("TF_CONFIG", text)
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setattr(train_module, "start_tensorflow", started)
    words = ["train", "x.tsv", "--motifs", "demo", "--output", str(tmp_path / "model")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert result.output.startswith("error: TF_CONFIG: expected ")
    assert message in result.output
    assert result.output.endswith("; see docs/howto/several_machines.md\n")
    assert len(result.output) < 320 and result.output.count("\n") == 1
    # Where it has no say, it does not matter.
    assert this_worker("none") == this_worker("mirrored") == 0


def test_who_a_process_is_comes_from_tf_config(monkeypatch):
    assert (this_worker(), cluster_size(), read_cluster()) == (0, 1, None)
    cluster = {"chief": ["a:1"], "worker": ["[fe80::1]:1", "c:65535"]}
    for task, number in (
        ({"type": "chief", "index": 0}, 0),
        ({"type": "worker", "index": 0}, 1),
        ({"type": "worker", "index": 1}, 2),
    ):
        monkeypatch.setenv("TF_CONFIG", config(cluster, task))
        assert (this_worker(), cluster_size()) == (number, 3)
        assert read_cluster().addresses == ("a:1", "[fe80::1]:1", "c:65535")
    monkeypatch.setenv("TF_CONFIG", job_of(["a:1"]))
    assert (this_worker(), cluster_size()) == (0, 1)
    with pytest.raises(ValueError, match="lists several workers with 'workers', got "):
        read_cluster("workers")
    monkeypatch.delenv("TF_CONFIG")
    with pytest.raises(ValueError, match="lists several workers with 'workers', got None"):
        read_cluster("workers")


def slurm(monkeypatch, **changed):
    for name, value in (STEP | changed).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    return read_cluster("slurm")


def test_tasks_of_slurm_are_numbered_as_slurm_does(monkeypatch):
    # TensorFlow's resolver sorts n10 before n9.
    cluster = slurm(monkeypatch)
    assert cluster.addresses == ("n9:8888", "n9:8889", "n10:8888")
    assert cluster.number == this_worker("slurm") == 1
    assert json.loads(cluster.config) == {
        "cluster": {"worker": ["n9:8888", "n9:8889", "n10:8888"]},
        "task": {"type": "worker", "index": 1},
    }
    short = {"SLURM_STEP_NODELIST": "r[0-1]n[08-09,11]-ib,m", "SLURM_STEP_TASKS_PER_NODE": "1(x7)"}
    cluster = slurm(monkeypatch, SLURM_STEP_NUM_TASKS="7", **short)
    hosts = [address.partition(":")[0] for address in cluster.addresses]
    assert hosts == ["r0n08-ib", "r0n09-ib", "r0n11-ib", "r1n08-ib", "r1n09-ib", "r1n11-ib", "m"]
    slurm(monkeypatch, SLURM_NODEID="0", SLURM_LOCALID="1")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *((name, None, f"got no {name}; start it with srun") for name in STEP),
        *((name, "", f"got no {name}; start it with srun") for name in STEP),
        ("SLURM_PROCID", "-1", "SLURM_PROCID: expected a number from 0, got '-1'"),
        ("SLURM_PROCID", "\u0663", "SLURM_PROCID: expected a number from 0"),
        ("SLURM_PROCID", "9" * 20, "SLURM_PROCID: expected a number from 0"),
        ("SLURM_PROCID", "3", "variables that agree, got task SLURM_PROCID=3"),
        ("SLURM_STEP_NUM_TASKS", "4", "variables that agree"),
        ("SLURM_STEP_NUM_TASKS", "3.0", "SLURM_STEP_NUM_TASKS: expected a number from 0"),
        ("SLURM_STEP_TASKS_PER_NODE", "3", "3 tasks on 1 machines"),
        ("SLURM_STEP_TASKS_PER_NODE", "2(x", "numbers such as"),
        ("SLURM_STEP_TASKS_PER_NODE", "1(x999999999)", "numbers such as"),
        ("SLURM_STEP_TASKS_PER_NODE", "999999999,1", "numbers such as"),
        ("SLURM_STEP_TASKS_PER_NODE", "60000,1", "variables that agree"),
        ("SLURM_STEP_NODELIST", "n[9-", "machines such as"),
        ("SLURM_STEP_NODELIST", "n[9-10]]", "machines such as"),
        ("SLURM_STEP_NODELIST", "n9,,n10", "machines such as"),
        ("SLURM_STEP_NODELIST", "n 9,n10", "machines such as"),
        ("SLURM_STEP_NODELIST", "n[10-9]", "1 to 100000 machines"),
        ("SLURM_STEP_NODELIST", "n[0-999999999]", "at most 100000 machines"),
        ("SLURM_STEP_NODELIST", "n[0-99999]m[0-99999]", "1 to 100000 machines"),
        ("SLURM_STEP_NODELIST", "n9,n9", "another address for each worker"),
    ],
)
def test_odd_variables_of_slurm_are_said(monkeypatch, name, value, message):
    with pytest.raises(ValueError) as caught:
        slurm(monkeypatch, **{name: value})
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


def test_tasks_that_slurm_puts_elsewhere_are_said(monkeypatch):
    with pytest.raises(ValueError, match="give srun --distribution=block"):
        slurm(monkeypatch, SLURM_NODEID="1", SLURM_LOCALID="0")
