"""Motif scanning: all sites that pass a threshold, or the strongest site of each sequence.

Sites are windows that hold the whole motif. Only hits are kept in memory, so a chromosome can be
scanned with hundreds of motifs, and a genome in portions. TensorFlow is not needed.
"""

from cisreg.scan.best_sites import BestSites, best_site
from cisreg.scan.hits import Hits
from cisreg.scan.p_values import p_value_threshold, site_p_values
from cisreg.scan.q_values import QValues
from cisreg.scan.scanning import scan, scan_portions
from cisreg.scan.thresholds import Threshold, make_threshold

__all__ = [
    "BestSites",
    "Hits",
    "QValues",
    "Threshold",
    "best_site",
    "make_threshold",
    "p_value_threshold",
    "scan",
    "scan_portions",
    "site_p_values",
]
