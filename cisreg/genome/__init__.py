"""Sequences of genomes, from files of any size, in portions of bounded memory."""

from cisreg.genome.background import base_composition, read_background
from cisreg.genome.intervals import Intervals
from cisreg.genome.opening import open_genome
from cisreg.genome.portions import Portion, SequenceSource
from cisreg.genome.progress import with_progress
from cisreg.genome.source import GenomeSource
from cisreg.genome.tracks import write_occupancy_tracks
from cisreg.genome.variant_pairs import VariantPairs, variant_pairs
from cisreg.genome.variants import Variant, read_variants

__all__ = [
    "GenomeSource",
    "Intervals",
    "Portion",
    "SequenceSource",
    "Variant",
    "VariantPairs",
    "base_composition",
    "open_genome",
    "read_background",
    "read_variants",
    "variant_pairs",
    "with_progress",
    "write_occupancy_tracks",
]


def __dir__() -> list[str]:
    return __all__
