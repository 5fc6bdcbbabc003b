"""Motif sets: reading, placement in columns, and initial log concentrations."""

from cisreg.motifs.concentration import (
    read_log_concentration,
    read_motif_values,
    strongest_site_log_concentration,
)
from cisreg.motifs.consensus import consensus_matrix
from cisreg.motifs.demo import demo_motifs
from cisreg.motifs.motif_set import MotifSet
from cisreg.motifs.pkdm import read_pkdm
from cisreg.motifs.random import random_motifs
from cisreg.motifs.reading import motif_name, read_motifs

__all__ = [
    "MotifSet",
    "consensus_matrix",
    "demo_motifs",
    "motif_name",
    "random_motifs",
    "read_log_concentration",
    "read_motif_values",
    "read_motifs",
    "read_pkdm",
    "strongest_site_log_concentration",
]
