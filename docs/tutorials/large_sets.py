# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Very large sets
#
# For you if your table has tens of millions of rows, or does not fit into memory. At
# the end you have shuffled files that training streams, a run that survives being
# stopped, and one in several processes. The table here is tiny; the commands are the
# same.
#
# | sequences of 110 bases | on disk, about | `--cache host` | `--cache none` |
# |---|---|---|---|
# | 1 million | 38 MB | 0.1 GB | under half a gigabyte |
# | 20 million | 0.8 GB | 2.2 GB | under half a gigabyte |
# | 100 million | 4 GB | 11 GB | under half a gigabyte |
#
# Sequences in memory take a byte a base. Streamed, the memory does not depend on the
# number of rows.
#
# ## A library in several files
#
# As it often comes: four files, and within them sorted by expression.

# %%
import json
import os
import signal
import threading
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import cisreg

motifs = cisreg.motifs.demo_motifs()
assay = cisreg.simulate(motifs, sequence_count=16_000, sequence_length=80, seed=3)
table = pd.DataFrame(
    {"sequence": cisreg.decode(assay.sequence), "expression": assay.expression}
).sort_values("expression")
for part in range(4):
    rows = table[4000 * part : 4000 * (part + 1)]
    rows.to_csv(f"library_{part}.tsv.gz", sep="\t", index=False)

# %% [markdown]
# ## Convert once
#
# `cisreg convert` shuffles all rows on disk and writes Parquet files. The sizes are
# small here, so that there are several of everything; leave them out with your own data
# (a million rows a file, 65,536 a row group).

# %% magic_args="-e" language="bash"
# cisreg convert 'library_*.tsv.gz' --output library \
#     --rows-per-file 8000 --rows-per-group 500
# cisreg convert --check library
# ls library

# %%
manifest = json.loads(Path("library/manifest.json").read_text())
{name: manifest[name] for name in ("rows", "order", "longest", "columns")}

# %% [markdown]
# A killed conversion goes on with `--resume`. The files depend on rows, order and seed
# alone, not on threads or interruptions.
#
# **Trap:** do not stream files that nobody shuffled. Streaming mixes the rows of 16 row
# groups at a time. If these are alike, a batch is no sample of the set:


# %%
def group_means(source):
    data = cisreg.open_dataset(source, length=80)
    means = [rows.expression.mean() for rows in data.batches(500)]
    return np.array(means)


figure, axes = plt.subplots(figsize=(6, 2.8))
axes.plot(group_means("library_*.tsv.gz"), ".", label="as it came", color="#d55e00")
axes.plot(group_means("library"), ".", label="converted", color="#1f5a96")
axes.set(xlabel="500 rows each", ylabel="mean expression")
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## Look without loading

# %%
data = cisreg.open_dataset("library", length=80)
data

# %%
batch = next(iter(data.shuffled_batches(1024, seed=0)))
batch.sequence.shape, batch.sequence.dtype, batch.expression.mean()

# %% [markdown]
# `data.as_tf(1024, seed=0)` gives the same batches as a `tf.data.Dataset`, for a [loop
# of your own or Keras](keras_layer.py).
#
# ## Train, be stopped, go on
#
# `cache="none"` streams. A checkpoint is written after every epoch; for long epochs
# `checkpoint_minutes=10` writes some within. Here a timer presses the stop button after
# the first one.

# %% tags=["remove-stderr"]
recipe = cisreg.read_recipe("quick").override(epochs=4)
options = {"cache": "none", "progress": False, "seed": 1}


def stop_after_a_checkpoint(folder):
    while not list(Path(folder).glob("checkpoint/*.ckpt")):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


threading.Thread(target=stop_after_a_checkpoint, args=["model"]).start()
stopped = cisreg.train(data, motifs, recipe, output="model", **options)
stopped.fit

# %%
resumed = cisreg.train(data, motifs, recipe, output="model", resume=True, **options)
resumed.fit

# %% [markdown]
# The log of the run has every epoch once, and the result is the one that a run without
# a stop has, to the bit:

# %%
whole = cisreg.train(data, motifs, recipe, **options)
{
    name: np.array_equal(value, whole.model.parameters[name])
    for name, value in resumed.model.parameters.items()
}

# %% [markdown]
# As a command, `cisreg train library --motifs demo --cache none --output model`.
# Ctrl-C, SIGTERM and SIGHUP end it with a checkpoint and status 75; `--resume` goes on.
# **Trap:** a resumed run needs the same data, recipe and seed. Others are refused, not
# mixed.
#
# ## Several processes
#
# One process uses all cores and all GPUs of a machine. More of them are for several
# machines; two on one machine are a rehearsal. Every batch is divided among the
# workers, and each reads its own part of the files.

# %% magic_args="-e" language="bash"
# cisreg train library --motifs demo --recipe quick --epochs 1 --cache none \
#     --seed 1 --workers 2 --output model_of_two

# %%
two = cisreg.load_model("model_of_two").parameters
one = cisreg.train(data, motifs, recipe.override(epochs=1), **options).model.parameters
max(np.abs(two[name] - one[name]).max() for name in one)

# %% [markdown]
# The same model as one process trains, but for the order of additions. On a cluster,
# `srun cisreg train ... --strategy slurm` or a TF_CONFIG does what `--workers` does
# here.
#
# What limits a large run, most important first: the batch (a GPU wants 2,000 sequences
# a step or more), then the latency between machines, and reading last.
#
# ## Where next
#
# - [Several machines](../howto/several_machines.md): Slurm, Kubernetes, by hand
# - [Interrupted runs](../howto/interrupted_runs.md): what happens when a process, a
#   disk or a file fails
# - [Convert](../howto/convert.md): formats, orders, object stores
