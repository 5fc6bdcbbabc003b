"""Layers and models of Keras 3 that compute with the fused operation.

`import cisreg.keras` also lets Keras load models that contain them.
"""

from __future__ import annotations

from cisreg.keras.backend import check_backend

check_backend()

from cisreg.keras.motif_occupancy import MotifOccupancy  # noqa: E402
from cisreg.keras.thermodynamic_model import ThermodynamicModel  # noqa: E402

__all__ = ["MotifOccupancy", "ThermodynamicModel"]


def __dir__() -> list[str]:
    return __all__
