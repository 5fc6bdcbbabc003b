"""The processes that train together, and which of them this is, from TF_CONFIG or Slurm."""

from __future__ import annotations

import json
import os
import re
from itertools import chain, product
from math import prod
from typing import Any, NamedTuple, NoReturn

from cisreg.strict_json import parse_json

TF_CONFIG = "TF_CONFIG"
_TASKS = ("chief", "worker")
_LAST_PORT = 65_535
# Where TensorFlow's own resolver begins, too: task k of a machine listens at this port + k.
_FIRST_SLURM_PORT = 8888
_MOST_TASKS = 100_000
_SHOWN_CHARACTERS = 60
# A name has labels of 63 characters at most; Python looks up no others.
_LABEL = "[A-Za-z0-9_-]{1,63}"
_ADDRESS = re.compile(
    rf"(\[[0-9A-Fa-f:.%]+\]|(?=.{{1,253}}:){_LABEL}(?:\.{_LABEL})*\.?):([0-9]{{1,5}})"
)
_NUMBER = re.compile(r"[0-9]{1,9}")
_THIS_MACHINE = {"localhost": "127.0.0.1", "[::1]": "127.0.0.1"}
# Addresses to listen at; who connects to one reaches its own machine.
_ANYWHERE = ("0.0.0.0", "[::]")


class Cluster(NamedTuple):
    """Processes that train together.

    Attributes:
        addresses: host:port of each; the first is the chief.
        number: place of this process among them, from 0.
        config: the same in the format of TF_CONFIG.
    """

    addresses: tuple[str, ...]
    number: int
    config: str

    def name_of(self, number: int) -> str:
        """How messages name a process.

        Example:
            >>> Cluster(("a:1", "b:1"), 0, "").name_of(1)
            'worker 2 of 2 (b:1)'
        """
        return f"worker {number + 1} of {len(self.addresses)} ({self.addresses[number]})"


def read_cluster(strategy: str = "auto") -> Cluster | None:
    """The processes that train together, from the environment; None: this one trains alone.

    Args:
        strategy: "slurm": the tasks of this Slurm step; "none" or "mirrored": None; "workers":
            those that TF_CONFIG lists, more than one; otherwise those that TF_CONFIG lists, if any.

    Raises:
        ValueError: what TF_CONFIG or Slurm says is invalid or incomplete.

    Example:
        >>> read_cluster("none") is None
        True
    """
    if strategy in ("none", "mirrored"):
        return None
    if strategy == "slurm":
        return _slurm_cluster()
    text = os.environ.get(TF_CONFIG)
    cluster = _config_cluster(text) if text else None
    if strategy == "workers" and (cluster is None or len(cluster.addresses) == 1):
        raise ValueError(
            "strategy: expected a TF_CONFIG that lists several workers with 'workers', got "
            f"{_shown(text)}; see docs/howto/several_machines.md"
        )
    return cluster


def this_worker(strategy: str = "auto") -> int:
    """The number of this process among those that train together; 0 is the chief.

    Args:
        strategy: see `read_cluster`.

    Raises:
        ValueError: see `read_cluster`.

    Example:
        >>> this_worker()
        0
    """
    cluster = read_cluster(strategy)
    return 0 if cluster is None else cluster.number


def cluster_size() -> int:
    """Number of processes in TF_CONFIG; 1 without it.

    Example:
        >>> cluster_size()
        1
    """
    cluster = read_cluster()
    return 1 if cluster is None else len(cluster.addresses)


def _config_cluster(text: str) -> Cluster:
    config = _parsed(text)
    jobs, task = config.get("cluster"), config.get("task")
    if not isinstance(jobs, dict):
        _refuse('"cluster" with the addresses of the workers', jobs)
    if not isinstance(task, dict):
        _refuse('"task" with the type and index of this process', task)
    _check_jobs(jobs)
    addresses = tuple(chain.from_iterable(jobs.get(kind, ()) for kind in _TASKS))
    _check_addresses(addresses)
    return Cluster(addresses, _own_number(jobs, task), text)


def _parsed(text: str) -> dict[str, Any]:
    try:
        text.encode()
        config = parse_json(text)
    except UnicodeEncodeError:
        _refuse("JSON in UTF-8", text)
    except RecursionError:
        _refuse("JSON with cluster and task", text)
    except ValueError as error:
        _refuse("JSON with cluster and task", text, f" ({error})")
    if not isinstance(config, dict):
        _refuse("JSON with cluster and task", text)
    return config


def _check_jobs(jobs: dict[str, Any]) -> None:
    for kind, addresses in jobs.items():
        if kind not in _TASKS:
            # Such as "ps", parameter servers, or "evaluator".
            _refuse('only "chief" and "worker" in the cluster, as no others train', kind)
        if not isinstance(addresses, list):
            _refuse(f'a list of addresses for "{kind}"', addresses)
    if not any(jobs.values()):
        _refuse('the address of at least one "worker"; unset it to train alone', jobs)
    if len(jobs.get("chief", ())) > 1:
        _refuse('one address for "chief"', jobs["chief"])


def _check_addresses(addresses: tuple[Any, ...]) -> None:
    known: dict[str, str] = {}
    for address in addresses:
        parts = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
        if parts is None:
            _refuse("addresses such as node1:12345", address)
        host, port = parts[1].lower(), int(parts[2])
        if not 1 <= port <= _LAST_PORT:
            _refuse(f"a port from 1 to {_LAST_PORT} in each address", address)
        if len(addresses) > 1 and host in _ANYWHERE:
            _refuse("addresses that the other workers can reach", address)
        own = f"{_THIS_MACHINE.get(host, host)}:{port}"
        if own in known:
            _refuse("another address for each worker", address, f" and {_shown(known[own])}")
        known[own] = address


def _own_number(jobs: dict[str, Any], task: dict[str, Any]) -> int:
    kind, index = task.get("type"), task.get("index")
    kinds = [each for each in _TASKS if jobs.get(each)]
    if kind not in kinds:
        _refuse(f"a task of type {' or '.join(kinds)}", kind)
    count = len(jobs[kind])
    # In Python, unlike JSON, True is an integer, too.
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
        _refuse(f"a task whose index is an integer from 0 to {count - 1}", index)
    return index + (len(jobs.get("chief", ())) if kind == "worker" else 0)


def _refuse(expected: str, got: object, more: str = "") -> NoReturn:
    raise ValueError(
        f"{TF_CONFIG}: expected {expected}, got {_shown(got)}{more}; "
        "see docs/howto/several_machines.md"
    ) from None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _slurm_cluster() -> Cluster:
    """The tasks of this Slurm step: those of the first machine, then those of the next.

    TensorFlow's own resolver sorts machines by their names, so that node10 comes before node9,
    while Slurm numbers tasks in its own order; and it divides GPUs among tasks, as Slurm does.
    """
    count = _slurm_number("SLURM_STEP_NUM_TASKS")
    number = _slurm_number("SLURM_PROCID")
    hosts = _expanded_hosts(_slurm_text("SLURM_STEP_NODELIST"))
    per_host = _expanded_counts(_slurm_text("SLURM_STEP_TASKS_PER_NODE"))
    if len(per_host) != len(hosts) or sum(per_host) != count or not number < count:
        raise ValueError(
            f"Slurm: expected variables that agree, got task SLURM_PROCID={number} of "
            f"SLURM_STEP_NUM_TASKS={count}, with {sum(per_host)} tasks on {len(per_host)} machines "
            f"in SLURM_STEP_TASKS_PER_NODE and {len(hosts)} machines in SLURM_STEP_NODELIST; "
            "start it with srun"
        )
    places = [(host, task) for host, tasks in enumerate(per_host) for task in range(tasks)]
    _check_place(number, places)
    addresses = tuple(f"{hosts[host]}:{_FIRST_SLURM_PORT + task}" for host, task in places)
    _check_addresses(addresses)
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}}
    return Cluster(addresses, number, json.dumps(config))


def _check_place(number: int, places: list[tuple[int, int]]) -> None:
    """Raises ValueError if Slurm put this task elsewhere than the others will look for it."""
    names = ("SLURM_NODEID", "SLURM_LOCALID")
    if not all(name in os.environ for name in names):
        return
    place = tuple(map(_slurm_number, names))
    if place != places[number]:
        raise ValueError(
            f"Slurm: expected task {number} as task {places[number][1]} of machine "
            f"{places[number][0]}, got SLURM_LOCALID={place[1]} and SLURM_NODEID={place[0]}; give "
            "srun --distribution=block"
        )


def _slurm_text(name: str) -> str:
    text = os.environ.get(name, "")
    if not text:
        raise ValueError(
            f"Slurm: expected a task of a step with --strategy slurm, got no {name}; start it with "
            "srun"
        )
    return text


def _slurm_number(name: str) -> int:
    text = _slurm_text(name)
    if not _NUMBER.fullmatch(text):
        _refuse_slurm(name, "a number from 0", text)
    return int(text)


def _refuse_slurm(name: str, expected: str, got: str) -> NoReturn:
    raise ValueError(f"{name}: expected {expected}, got {_shown(got)}; start it with srun")


def _expanded_counts(text: str) -> list[int]:
    """Tasks of each machine, of Slurm's short form: 2(x3),1 is 2,2,2,1."""
    counts: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,9})(?:\(x([0-9]{1,9})\))?", part)
        if match is None or int(match[2] or 1) > _MOST_TASKS or int(match[1]) > _LAST_PORT:
            _refuse_slurm("SLURM_STEP_TASKS_PER_NODE", "numbers such as 2(x3),1", text)
        counts += [int(match[1])] * int(match[2] or 1)
        if sum(counts) > _MOST_TASKS:
            _refuse_slurm("SLURM_STEP_TASKS_PER_NODE", f"at most {_MOST_TASKS} tasks", text)
    return counts


def _expanded_hosts(text: str) -> list[str]:
    """Names of machines, of Slurm's short form: n[08-10],m1 is n08,n09,n10,m1."""
    name = "SLURM_STEP_NODELIST"
    part = r"(?:[A-Za-z0-9._-]|\[[0-9]{1,9}(?:-[0-9]{1,9})?(?:,[0-9]{1,9}(?:-[0-9]{1,9})?)*\])+"
    if not re.fullmatch(f"{part}(?:,{part})*", text):
        _refuse_slurm(name, "machines such as n[01-16],m2", text)
    hosts: list[str] = []
    for each in re.findall(part, text):
        pieces = [_choices(piece) for piece in re.findall(r"\[[^]]*\]|[^[]+", each)]
        if not 0 < prod(map(len, pieces)) <= _MOST_TASKS - len(hosts):
            _refuse_slurm(name, f"1 to {_MOST_TASKS} machines", text)
        hosts += map("".join, product(*pieces))
    return hosts


def _choices(piece: str) -> list[str]:
    """What a piece of a name stands for: [08-10] for 08, 09 and 10, anything else for itself."""
    if not piece.startswith("["):
        return [piece]
    choices: list[str] = []
    for each in piece[1:-1].split(","):
        first, _, last = each.partition("-")
        numbers = range(int(first), int(last or first) + 1)
        if len(choices) + len(numbers) > _MOST_TASKS:
            _refuse_slurm("SLURM_STEP_NODELIST", f"at most {_MOST_TASKS} machines", piece)
        choices += [str(number).zfill(len(first)) for number in numbers]
    return choices
