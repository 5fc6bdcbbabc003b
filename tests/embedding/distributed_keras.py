"""One process of a distributed training of a Keras model: distributed_keras.py ROLE FOLDER [PORT].

ROLE is `devices` (two of this process), `worker` (as TF_CONFIG says), `server` (a task of a cluster
of parameter servers, as TF_CONFIG says), `chief` (which trains on them), `steps` (which trains
likewise alone) or `remote` (which runs the operation in the process at PORT). Results are files in
FOLDER.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import cisreg
from cisreg.keras import MotifOccupancy, ThermodynamicModel
from cisreg.model import init_parameters
from cisreg.motifs import random_motifs

MOTIFS = random_motifs(5, width=6, seed=3)
LENGTH, BATCH = 24, 16
SPEC = cisreg.ModelSpec(len(MOTIFS), MOTIFS.width, LENGTH)
RANDOM = np.random.default_rng(0)
CODES = RANDOM.integers(0, 5, (64, LENGTH), dtype=np.uint8)
MEASURED = RANDOM.normal(size=64).astype(np.float32)


def make_layer_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="uint8"),
            MotifOccupancy(MOTIFS, sum_strands=True, position_weight=True),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.02, momentum=0.5), "mse")
    return model


def make_thermodynamic_model():
    start = init_parameters(SPEC, MOTIFS.log_kd, MOTIFS.lowest_log_kd(), activity_scale=1.0)
    model = ThermodynamicModel(SPEC, start, column_range=MOTIFS.column_range())
    model.compile(keras.optimizers.SGD(0.02, momentum=0.5), "mse")
    return model


MODELS = {"layer": make_layer_model, "model": make_thermodynamic_model}


def rows():
    """The same batches for every number of workers, which share each of them."""
    data = tf.data.Dataset.from_tensor_slices((CODES, MEASURED)).batch(BATCH)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return data.with_options(options)


def train(model):
    model.fit(rows(), epochs=2, verbose=0)
    return model.get_weights()


def save(path, weights):
    np.savez(path, *weights)


def run_devices(folder):
    (cpu,) = tf.config.list_physical_devices("CPU")
    device = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [device, device])
    # One for both models: two of them use the same keys for their messages.
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for name, make in MODELS.items():
        save(folder / f"alone_{name}.npz", train(make()))
        with strategy.scope():
            mirrored = make()
        save(folder / f"mirrored_{name}.npz", train(mirrored))
        parallel = keras.distribution.DataParallel(devices=["cpu:0", "cpu:1"])
        with parallel.scope():
            save(folder / f"data_parallel_{name}.npz", train(make()))


def run_worker(folder):
    """A loop of its own: `fit` of Keras 3 fails with several workers, with every layer."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    for name, make in MODELS.items():
        with strategy.scope():
            model = make()
            model.optimizer.build(model.trainable_variables)

        def step(codes, measured, model=model):
            with tf.GradientTape() as tape:
                errors = tf.square(model(codes, training=True)[:, 0] - measured)
                loss = tf.reduce_sum(errors) / BATCH
            weights = model.trainable_weights
            gradients = tape.gradient(loss, [weight.value for weight in weights])
            # Adds up the gradients of all workers.
            model.optimizer.apply_gradients(zip(gradients, weights, strict=True))

        @tf.function
        def epoch(data, step=step):
            for batch in data:
                strategy.run(step, args=batch)

        data = strategy.experimental_distribute_dataset(rows())
        for _ in range(2):
            epoch(data)
        save(folder / f"worker_{name}_{os.getpid()}.npz", model.get_weights())


def run_server(folder):
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    tf.distribute.Server(
        resolver.cluster_spec(), resolver.task_type, resolver.task_id, protocol="grpc", start=True
    )
    (folder / f"{resolver.task_type}-listens").touch()
    while not (folder / "done").exists():
        time.sleep(0.1)


def make_steps(layer):
    """A step of gradient descent on a layer, as a user's own loop has it."""
    codes, rate = tf.constant(CODES), tf.constant(0.01)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(layer(codes)))
        variables = [weight.value for weight in layer.trainable_weights]
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(rate * gradient)
        return loss

    return step


def run_chief(folder):
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    with strategy.scope():
        layer = MotifOccupancy(MOTIFS, sum_strands=True)
        layer.build((None, LENGTH))
    step = make_steps(layer)
    for _ in range(3):
        coordinator.schedule(step)
        coordinator.join()
    devices = {weight.value.device for weight in layer.weights}
    assert all("/job:ps/" in device for device in devices), devices
    save(folder / "chief.npz", layer.get_weights())


def run_steps(folder):
    """The steps of `chief` in one process."""
    layer = MotifOccupancy(MOTIFS, sum_strands=True)
    layer.build((None, LENGTH))
    step = make_steps(layer)
    for _ in range(3):
        step()
    save(folder / "steps.npz", layer.get_weights())


def run_remote(folder, port):
    tf.config.experimental_connect_to_host(f"127.0.0.1:{port}", job_name="worker")
    try:
        with tf.device("/job:worker/task:0/device:CPU:0"):
            cisreg.occupancy(CODES, MOTIFS.log_kd, MOTIFS.lowest_log_kd()).bound.numpy()
        text = "it ran"
    except tf.errors.OpError as error:
        text = f"{type(error).__name__}: {error.message}"
    (folder / "remote.txt").write_text(text)


def main(role, folder, *arguments):
    {
        "devices": run_devices,
        "worker": run_worker,
        "server": run_server,
        "chief": run_chief,
        "steps": run_steps,
        "remote": run_remote,
    }[role](Path(folder), *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
