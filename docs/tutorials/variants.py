# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Variants of a promoter
#
# For you if you have a trained model and variants: a VCF file, or a promoter that you
# want to change. At the end you have for each variant its effect on expression, the
# factors and sites behind it, a picture, and an interval.
#
# ## A model, and a genome with promoters
#
# The model is trained on simulated promoters, as in [the first tutorial](gpra.py). With
# your own, it is `model = cisreg.load_model("model")`.

# %% tags=["remove-stderr"]
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image

import cisreg
from cisreg import uncertainty
from cisreg.interpret import genome_variant_effects

motifs = cisreg.motifs.demo_motifs()
assay = cisreg.simulate(motifs, sequence_count=5000, sequence_length=80, seed=3)
data = cisreg.Dataset(assay.sequence, assay.expression)
model = cisreg.train(data[:4500], motifs, output="model", progress=False).model
test = data[4500:]
cisreg.metrics.agreement(model.predict(test).expression, test.expression)

# %% [markdown]
# A genome of one random chromosome with two of the promoters in it. `promoters.bed`
# says where: these are the stretches that a reporter would be put behind. The second is
# on the reverse strand.

# %%
random = np.random.default_rng(1)
highest = np.argsort(assay.expression)[-2:]
forward = cisreg.decode(assay.sequence[highest])
backward = cisreg.decode(cisreg.reverse_complement(assay.sequence[highest]))
chromosome = "".join(random.choice(list("ACGT"), 2000))
chromosome = chromosome[:500] + forward[0] + chromosome[580:]
chromosome = chromosome[:1200] + backward[1] + chromosome[1280:]
_ = Path("genome.fa").write_text(f">chrI\n{chromosome}\n")
_ = Path("promoters.bed").write_text(
    "chrI\t500\t580\tfirst\t0\t+\nchrI\t1200\t1280\tsecond\t0\t-\n"
)
# %% [markdown]
# Forty variants: one base changed in twenty places of each promoter, and a deletion.

# %%
records = []
for start in (500, 1200):
    for place in start + np.sort(random.choice(80, 20, replace=False)):
        other = random.choice([base for base in "ACGT" if base != chromosome[place]])
        records.append((place, chromosome[place], other))
records.append((530, chromosome[530:534], chromosome[530]))
lines = ["##fileformat=VCFv4.2", "##contig=<ID=chrI,length=2000>"]
lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
lines += [
    f"chrI\t{at + 1}\tv{k}\t{ref}\t{alt}\t.\t.\t."
    for k, (at, ref, alt) in enumerate(sorted(records), 1)
]
_ = Path("strain.vcf").write_text("\n".join(lines) + "\n")
# %% [markdown]
# ## Effects of a VCF file
#
# A file may have millions of variants, so effects come batch by batch. Here one batch
# holds all.

# %%
(effects,) = genome_variant_effects(
    model, "strain.vcf", "genome.fa", constructs="promoters.bed"
)
table = effects.to_frame().sort_values("effect", key=abs, ascending=False)
shown = ["construct", "position", "reference", "alternative", "effect", "explanation"]
table[shown].head(6).style.hide(axis="index").format(precision=2)

# %% [markdown]
# An effect is expression with the variant minus expression without it. Positions are
# those of VCF, from 1. Within an explanation they count from 0 in the promoter, on the
# strand that the model reads.
#
# As a command, with a table of the part of each factor beside it:
#
#     cisreg explain variants model strain.vcf --genome genome.fa \
#         --constructs promoters.bed --output effects.tsv --by-factor factors.tsv
#
# ## Why
#
# A picture of the variant with the largest effect:

# %%
largest = int(np.argmax(np.abs(effects.effect)))
cisreg.report.plot_variant("variant.png", effects, largest)
Image("variant.png", width=700)

# %% [markdown]
# Each factor has two parts. *Through binding* is what it does itself, *through
# accessibility* what it does for all others by opening or closing chromatin. Here is
# the variant that acts most through chromatin. **Trap:** a factor without any activity
# of its own may be behind a large effect.

# %%
by_chromatin = np.abs(effects.through_accessibility).max(axis=1).argmax()
parts = effects.row(int(by_chromatin)).factor_table(least=0.02).to_pandas()
parts[["position", "factor", "through_binding", "through_accessibility"]].round(2)

# %% [markdown]
# ## All at once
#
# What is not in your file: every mutation of a promoter.

# %%
mutations = model.mutagenesis(forward[:1])
cisreg.report.plot_mutations("mutations.png", mutations)
Image("mutations.png")

# %% [markdown]
# ## How sure?
#
# A prediction is one number. How much it would change with other measurements, five
# trainings tell, each on promoters drawn from the table with replacement (a bootstrap).
# Ten are better, thirty good. The pairs of sequences are those of the file.

# %%
recipe = cisreg.read_recipe("default").override(epochs=12)
ensemble = uncertainty.fit_ensemble(data[:4500], motifs, recipe, members=5, seed=1)
with cisreg.genome.open_genome("genome.fa") as genome:
    (pairs,) = cisreg.genome.variant_pairs(
        cisreg.genome.read_variants("strain.vcf"),
        genome,
        constructs=cisreg.genome.Intervals.from_bed("promoters.bed"),
    )
sure = ensemble.difference(pairs.reference, pairs.alternative, level=0.9)
sure.to_frame().round(2).head(4)

# %% [markdown]
# These are simulated promoters, so the true effects are known:

# %%
truth = cisreg.Model(assay.spec, assay.parameters, assay.motif_names)
true = truth.variant_effects(pairs.reference, pairs.alternative).effect
figure, axes = plt.subplots(figsize=(4.2, 4.2))
error = np.abs([sure.lower, sure.upper] - sure.expression)
axes.axline((0, 0), slope=1, color="0.6", linestyle="--")
axes.errorbar(true, sure.expression, error, fmt="o", color="#1f5a96", markersize=4)
axes.set(xlabel="true effect", ylabel="predicted effect, 90 % interval")
axes.spines[["top", "right"]].set_visible(False)
held = (sure.lower <= true) & (true <= sure.upper)
f"{held.sum()} of {len(held)} intervals hold the true effect"

# %% [markdown]
# **Trap:** not all of nine in ten hold it. The scatter of trainings shows what other
# measurements would change. It does not show what pulls all trainings the same way,
# such as penalties. Nor does it know of a factor that is missing among the motifs, or
# of another condition of the cells. So take such an interval for the least that is
# unsure.
#
# Models of real promoters predict differences that are too large: take their sign and
# order as given ([measured pairs](../start/reading.md)).
#
# ## Where next
#
# - [Variants](../howto/variants.md): what happens to every kind of record, genotypes,
#   windows without constructs
# - [Certainty](../howto/certainty.md): other intervals, and what the data leave open
# - [Design](../howto/design.md): the variant that you want instead of those that you
#   have
