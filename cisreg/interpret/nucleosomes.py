"""Where nucleosomes lie: for models that have them."""

from __future__ import annotations

from typing import Any

import numpy as np

from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import batches, encode_some
from cisreg.interpret.read_out import exclusive_arguments
from cisreg.library import native_module
from cisreg.limits import check_memory, thread_count
from cisreg.spec import NUCLEOSOME_WIDTH, check_finite


def nucleosome_occupancy(
    model: AnyModel,
    sequences: Any,
    *,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> np.ndarray:
    """How much of the time each base is covered by a nucleosome.

    Args:
        model: a trained model with `ModelSpec.nucleosome`.
        sequences: whatever `Model.predict` takes.
        batch_size: sequences scanned at a time; None: as many as take a few hundred megabytes.
        threads: how many threads compute; None: one for each core.
        progress: whether to show a progress bar.

    Returns:
        float32 [N, L], from 0 to 1, by the bases of the model's input: padding counts, and can be
        covered (see `Model.encode`).

    Raises:
        ValueError: the model has no nucleosomes, there are no sequences, or too many for the
            memory.

    Example:
        >>> nucleosome_occupancy(model, data).mean(axis=0)  # doctest: +SKIP
        array([0.01, ...
    """
    if not model.spec.nucleosome:
        raise ValueError(
            "model: expected one with nucleosomes, got one without; train it with "
            "competition=True and nucleosome=True (--competition --nucleosome)"
        )
    check_finite(model.parameters, model.motif_names)
    codes = encode_some(model, sequences)
    check_memory("the occupancy of every base", 4 * codes.size, "give fewer sequences at once")
    covered = np.empty(codes.shape, np.float32)
    how: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
    for rows, part in batches(model, codes, description="nucleosomes", **how):
        found = native_module().exclusive_forward(
            **exclusive_arguments(model, part),
            competitor_sites=True,
            threads=thread_count(threads),
        )[4]
        assert found is not None  # it was asked for
        begins = np.pad(found[:, 0].astype(np.float64).cumsum(axis=1), ((0, 0), (1, 0)))
        base = np.arange(codes.shape[1]) + 1
        covered[rows] = begins[:, base] - begins[:, np.maximum(base - NUCLEOSOME_WIDTH, 0)]
    return covered
