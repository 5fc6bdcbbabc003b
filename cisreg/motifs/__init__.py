"""Motifs: motif sets, reading and writing, conversions, sites, initial log concentrations."""

from cisreg.motifs.comparison import compare
from cisreg.motifs.concentration import (
    read_log_concentration,
    read_motif_values,
    strongest_site_log_concentration,
)
from cisreg.motifs.consensus import consensus_matrix
from cisreg.motifs.conversion import (
    counts_to_probabilities,
    log_kd_to_log_odds,
    log_kd_to_probabilities,
    log_odds_to_log_kd,
    log_odds_to_probabilities,
    probabilities_to_counts,
    probabilities_to_log_kd,
    probabilities_to_log_odds,
)
from cisreg.motifs.demo import demo_motifs
from cisreg.motifs.details import MotifDetails
from cisreg.motifs.editing import (
    merge_probabilities,
    pad_probabilities,
    reverse_complement_matrix,
    trim_probabilities,
)
from cisreg.motifs.file_writing import motif_format, write_motif_file
from cisreg.motifs.gomer import gomer_score, site_occupancy
from cisreg.motifs.information import information_content
from cisreg.motifs.motif_files import motif_name
from cisreg.motifs.motif_set import MotifSet
from cisreg.motifs.pkdm import read_pkdm, write_pkdm
from cisreg.motifs.random import random_motifs
from cisreg.motifs.reading import read_motifs
from cisreg.motifs.sites import Sites, sample_sites, sites_within
from cisreg.motifs.trimming import trim_motifs
from cisreg.motifs.writing import write_motifs

__all__ = [
    "MotifDetails",
    "MotifSet",
    "Sites",
    "compare",
    "consensus_matrix",
    "counts_to_probabilities",
    "demo_motifs",
    "gomer_score",
    "information_content",
    "log_kd_to_log_odds",
    "log_kd_to_probabilities",
    "log_odds_to_log_kd",
    "log_odds_to_probabilities",
    "merge_probabilities",
    "motif_format",
    "motif_name",
    "pad_probabilities",
    "probabilities_to_counts",
    "probabilities_to_log_kd",
    "probabilities_to_log_odds",
    "random_motifs",
    "read_log_concentration",
    "read_motif_values",
    "read_motifs",
    "read_pkdm",
    "reverse_complement_matrix",
    "sample_sites",
    "site_occupancy",
    "sites_within",
    "strongest_site_log_concentration",
    "trim_motifs",
    "trim_probabilities",
    "write_motif_file",
    "write_motifs",
    "write_pkdm",
]


def __dir__() -> list[str]:
    return __all__
