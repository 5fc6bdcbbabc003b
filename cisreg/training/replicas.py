"""Replicas: copies of a model that train together on several devices or in several processes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from cisreg.choices import check_choice
from cisreg.processes.cluster import TF_CONFIG, Cluster, read_cluster
from cisreg.processes.partners import wait_for_partners
from cisreg.processes.signals import handlers_kept, waiting_for
from cisreg.training.errors import WorkerLostError

# What TensorFlow raises when a worker or its connection is lost.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)
# What is said of a GPU that failed: by the kernels of cisreg, by CUDA and by its libraries.
_GPU_FAILED = re.compile("cisreg on the GPU|CUDA_ERROR_|CUBLAS_STATUS_|CUDNN_STATUS_")


class Replicas:
    """What training needs from a `tf.distribute` strategy.

    A worker is a process; the first worker is the chief. A replica is a device of a worker. All
    workers have the same number of replicas.

    Args:
        strategy: MirroredStrategy or MultiWorkerMirroredStrategy; None: one device.

    Attributes:
        strategy: the strategy, TensorFlow's default one for None.
        workers: number of processes.
        worker: number of this process, from 0.
        local: number of replicas of this process.
        others: names of the other processes, for messages.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None = None) -> None:
        self.strategy = tf.distribute.get_strategy() if strategy is None else strategy
        resolver = self.strategy.cluster_resolver
        cluster = None if resolver is None else resolver.cluster_spec()
        self.workers, self.worker = 1, 0
        self.others: list[str] = []
        if cluster is not None and cluster.jobs:
            self.workers = sum(cluster.num_tasks(job) for job in cluster.jobs)
            self.worker = _task_number(cluster, resolver.task_type, resolver.task_id)
            self.others = _names_of_others(cluster, self.worker)
        self.local = self.strategy.num_replicas_in_sync // self.workers
        self._sums: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {}

    @property
    def count(self) -> int:
        """Number of replicas of all workers together."""
        return self.strategy.num_replicas_in_sync

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run's files."""
        return self.worker == 0

    @property
    def devices(self) -> tuple[str, ...]:
        """Devices of the replicas of this process; "" (TensorFlow chooses) if there is only one."""
        return ("",) if self.local == 1 else tuple(self.strategy.extended.worker_devices)

    def place_in_worker(self) -> int:
        """The number of this replica within its process; valid while a replica's part is traced."""
        if self.local == 1:
            return 0
        context = tf.distribute.get_replica_context()
        return int(tf.get_static_value(context.replica_id_in_sync_group)) % self.local

    def scope(self) -> AbstractContextManager[Any]:
        """A context in which new variables are shared by all replicas."""
        return self.strategy.scope()

    def local_sum(self, value: Any) -> tf.Tensor:
        """The sum, over the replicas of this process, of a result of `strategy.run`."""
        parts = self.strategy.experimental_local_results(value)
        return parts[0] if len(parts) == 1 else tf.add_n(parts)

    def sum_over_workers(self, value: tf.Tensor) -> tf.Tensor:
        """The sum of all workers' values, of the same shape; all workers must call it."""
        if self.workers == 1:
            return value
        reduced = self.strategy.run(_sum_of_first_replicas, args=(value, self.local))
        return self.strategy.experimental_local_results(reduced)[0]

    def total(self, values: np.ndarray) -> np.ndarray:
        """`sum_over_workers` for an array [n]."""
        if self.workers == 1:
            return values
        kind = values.dtype.name
        if kind not in self._sums:
            # One function per dtype, for any number of values, so that nothing is retraced.
            signature = [tf.TensorSpec([None], kind)]
            self._sums[kind] = tf.function(self.sum_over_workers, signature, autograph=False)
        return self._sums[kind](tf.constant(values)).numpy()

    def share(self, content: bytes | None) -> bytes | None:
        """The chief's content, sent to all workers; None if the chief has none."""
        if self.workers == 1:
            return content
        own = content if self.is_chief else None
        size = int(self.total(np.array([-1 if own is None else len(own)]) * self.is_chief)[0])
        if size < 0:
            return None
        codes = np.zeros(size, np.int32)
        if own is not None:
            codes[:] = np.frombuffer(own, np.uint8)
        return self.total(codes).astype(np.uint8).tobytes()

    def wait_for_all(self) -> None:
        """Returns when all workers are here, or one of them has ended.

        A worker that ends at once after a sum can cut others off before they have its result.
        """
        with suppress(*_LOST):
            self.total(np.zeros(1, np.int32))


StrategyName = Literal["auto", "none", "mirrored", "workers", "slurm"]


def find_strategy(name: StrategyName = "auto") -> tf.distribute.Strategy | None:
    """The strategy of this name; call it before TensorFlow computes anything.

    Args:
        name: "none": one device; "mirrored": all GPUs of this machine; "workers": the processes
            that the environment variable TF_CONFIG lists; "slurm": the tasks of this Slurm step;
            "auto": "workers" if TF_CONFIG lists several processes, else "mirrored" if there are
            several GPUs, else "none".

    Raises:
        ValueError: an unknown name, "workers" without a TF_CONFIG that lists them, or what
            TF_CONFIG or Slurm says is invalid.
        WorkerLostError: another worker did not come within an hour, or is gone again; it is named.

    Example:
        >>> result = fit(spec, start, data, stages, strategy=find_strategy())  # doctest: +SKIP
    """
    check_choice("strategy", name, StrategyName)
    cluster = read_cluster(name)
    if cluster is not None and (name == "slurm" or len(cluster.addresses) > 1):
        return _connected(cluster)
    several = len(tf.config.list_physical_devices("GPU")) > 1
    if name == "mirrored" or (name == "auto" and several):
        return tf.distribute.MirroredStrategy()
    return None


def _connected(cluster: Cluster) -> tf.distribute.Strategy:
    os.environ[TF_CONFIG] = cluster.config
    try:
        wait_for_partners(cluster)
        with handlers_kept():
            return tf.distribute.MultiWorkerMirroredStrategy()
    except (TimeoutError, *_LOST) as error:
        raise WorkerLostError(
            f"{cluster.name_of(cluster.number)} could not connect with the others "
            f"({_cause(error)}); start all workers again, with --resume if a run had begun"
        ) from None


@contextmanager
def name_lost_worker(replicas: Replicas, advice: Callable[[], str]) -> Iterator[None]:
    """Turns the errors that TensorFlow raises when a worker is lost into a WorkerLostError.

    The error of a GPU that failed stays what it is.

    Args:
        replicas: the replicas of the run.
        advice: returns a sentence that says where the last checkpoint is.
    """
    if replicas.workers == 1:
        yield
        return
    try:
        with waiting_for(lambda: " or ".join(replicas.others)):
            yield
    except _LOST as error:
        if _GPU_FAILED.search(str(error)):
            # It ends the others' collective operations too: the cause, which no resuming mends.
            raise
        raise WorkerLostError(
            f"another worker is gone, or the connection to it ({_cause(error)}). {advice()}; start "
            "all workers again and resume"
        ) from None


def _cause(error: Exception) -> str:
    """TensorFlow's error message, without the place in the graph."""
    if isinstance(error, TimeoutError):
        return str(error)
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if "aborted" in line), type(error).__name__)


def _sum_of_first_replicas(value: tf.Tensor, local: int) -> tf.Tensor:
    """The sum over processes: only the first replica of each process counts."""
    context = tf.distribute.get_replica_context()
    first = tf.equal(context.replica_id_in_sync_group % local, 0)
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value * tf.cast(first, value.dtype))


def _task_number(cluster: Any, task_type: str, task_id: int) -> int:
    """The number of a task: 0 for the task named chief, if there is one, then the workers."""
    before = cluster.num_tasks("chief") if "chief" in cluster.jobs and task_type != "chief" else 0
    return before + int(task_id)


def _names_of_others(cluster: Any, own: int) -> list[str]:
    addresses = [each for job in sorted(cluster.jobs) for each in cluster.job_tasks(job)]
    named = Cluster(tuple(addresses), own, "")
    return [named.name_of(number) for number in range(len(addresses)) if number != own]
