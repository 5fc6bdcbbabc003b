# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # From JASPAR to the sites of a genome
#
# For you if you have a genome, or stretches of one, and want to know where factors may
# bind. At the end you have hits as BED, thresholds that you can defend, and tracks for
# a genome browser. Nothing here needs TensorFlow.
#
#     pip install 'cisreg[motifs,genome,plot]'
#
# ## Motifs by name
#
# The database JASPAR comes with the extra `motifs`: nothing is downloaded.
# `"jaspar:fungi"` is its newest release that is installed, `"jaspar:2024:fungi"` stays
# the same.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Image

import cisreg

fungi = cisreg.read_motifs("jaspar:2024:fungi")
motifs = fungi[["REB1", "RAP1", "ABF1", "GCN4"]]
motifs

# %%
cisreg.report.plot_logos("logos.png", motifs, columns=2)
Image("logos.png", width=620)

# %% [markdown]
# JASPAR has counts. cisreg works with log Kd, in nats: lower is stronger, 0 is as good
# as a random base. The strongest sites and their log Kd:

# %%
pd.Series(motifs.lowest_log_kd(), motifs.strongest_site(), name="log Kd").round(2)

# %% [markdown]
# ## A genome
#
# Two random chromosomes with as much A and T as those of yeast, and a gap of unknown
# bases. Five sites are written into them at known places. With your own data,
# `genome.fa` is your file: FASTA, compressed or not, or 2bit.

# %%
random = np.random.default_rng(1)
composition = [0.31, 0.19, 0.19, 0.31]  # A, C, G, T
genome = {
    name: random.choice(list("ACGT"), 100_000, p=composition)
    for name in ("chrI", "chrII")
}
genome["chrII"][:2000] = "N"
sites = [
    ("chrI", 51_050, "ATTACCCGG"),  # REB1
    ("chrI", 51_100, "CCGGGTAAT"),  # REB1, on the other strand
    ("chrI", 51_150, "TGACTCAT"),  # GCN4
    ("chrII", 74_050, "ATGTATGGGTGT"),  # RAP1
    ("chrII", 74_110, "TCGTATATAGTGAT"),  # ABF1
]
for name, start, site in sites:
    genome[name][start : start + len(site)] = list(site)
lines = (f">{name}\n{''.join(bases)}\n" for name, bases in genome.items())
_ = Path("genome.fa").write_text("".join(lines))
_ = Path("promoters.bed").write_text(
    "chrI\t51000\t51200\tfirst\t0\t+\nchrII\t74000\t74200\tsecond\t0\t-\n"
)
# %% [markdown]
# ## A threshold by p-value
#
# The p-value of a site is the probability that a random window of one strand binds as
# strongly. So a threshold of 1e-4 means one chance hit of each motif in 5,000 bases,
# both strands together. "Random" needs a composition: take that of your genome, not a
# quarter for each base.

# %%
with cisreg.genome.open_genome("genome.fa") as source:
    background = cisreg.genome.base_composition(source)
background

# %%
hits = cisreg.scan("genome.fa", motifs, p_value=1e-4, background=background)
table = hits.to_frame()
table["motif"].value_counts()

# %% [markdown]
# Most of these are chance: 198,000 bases on two strands at 1e-4 are about 40 windows
# for each motif. **Trap:** a list of hits is not a list of bound sites. Look at how
# many hits chance would give, at every p-value:

# %%
p_values = np.logspace(-8, -4, 60)
windows = 2 * 198_000
figure, axes = plt.subplots(figsize=(5.4, 3.4))
for name in motifs.names:
    found = np.sort(table.loc[table["motif"] == name, "p_value"])
    axes.step(
        p_values,
        np.searchsorted(found, p_values, side="right"),
        where="post",
        label=name,
    )
axes.plot(p_values, windows * p_values, "k--", label="chance")
axes.set(xscale="log", yscale="log", ylim=(0.02, 200))
axes.set(xlabel="p-value", ylabel="hits up to it")
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# The planted sites of the long motifs stand far to the left of chance. **Trap:** a
# short motif cannot be rare. The lowest p-value that each motif can reach, at its
# strongest site:

# %%
strongest = [
    cisreg.site_p_values([site], motif, background=background)[0, 0]
    for site, motif in zip(motifs.strongest_site(), motifs, strict=True)
]
pd.DataFrame(
    {"p-value": strongest, "expected by chance": windows * np.array(strongest)},
    motifs.names,
)

# %% [markdown]
# One perfect site of GCN4 in a genome says little, one of ABF1 much. **q-values** say
# this for each hit: the share of hits up to this one that is expected to be chance.

# %%
sure = cisreg.scan(
    "genome.fa", motifs, p_value=1e-4, background=background, q_values=True
)
sure = sure.to_frame()
sure[sure["q_value"] <= 0.05]

# %% [markdown]
# To look only where it matters raises the power: within the two promoters, chance gives
# almost nothing. Start and end count from 0, without the base at the end, on both
# strands (as in BED).

# %%
with cisreg.genome.open_genome("genome.fa", intervals="promoters.bed") as source:
    promoters = cisreg.scan(source, motifs, p_value=1e-4, background=background)
promoters.to_frame()

# %% [markdown]
# ## Hits as a file
#
# As a command, for genomes of any size: hits are written as they come, in memory that
# does not grow.

# %% magic_args="-e" language="bash"
# cisreg scan genome.fa --motifs jaspar:2024:fungi --max-q 0.05 --background sequences \
#     --output fungi.bed.gz --tabix
# gunzip --stdout fungi.bed.gz | head -n 16

# %% [markdown]
# The first lines say how the file was made. `--tabix` writes the index that browsers
# want. Another ending of the name gives .tsv, .parquet or .gff3.
#
# ## Tracks
#
# A site is bound with probability 1 / (1 + Kd / concentration). Without a model nobody
# knows the concentration. A common choice is the one at which each motif's strongest
# site is bound half of the time. It matters: here is REB1 at that concentration, and at
# e⁵, 150 times, as much.

# %%
half = motifs.lowest_log_kd()
names = ["chrom", "start", "end", "bound"]
figure, axes = plt.subplots(figsize=(7, 2.4))
for nats, color in ((5, "#a9c6e3"), (0, "#1f5a96")):
    with cisreg.genome.open_genome("genome.fa") as source:
        cisreg.genome.write_occupancy_tracks(
            source, motifs, half + nats, f"tracks_{nats}", format="bedgraph"
        )
    track = pd.read_table(f"tracks_{nats}/REB1.bedgraph", comment="#", names=names)
    near = track.query("chrom == 'chrI' and start > 50_000 and end < 52_000")
    axes.bar(
        near["start"],
        near["bound"],
        near["end"] - near["start"],
        align="edge",
        color=color,
        label=f"log concentration +{nats}",
    )
axes.set(xlabel="chrI", ylabel="REB1 bound", ylim=(0, 1), xlim=(50_000, 52_000))
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# The strong sites saturate, and the weak ones appear. Bases that are bound less than a
# hundredth of the time are left out (`floor=0.01`). A name that ends in .bw gives
# bigWig.
#
# **Trap:** occupancy here is that of naked DNA. Most strong sites of a genome lie in
# closed chromatin, which no motif knows.
#
# ## Where next
#
# - [Scan sequences and genomes](../howto/scan.md): all thresholds, unknown bases,
#   portions
# - [Genomes](../howto/genomes.md): concentrations of a trained model, predictions along
#   a genome
# - [A reporter assay](gpra.py): where concentrations come from
# - [Motif files](../howto/motif_files.md): all formats, conversions, comparison
