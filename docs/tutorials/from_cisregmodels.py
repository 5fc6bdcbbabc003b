# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # From CisRegModels
#
# For you if you have models or command lines of CisRegModels (de Boer et al. 2020). At
# the end an old model predicts here what it predicted there, an old command line has
# run, and you know what to leave behind.
#
# ## An old model
#
# CisRegModels leaves PREFIX.params and PREFIX.pkdms, with position weights
# PREFIX.positional.gz, and PREFIX.ckpt. Such files are made here, so that this page
# needs none of yours. They are the ones that the original would write, byte for byte.
# With your own, begin at [Import](#import).

# %% tags=["remove-stderr"]
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import cisreg
from cisreg.legacy import export_model, import_model

motifs = cisreg.motifs.demo_motifs()
assay = cisreg.simulate(motifs, sequence_count=3000, sequence_length=80, seed=3)
sequences = cisreg.decode(assay.sequence)
original = cisreg.Model(assay.spec, assay.parameters, assay.motif_names)
there = original.predict(sequences[2500:]).expression
export_model("old.AP", original, checkpoint=True)

# %%
print(Path("old.AP.params").read_text()[:260])

# %% [markdown]
# ## Import
#
# The layers follow from the parameters. Text does not say how long sequences were, nor
# how binding was computed: `"expected"` if the old command had `-eb`, otherwise
# `"probability"`. So both are asked for, not guessed.

# %%
try:
    import_model("old.AP")
except ValueError as error:
    print(error)

# %%
names = motifs.names  # in the order of your motif list; the old files have none
known = {"sequence_length": 80, "motif_names": names}
old = import_model("old.AP.ckpt", binding="expected", **known)
cisreg.save_model("old", old)
old

# %% [markdown]
# As a command, `cisreg import old.AP.ckpt --binding expected --length 80 --output old`.
#
# ## The same predictions?
#
# Checkpoints have all digits of a number, text has six. **Trap:** a model that is read
# with the wrong binding predicts too, and wrongly. Compare with predictions of the
# original before you trust an import.

# %%
right = import_model("old.AP", binding="expected", **known)
wrong = import_model("old.AP", binding="probability", **known)
here = {
    "checkpoint": old.predict(sequences[2500:]).expression,
    "text": right.predict(sequences[2500:]).expression,
    "text, wrong binding": wrong.predict(sequences[2500:]).expression,
}
pd.Series(
    {name: np.abs(each - there).max() for name, each in here.items()},
    name="largest difference",
)

# %%
figure, axes = plt.subplots(figsize=(4.4, 4.2))
axes.axline((0, 0), slope=1, color="0.6", linestyle="--")
for name, color in (("text, wrong binding", "#d55e00"), ("text", "#1f5a96")):
    axes.plot(there, here[name], ".", markersize=4, color=color, label=name)
axes.set(xlabel="prediction of the original", ylabel="prediction here")
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## Ask the old model
#
# It is a model like any other: what each factor does, and all other questions.

# %%
effects = old.factor_effects(sequences[2500:]).to_frame()
effects[
    ["factor", "strongest_site", "effect", "potentiation_effect", "importance"]
].head(4)

# %% [markdown]
# ## An old command line
#
# It runs as it stands, with its own files: the motif list, the starting concentrations,
# and sequences, as one-hot text or as a plain table.

# %%
table = pd.DataFrame({"sequence": sequences, "expression": assay.expression})
table[:2500].to_csv("train.tsv.gz", sep="\t", index=False)
_ = cisreg.motifs.write_motifs("motifs", motifs)

# %% magic_args="-e" language="bash"
# cisreg train --like-cisregmodels "./makeThermodynamicEnhancosomeModel.py \
#     -i train.tsv.gz -o new.AP -eb -sl 80 -nm 16 -ml 20 -b 128 \
#     -dm motifs/motif_list.txt -po -lr 0.04 -ntm -ntc -r 4 -ia 0.01 -ip 0.01"
# ls -d new.AP*

# %% [markdown]
# First come the commands of cisreg that do the same; keep these. Notes say where an
# option of the original did not do what it claimed. The files have the old names, so R
# scripts and a next stage with `-res new.AP.ckpt` go on working. `new.AP.cisreg` is the
# model for cisreg.
#
# ## Leave the stages behind
#
# The old stages watched no held-out rows and did not change the learning rate. The
# default recipe does both:

# %%
new = cisreg.train("train.tsv.gz", motifs, output="model", progress=False).model
stage = cisreg.load_model("new.AP.cisreg")
measured = assay.expression[2500:]
pd.Series(
    {
        "one old stage": cisreg.metrics.agreement(
            stage.predict(sequences[2500:]).expression, measured
        ).pearson,
        "default recipe": cisreg.metrics.agreement(
            new.predict(sequences[2500:]).expression, measured
        ).pearson,
    },
    name="r on 500 others",
).round(3)

# %% [markdown]
# That stage was one of three, and short. The fair comparison is on the measured
# promoters of the original's example: there the default recipe reaches r = 0.92 on
# promoters that it has not seen, the original's stages 0.865 at best
# ([accuracy](../measurements/accuracy.md)).
#
# And back, for your R scripts: position weights on knots are written for each position.

# %% magic_args="-e" language="bash"
# cisreg export model --output back.APP
# head -n 3 back.APP.params | cut -c 1-60

# %% [markdown]
# ## Where next
#
# - [Move over from CisRegModels](../howto/cisregmodels.md): models in and out, motifs
#   beyond the list, reads
# - [Every old option](../reference/old_options.md) and its equivalent
# - [A reporter assay](gpra.py): training and reading a model here
