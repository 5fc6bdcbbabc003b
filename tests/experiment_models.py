"""Models of `interpret_models` whose chromatin is half open, so that every change has an effect."""

from __future__ import annotations

import dataclasses

import numpy as np
from interpret_models import make_codes, make_model

from cisreg.interpret import scan_model

# Standard deviation of the log odds of accessibility, as in `cisreg.simulate`.
DEVIATION = 1.5


def half_open_model(**layers):
    model = make_model(**layers)
    opening = scan_model(model, make_codes(50, unknown=False)).opening
    potentiation = model.parameters["potentiation"]
    potentiation = (potentiation * (DEVIATION / np.std(opening @ potentiation))).astype(np.float32)
    bias = np.float32(-np.median(opening @ potentiation))
    changed = {"potentiation": potentiation, "potentiation_bias": bias}
    return dataclasses.replace(model, parameters={**model.parameters, **changed})
