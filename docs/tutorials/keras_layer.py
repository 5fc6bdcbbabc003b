# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # The operation inside a Keras model
#
# For you if you build networks of your own and want binding of known factors as a
# layer: differentiable, compiled by XLA, without the tensor of sequences, positions and
# motifs. At the end you have a Keras model that trains, is saved and loaded, gives its
# motifs back, and answers requests as a SavedModel.
#
# ## Data
#
# Simulated promoters as base codes: 0 A, 1 C, 2 G, 3 T, 4 anything else, one byte a
# base. From text, `cisreg.encode` makes them.

# %% tags=["remove-stderr"]
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from IPython.display import Image

import cisreg
from cisreg.keras import MotifOccupancy, ThermodynamicModel

tf.get_logger().setLevel("WARNING")

motifs = cisreg.motifs.demo_motifs()
assay = cisreg.simulate(motifs, sequence_count=5000, sequence_length=80, seed=3)
codes, expression = assay.sequence, assay.expression
train, test = slice(4000), slice(4000, None)
codes.shape, codes.dtype, codes.nbytes

# %% [markdown]
# ## A layer
#
# `MotifOccupancy` gives the expected number of bound sites of each factor. Behind it, a
# network of your own: here factors multiply each other's effects through a hidden
# layer.

# %%
keras.utils.set_random_seed(1)
sequence = keras.Input((80,), dtype="uint8")
layer = MotifOccupancy(motifs, sum_strands=True, name="binding")
head = keras.Sequential(
    [keras.layers.Dense(32, "gelu"), keras.layers.Dense(1)], name="head"
)
model = keras.Model(sequence, head(layer(sequence)))
model.summary()

# %% [markdown]
# Concentrations start where each motif's strongest site is bound half of the time.
# Motifs train too, within their own columns; `trainable_motifs=False` holds them.
#
# ## Training, compiled by XLA
#
# There is nothing to set but `jit_compile=True`: XLA calls the same kernels. **Trap:**
# it compiles a program for each size of the batch, so let the size divide the data, or
# drop the rest. Make predictions [N, 1], as here, for losses of Keras.

# %%
model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=True)
history = model.fit(
    codes[train],
    expression[train],
    batch_size=250,
    epochs=20,
    verbose=0,
    validation_data=(codes[test], expression[test]),
)
predicted = model.predict(codes[test], batch_size=250, verbose=0)[:, 0]
cisreg.metrics.agreement(predicted, expression[test])

# %%
figure, axes = plt.subplots(figsize=(5, 2.8))
axes.plot(history.history["loss"], label="training", color="#a9c6e3")
axes.plot(history.history["val_loss"], label="held out", color="#1f5a96")
axes.set(xlabel="epoch", ylabel="mean squared error", ylim=(0, None))
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## What it learned
#
# The layer gives its motifs back, for scans, logos and files.

# %%
learned = layer.to_motif_set()
cisreg.report.plot_logos("logos.png", learned[["Reb1", "Gcn4"]], columns=2)
Image("logos.png", width=620)

# %% [markdown]
# **Trap:** behind a free network the parameters are no biology any more. The network
# can undo what a concentration says. Where they are to be read, use the law of the
# package ([below](#the-whole-law-as-a-keras-model)).
#
# ## Save and load
#
# `import cisreg.keras` is all that loading needs. The loaded model predicts the same
# bits.

# %%
model.save("model.keras")
loaded = keras.saving.load_model("model.keras")
again = loaded.predict(codes[test], batch_size=250, verbose=0)[:, 0]
np.array_equal(again, predicted)

# %% [markdown]
# ## Serve
#
# Requests come as text. The same layers take it: a model with another input, exported
# as a SavedModel.

# %%
text = keras.Input((), dtype="string")
served = keras.Model(text, head(layer(text)))
served.export("served/1", verbose=False)
restored = tf.saved_model.load("served/1")
restored.serve(tf.constant(cisreg.decode(codes[test][:3])))

# %%
predicted[:3]

# %% [markdown]
# The same numbers as before, but for rounding: XLA had compiled the other one. A
# program that loads the folder runs `import cisreg` first, which makes the operation
# known. For servers without cisreg there is `cisreg export --standard-ops` (below, for
# whole models).
#
# ## The whole law as a Keras model
#
# `ThermodynamicModel` is a model of cisreg in Keras, with the bits of `Model.predict`.
# A use: the same cells in another condition, where three factors do nothing, and only
# 400 promoters were measured. Motifs, concentrations and chromatin stay; only
# activities are trained.

# %%
known = cisreg.Model(assay.spec, assay.parameters, assay.motif_names)
off = np.isin(motifs.names, ["Hap2", "Cbf1", "Msn2"])
activity = np.where(off, 0, assay.parameters["activity"]).astype(np.float32)
changed = cisreg.Model(
    assay.spec, {**assay.parameters, "activity": activity}, assay.motif_names
)
measured = changed.predict(codes[:800]).expression
measured += np.random.default_rng(1).normal(0, 0.5, 800).astype(np.float32)

whole = ThermodynamicModel.from_model(known)
whole.train_only("activity", "bias")
whole.compile(keras.optimizers.Adam(0.05), "mse")
before = whole.evaluate(codes[400:800], measured[400:], verbose=0)
whole.fit(codes[:400], measured[:400], batch_size=50, epochs=30, verbose=0)
after = whole.evaluate(codes[400:800], measured[400:], verbose=0)
before, after

# %% [markdown]
# The noise alone gives 0.25. And the activities say what changed:

# %%
tuned = whole.to_model()
figure, axes = plt.subplots(figsize=(4, 4))
axes.axline((0, 0), slope=1, color="0.6", linestyle="--")
axes.scatter(
    known.parameters["activity"], tuned.parameters["activity"], color="#1f5a96"
)
for name, x, y in zip(
    motifs.names,
    known.parameters["activity"],
    tuned.parameters["activity"],
    strict=True,
):
    if abs(x - y) > 1:
        axes.annotate(name, (x, y), (0, 8), textcoords="offset points", ha="center")
axes.set(xlabel="activity before", ylabel="activity in the new condition")
axes.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# It is a `cisreg.Model` again: save it, explain it, or export it with all its
# signatures.

# %%
cisreg.save_model("tuned", tuned)
cisreg.export_saved_model("tuned_served/1", tuned)
signatures = tf.saved_model.load("tuned_served/1").signatures
list(signatures)

# %%
signatures["serving_default"](sequence=tf.constant(cisreg.decode(codes[:2])))

# %% [markdown]
# ## Where next
#
# - [Keras](../howto/keras.md): inputs, masks, lengths, position weights, strategies
# - [Serve a model](../howto/serve.md): C, TensorFlow Serving, TFLite, ONNX
# - [Other frameworks](../howto/frameworks.md): NumPy, JAX, PyTorch
