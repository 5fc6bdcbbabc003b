"""One worker of training runs: distributed_run.py FOLDER KIND CASE[,CASE...] [resume].

KIND is none, mirrored (two devices of this process) or workers (as TF_CONFIG says). Every case has
a separate folder in FOLDER and writes result<process>.npz there.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from tiny_model import MOTIFS, SPEC, STAGES, WIDTH, fit_tiny, make_dataset, start_parameters

from cisreg.data import Dataset
from cisreg.losses import StudentT, negative_log_likelihood
from cisreg.training import Stage, StoppedError, WorkerLostError


def strategy_of(kind: str) -> tf.distribute.Strategy | None:
    if kind == "workers":
        return tf.distribute.MultiWorkerMirroredStrategy()
    if kind == "mirrored":
        (cpu,) = tf.config.list_physical_devices("CPU")
        device = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(cpu, [device, device])
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    return None


def options_of(case: str) -> dict:
    """The options of a case that differ from the tiny run."""
    if case == "plain":
        return {}
    if case == "one row":
        # Batches of one or two rows: some replicas get no row.
        stage = Stage(("activity", "bias", "log_kd"), epochs=2, learning_rate=0.01, batch_size=1)
        return {"stages": (stage,), "dataset": make_dataset(20), "validation": 0.3}
    if case == "weights":
        data = make_dataset(100)
        weight = np.linspace(0.2, 2, 100).astype(np.float32)
        return {"dataset": Dataset(data.sequence, data.expression, weight)}
    if case == "float16":
        return {"precision": "mixed_float16"}
    if case == "sum":
        table = np.stack([np.linspace(0, 9, 10), np.linspace(1, 3, 10)], axis=1)
        return {
            "loss": functools.partial(negative_log_likelihood, table=table),
            "stages": STAGES[:1],
        }
    if case == "noise":
        # Batches of a few rows: some replicas get no row.
        return {"loss": StudentT(), "stages": STAGES[:1], "dataset": make_dataset(60)}
    if case == "outputs":
        spec = dataclasses.replace(SPEC, output_count=2, differ=("log_concentration", "bias"))
        data = make_dataset(60)
        measured = np.stack([data.expression, 2 - data.expression], axis=1)
        measured[::3, 1] = np.nan
        start = start_parameters(spec=spec)
        return {"spec": spec, "parameters": start, "dataset": Dataset(data.sequence, measured)}
    if case == "device":
        return {"cache": "device"}
    if case == "columns":
        start = start_parameters()
        start["log_kd"][0] = 0
        held = np.array([[1] * MOTIFS, [WIDTH] * MOTIFS])
        return {"column_range": held, "parameters": start}
    if case == "disagreeing":
        return {"seed": json.loads(os.environ["TF_CONFIG"])["task"]["index"]}
    if case == "long":
        stage = Stage(("activity", "bias", "log_kd"), epochs=150, learning_rate=0.005)
        return {"stages": (stage,)}
    raise ValueError(case)


def run(case: str, strategy: tf.distribute.Strategy | None, folder: Path, *arguments: str) -> None:
    options = {"checkpoint_every": 2, "steps_per_call": 1} | options_of(case)
    result = fit_tiny(
        **options,
        strategy=strategy,
        checkpoint_directory=folder,
        metrics_path=folder / "metrics.jsonl",
        resume="resume" in arguments,
        stop_signals=[signal.SIGTERM],
    )
    history = json.dumps([dataclasses.asdict(record) for record in result.history])
    noise = {} if result.noise is None else {"noise": np.float32([*vars(result.noise).values()])}
    np.savez(folder / f"result{os.getpid()}.npz", history=history, **result.parameters, **noise)


def main(folder: str, kind: str, cases: str, *arguments: str) -> int:
    strategy = strategy_of(kind)
    for case in cases.split(","):
        own = Path(folder) / case.replace(" ", "_")
        own.mkdir(parents=True, exist_ok=True)
        try:
            run(case, strategy, own, *arguments)
        except (StoppedError, WorkerLostError) as error:
            print(error, file=sys.stderr)
            return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
