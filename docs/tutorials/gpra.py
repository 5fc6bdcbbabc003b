# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # A reporter assay, from a table to biology
#
# For you if you measured thousands of random or designed promoters (GPRA, MPRA,
# sort-seq) and have a table of sequences and expression. At the end you have a trained
# model, know how well it predicts, which factors it uses, and what a variant of a
# promoter does.
#
# The table here is simulated, so that the truth is known and everything runs in
# seconds. With your own data, begin at [Look at the table](#look-at-the-table).

# %%
import logging
import sys

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Image

import cisreg

logging.basicConfig(stream=sys.stdout, format="%(message)s")
for part in ("cisreg.data", "cisreg.recipes"):
    logging.getLogger(part).setLevel("INFO")  # say what was chosen

# %% [markdown]
# ## A table
#
# Sixteen yeast factors act on 5,000 random promoters. A tenth of the variance is noise
# of the measurement. As in a real library, the same primer sites lie at both ends.

# %%
motifs = cisreg.motifs.demo_motifs()
assay = cisreg.simulate(
    motifs, sequence_count=5000, sequence_length=80, noise=0.1, seed=3
)
left, right = "TGCATTTTTTTCACATC", "GGTTACGGCTGTT"
table = pd.DataFrame(
    {
        "sequence": [
            left + promoter + right for promoter in cisreg.decode(assay.sequence)
        ],
        "expression": assay.expression,
    }
)
table[:4500].to_csv("train.tsv.gz", sep="\t", index=False)
table[4500:].to_csv("test.tsv.gz", sep="\t", index=False)

# %% [markdown]
# The promoters of `test.tsv.gz` are for one question at the end: how well does the
# model predict what it has never seen? **Trap:** replicates and variants of one
# promoter belong into the same file. If they are on both sides, the test is too easy.
#
# ## Look at the table

# %%
data = cisreg.read_dataset("train.tsv.gz")
data

# %% [markdown]
# The log says which columns were read, and finds the names by itself in most tables.
# Look at the measurements before you fit anything: a spike at zero or at a limit is a
# fault of the assay that no model can explain.

# %%
figure, axes = plt.subplots(figsize=(5, 2.6))
axes.hist(data.expression, bins=60, color="#1f5a96")
axes.set(xlabel="measured expression", ylabel="promoters")
axes.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## Train
#
# A model needs motifs to begin with: here the sixteen that come with cisreg;
# `"jaspar:fungi"`, or a file of any usual format, does as well. Training changes them
# where the data say so.

# %% tags=["remove-stderr"]
trained = cisreg.train(data, motifs, output="model", progress=False)
trained

# %% [markdown]
# The log has found the primer sites. A site that lies wholly in them does not count,
# since it is the same in every promoter. A tenth of the table was held out to watch the
# training: `validation r` is of these rows.
#
# ## How well does it predict?

# %%
model = trained.model
test = cisreg.read_dataset("test.tsv.gz", length=model.spec.sequence_length)
predicted = model.predict(test).expression
cisreg.metrics.agreement(predicted, test.expression)

# %% [markdown]
# No model can explain the noise: a tenth of the variance here, so R² is below 0.9. For
# your assay, the agreement of two replicates says how much is left to explain.
#
# Is the model right for the right reasons? Simulated data can tell: the true effect of
# each factor's strongest site beside the one that was learned.

# %%
truth = cisreg.Model(assay.spec, assay.parameters, assay.motif_names)
effects_compared = cisreg.report.compare_parameters(model, truth)
cisreg.report.plot_evaluation(
    "evaluation.png", predicted, test.expression, effects_compared
)
Image("evaluation.png")

# %% [markdown]
# ## What misleads
#
# Before you read a parameter as biology, ask for the diagnosis. Warnings come first,
# each with what to do.

# %%
diagnosis = model.diagnose(test)
diagnosis

# %% [markdown]
# ## Which factors matter

# %%
effects = model.factor_effects(test)
cisreg.report.plot_factors("factors.png", effects)
Image("factors.png")

# %% [markdown]
# Two questions, two answers. *Importance* (left) is about these promoters: how much
# expression changes without the factor. *The effect of a site* (right) is about the
# factor: what one strongest site adds where chromatin is open. A strong factor with few
# sites is unimportant here. A factor that acts through chromatin, opening it for
# others, is important and has no effect of its own on the right.
#
# **Trap:** do not compare activities. Where binding is weak, half the concentration and
# twice the activity predict the same. Effects of sites do not change by such a trade.
#
# **Trap:** the sites of Gcn4, Mbp1 and Mcm1 read nearly alike on both strands. Each is
# bound as two sites, and how their effect is shared out between the strands means
# nothing: read the sum.

# %%
effects.to_frame().head(6)[
    ["factor", "consensus", "effect", "potentiation_effect", "importance"]
]

# %% [markdown]
# ## What a promoter is made of
#
# The promoter with the highest measured expression: its sites, and what each base adds
# as part of them.

# %%
best = test.take([test.expression.argmax()])
sites = cisreg.interpret.site_contributions(model, best, least_occupancy=0.1)
bases = cisreg.interpret.base_contributions(model, best)
cisreg.report.plot_sequence("promoter.png", bases, sites)
Image("promoter.png")

# %% [markdown]
# Every single mutation of it: blue raises expression, red lowers it.

# %%
mutations = model.mutagenesis(best)
cisreg.report.plot_mutations("mutations.png", mutations)
Image("mutations.png")

# %% [markdown]
# ## What a variant does
#
# The mutation that lowers expression most, and why.

# %%
worst = mutations.to_frame().nsmallest(1, "effect").iloc[0]
worst

# %%
before = cisreg.decode(best.sequence)[0]
place = worst["position"]
after = before[:place] + worst["alternative"] + before[place + 1 :]
variant = model.variant_effects([before], [after])
variant.explanations

# %%
cisreg.report.plot_variant("variant.png", variant)
Image("variant.png")

# %% [markdown]
# ## The same from the shell
#
#     cisreg train train.tsv.gz --motifs demo --output model
#     cisreg evaluate model test.tsv.gz --plot evaluation.png
#     cisreg explain diagnosis model test.tsv.gz
#     cisreg explain factors model test.tsv.gz --plot factors.png
#     cisreg explain mutations model promoters.fasta --plot mutations.png
#
# ## Where next
#
# - [Reading a model](../start/reading.md): the same questions to a model of 8,982
#   measured yeast promoters, and the traps
# - [Variants of a promoter](variants.py): VCF files, and how sure a prediction is
# - [Barcodes and replicates](mpra.py): from counts to a table
# - [The model](../explanation/model.md): what is computed, and its parameters
