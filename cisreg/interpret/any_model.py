"""What a question needs of a model: `cisreg.Model` has it, and this room does not import it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np

from cisreg.losses import Noise
from cisreg.motifs import MotifSet
from cisreg.spec import ModelSpec


class AnyModel(Protocol):
    """A trained model, see `cisreg.Model` for what each part means."""

    @property
    def spec(self) -> ModelSpec:
        """The layers."""

    @property
    def parameters(self) -> Mapping[str, np.ndarray]:
        """float32 arrays by name."""

    @property
    def motif_names(self) -> tuple[str, ...]:
        """M distinct names."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The origin of the model, as JSON values."""

    @property
    def initial_motifs(self) -> MotifSet | None:
        """The motifs at the start of training."""

    @property
    def column_range(self) -> np.ndarray | None:
        """int32 [2, M], the columns of each motif that training could change."""

    @property
    def noise(self) -> Noise | None:
        """The noise model that was trained with it."""

    @property
    def motifs(self) -> MotifSet:
        """The trained motifs."""

    @property
    def unit(self) -> str:
        """The unit of expression."""

    @property
    def padding_side(self) -> Literal["left", "right"]:
        """The side on which sequences are padded or trimmed."""

    def encode(self, sequence: Any) -> np.ndarray:
        """Sequences as the model's input, uint8 [N, L]."""
