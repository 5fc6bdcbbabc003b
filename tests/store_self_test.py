"""Writes cisreg/self_test.json: what the float64 oracle says of the problem of the self-test.

python tests/store_self_test.py
"""

from __future__ import annotations

import json

import tensorflow  # noqa: F401, registers the operation

from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient
from cisreg.self_test import PARTS, STORED, output_names, problem, sums_of_motifs


def sums_of_the_oracle():
    """Sums and sums of absolute terms of each output, by name."""
    stored = {}
    for part, reduction in PARTS.items():
        inputs = problem(part)
        upstream = {name: inputs.pop(name) for name in list(inputs) if name.startswith("grad_")}
        bound, weighted = occupancy_oracle(**inputs, reduction=reduction)
        values = {"bound": bound, "weighted": weighted}
        values |= occupancy_oracle_gradient(**inputs, **upstream, reduction=reduction)
        for name, called in output_names(part).items():
            sums, sizes = sums_of_motifs(values[name])
            stored[called] = {"sums": sums.tolist(), "sizes": sizes.tolist()}
    return stored


if __name__ == "__main__":
    STORED.write_text(json.dumps(sums_of_the_oracle(), indent=1) + "\n")
