"""Tables of hits made by hand, and the motifs that they name."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

NAMES = ("Abf1", "Pitx1:Ebox(Homeobox,bHLH)", "the last; 50%=x")


class Motifs:
    """Three motifs, of which the writers ask names and extremes."""

    names = NAMES

    def lowest_log_kd(self):
        return np.array([-20.0, -10.0, -4.0], np.float32)

    def highest_log_kd(self):
        return np.array([20.0, 10.0, 4.0], np.float32)


INDEX = pa.int32()


def texts(values, index_type=INDEX):
    array = pa.array(values, pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(array.indices.cast(index_type), array.dictionary)


def hits(**more):
    """Five hits on two sequences."""
    return pa.table(
        {
            "sequence": texts(["chr2", "chr2", "chr2", "chr1", "chr1"]),
            "start": pa.array([0, 7, 7, 3, 300_000_000], pa.int64()),
            "end": pa.array([9, 12, 16, 12, 300_000_009], pa.int64()),
            "motif": texts([NAMES[0], NAMES[1], NAMES[0], NAMES[2], NAMES[0]]),
            "strand": texts(["+", "+", "-", "-", "+"], pa.int8()),
            "log_kd": pa.array([-20.0, 0.1, -12.345678, 4.0, -3.4028235e38], pa.float32()),
            **more,
        }
    )


P_VALUES = pa.array([1e-12, 0.00123456789, 0.5, 1e-60, 1.0], pa.float64())


def random_hits(count, seed=0, sequence="chr1"):
    """Sorted hits with p-values, as of a scan."""
    random = np.random.default_rng(seed)
    start = np.sort(random.integers(0, 10 * count + 1, count))
    return pa.table(
        {
            "sequence": texts([sequence]).take(pa.array(np.zeros(count, np.int32))),
            "start": start,
            "end": start + random.integers(5, 20, count),
            "motif": texts(NAMES).take(pa.array(random.integers(0, 3, count))),
            "strand": texts(["+", "-"], pa.int8()).take(pa.array(random.integers(0, 2, count))),
            "log_kd": random.normal(-10, 3, count).astype(np.float32),
            "p_value": 10.0 ** random.uniform(-9, -4, count),
        }
    )
