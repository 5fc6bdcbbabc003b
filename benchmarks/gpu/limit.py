"""The least time that a GPU's arithmetic allows for the work of a size: a stated model.

    scan       a matrix product with one-hot bases: 4 W products and as many additions per site; in
               float32 twice, for tensor cores take energies of 16 bits and a remainder; one base
               in four is what sparse tensor cores want, from 8.0 on, which are twice as fast
    occupancy  one exponential, and one reciprocal for four sites
    backward   the scan and the occupancy again, and one more product of the same size for the sums
               over sites, in float32 twice

A site takes as long as its busier unit: the tensor cores or the special functions. Left out, so
that no program reaches the limit: everything else. Per multiprocessor and cycle all GPUs since
Turing give 16 special functions; tensor cores differ.
"""

from __future__ import annotations

from typing import Any, NamedTuple

STRANDS, BASES = 2, 4
SPECIAL_FUNCTIONS_PER_CYCLE = 16
SPECIAL_FUNCTIONS_PER_SITE = 1.25
# By compute capability: operations per cycle of a multiprocessor on dense matrices of 16-bit
# floats, a product and an addition being two (NVIDIA's white papers of Turing to Hopper).
TENSOR_OPERATIONS_PER_CYCLE = {"7.5": 1024, "8.0": 2048, "8.6": 1024, "8.9": 1024, "9.0": 4096}
# How many times as fast sparse products are, by the maker's sheets; 2 where it is not said.
SPARSE_FACTORS = {"7.5": 1}


class Size(NamedTuple):
    """One shape of the problem; the names are those of `problem.Point`."""

    sequence_count: int
    length: int = 110
    width: int = 30
    motif_count: int = 245
    dtype: str = "float32"

    @property
    def sites(self) -> int:
        """Windows on both strands, for all motifs."""
        return STRANDS * self.sequence_count * self.length * self.motif_count


class Axes(NamedTuple):
    """How many sets of position weights and conditions there are.

    Attributes:
        sets: K; 0: no position weights.
        conditions: C.
    """

    sets: int = 0
    conditions: int = 1

    def __str__(self) -> str:
        words = ["weights" if self.sets == 1 else f"{self.sets} sets"] if self.sets else []
        return ", ".join(words + [f"{self.conditions} conditions"] * (self.conditions > 1))


PLAIN = Axes()
# What models ask for: activity and potentiation by position, a few conditions, both.
SEVERAL = (Axes(sets=2), Axes(conditions=4), Axes(sets=2, conditions=4))


def limit_milliseconds(
    device: dict[str, Any], size: Size, *, backward: bool, sparse_factor: float | None = None
) -> float | None:
    """Least time of a size, forward or backward alone; None for GPUs unknown to the model.

    Args:
        device: an entry of `_native.cuda_devices()`.
        size: the shape.
        backward: the gradient alone, else forward alone.
        sparse_factor: how many times as fast as dense products sparse ones are, where it was
            measured; None: as the maker says.

    Example:
        >>> h100 = {"compute_capability": "9.0", "multiprocessor_count": 132, "clock_ghz": 1.83}
        >>> round(limit_milliseconds(h100, Size(65536), backward=False), 2)
        1.14
    """
    tensor = TENSOR_OPERATIONS_PER_CYCLE.get(device.get("compute_capability", ""))
    if tensor is None or "clock_ghz" not in device:
        return None
    if sparse_factor is None:
        sparse_factor = SPARSE_FACTORS.get(device["compute_capability"], 2)
    terms = 2 if size.dtype == "float32" else 1
    products = 1 / sparse_factor + (1 if backward else 0)
    cycles = max(
        2 * BASES * size.width * terms * products / tensor,
        SPECIAL_FUNCTIONS_PER_SITE / SPECIAL_FUNCTIONS_PER_CYCLE,
    )
    return size.sites * cycles / (device["multiprocessor_count"] * device["clock_ghz"] * 1e6)
