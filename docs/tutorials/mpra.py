# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # An MPRA, from counts of barcodes to a model
#
# For you if you have counts of DNA and RNA of barcodes, in replicates, as MPRAflow and
# MPRAsnakeflow write them. At the end you have a table of activities with standard
# errors, know how much of it is signal, and a model that is not tested on its own
# relatives.
#
# ## Counts
#
# Simulated here, so that the truth is known: 2,500 elements of 100 bases, each with a
# variant of one to three bases, about 12 barcodes each, three replicates. A barcode has
# its own level, a replicate its own noise. With your own counts, begin at
# [Activities](#activities).

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Image

import cisreg

random = np.random.default_rng(7)
motifs = cisreg.motifs.demo_motifs()
assay = cisreg.simulate(motifs, sequence_count=2500, sequence_length=100, seed=3)
truth = cisreg.Model(assay.spec, assay.parameters, assay.motif_names)
elements = np.repeat(assay.sequence, 2, axis=0)
for variant in range(1, 5000, 2):
    places = random.choice(100, random.integers(1, 4), replace=False)
    elements[variant, places] = (elements[variant, places] + random.integers(1, 4)) % 4
names = [f"locus{k // 2:04d}_{('reference', 'variant')[k % 2]}" for k in range(5000)]
design = zip(names, cisreg.decode(elements), strict=True)
lines = (f">{name}\n{sequence}\n" for name, sequence in design)
_ = Path("design.fa").write_text("".join(lines))

# %%
expression = truth.explain(elements).expression
activity = 0.6 * (expression - expression.mean())  # log2
element = np.repeat(np.arange(5000), 1 + random.poisson(11, 5000))
count = len(element)
bases = random.choice(list("ACGT"), (count, 15))
counts = pd.DataFrame(
    {
        "barcode": ["".join(each) for each in bases],
        "oligo_name": np.array(names)[element],
    }
)
copies, level = random.gamma(2, 10, count), random.normal(0, 0.5, count)
for replicate in (1, 2, 3):
    own = random.normal(0, 0.2, 5000)[element]
    rna = copies * 2 ** (activity[element] + level + own)
    counts[f"dna_count_{replicate}"] = random.poisson(copies)
    counts[f"rna_count_{replicate}"] = random.poisson(2 * rna)
counts.to_csv("counts.tsv.gz", sep="\t", index=False)
counts.head(4)

# %% [markdown]
# ## Activities
#
# The activity of an element is log2 of RNA over DNA. Reads are summed over its barcodes
# first, then divided: the mean of ratios of single barcodes would be ruled by those
# with hardly any DNA.

# %% magic_args="-e" language="bash"
# cisreg prepare activity counts.tsv.gz --sequences design.fa \
#     --minimum-barcodes 5 --weights --output activity.tsv

# %%
table = pd.read_table("activity.tsv")
table[["name", "expression", "standard_error", "weight", "barcodes"]].head(4).round(3)

# %% [markdown]
# **Trap:** do not ask for a least number of RNA reads. Silent barcodes are what weak
# elements have; without them, these look stronger. **Trap:** the origin of activities
# has no meaning, since each library was divided by its own number of reads. Compare
# differences.
#
# ## How much is signal?
#
# Left: two replicates. Right: the standard error falls with the number of barcodes.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
left.plot(table["activity_1"], table["activity_2"], ".", markersize=2, color="#1f5a96")
left.set(xlabel="activity, replicate 1 (log2)", ylabel="replicate 2")
right.plot(
    table["barcodes"], table["standard_error"], ".", markersize=2, color="#1f5a96"
)
right.set(xlabel="barcodes", ylabel="standard error (log2)", ylim=(0, None))
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## Check before training
#
# What belongs together has to stay together: an element and its variant differ by a few
# bases. If one is trained on and the other held out, the test asks for hardly anything
# new. So each row says its locus.

# %%
table["locus"] = table["name"].str.partition("_")[0]
table.to_csv("activity.tsv", sep="\t", index=False)
replicates = ("activity_1", "activity_2", "activity_3")
columns = cisreg.data.Columns("sequence", replicates)
found = cisreg.check_dataset("activity.tsv", columns=columns, motifs=motifs)
found

# %% [markdown]
# Two sentences matter most here. *Replicates* says the highest r that any model can
# reach on such measurements. *Similar sequences* says how many relatives of trained
# elements would be held out: most of them. `--group-column locus` mends that.
#
# ## Train
#
# The column `weight` is used as it is there: elements with many barcodes count more. A
# fifth of the loci is held out.

# %% tags=["remove-stderr"]
from cisreg.data import HoldOut

trained = cisreg.train(
    "activity.tsv",
    motifs,
    validation=HoldOut(0.2, groups="locus"),
    output="model",
    progress=False,
)
held_out = trained.validation
predicted = trained.model.predict(held_out).expression
cisreg.metrics.agreement(predicted, held_out.expression)

# %% [markdown]
# ## Variants
#
# What the assay was made for: the difference between a variant and its reference, of
# loci that the model has not seen.

# %%
held = set(cisreg.decode(held_out.sequence))
table["kind"] = table["name"].str.partition("_")[2]
unseen = table[table["sequence"].isin(held)]
wide = unseen.pivot(index="locus", columns="kind").dropna()
effects = trained.model.variant_effects(
    list(wide["sequence"]["reference"]), list(wide["sequence"]["variant"])
)
measured = wide["expression"]["variant"] - wide["expression"]["reference"]
error = np.hypot(wide["standard_error"]["variant"], wide["standard_error"]["reference"])

figure, axes = plt.subplots(figsize=(4.2, 4))
axes.axline((0, 0), slope=1, color="0.6", linestyle="--")
axes.errorbar(
    measured, effects.effect, xerr=error, fmt=".", color="#1f5a96", elinewidth=0.5
)
axes.set(xlabel="measured difference (log2)", ylabel="predicted difference")
axes.spines[["top", "right"]].set_visible(False)
f"r = {np.corrcoef(measured, effects.effect)[0, 1]:.3f}"

# %% [markdown]
# The bars are one standard error of the measurement: most of the scatter of the small
# effects is there.

# %%
largest = int(np.abs(effects.effect).argmax())
cisreg.report.plot_variant("variant.png", effects, largest)
Image("variant.png", width=700)

# %% [markdown]
# ## Where next
#
# - [Counts of DNA and RNA](../howto/prepare_activity.md): all tables that are read,
#   outliers, replicates
# - [Activity from counts](../explanation/activity.md): the estimate, and how honest its
#   standard errors are
# - [Check a data set](../howto/check.md): every finding
# - [Reads](../howto/prepare_reads.md): where you have FASTQ files, or sorting bins
#   instead of RNA
# - [Variants of a promoter](variants.py): VCF files, and how sure a prediction is
