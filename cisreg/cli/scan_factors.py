"""The motifs of `cisreg scan`, and their concentrations: from files, or of a trained model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cisreg.cli import options

if TYPE_CHECKING:
    import numpy as np

    from cisreg.motifs import MotifSet


@dataclass(frozen=True, eq=False)
class Factors:
    """What is scanned with.

    Attributes:
        source: where the motifs are from, for the user.
        motifs: the M motifs.
        log_concentration: float32 [M], nats, if it is known.
        competition: whether sites exclude each other, so that none has an occupancy of its own.
    """

    source: str
    motifs: MotifSet
    log_concentration: np.ndarray | None
    competition: bool = False

    def concentrations(self) -> np.ndarray:
        """The log concentrations, float32 [M], nats.

        Raises:
            ValueError: they are not known, or do not say how much a site is bound.
        """
        if self.competition:
            raise ValueError(
                "--model: expected a model of independent sites for --occupancy and --track, got "
                "one with competition; its occupancies depend on all sites around, which "
                "cisreg predict and cisreg explain take into account"
            )
        if self.log_concentration is None:
            raise ValueError(
                "--concentrations: expected it, or --model, for --occupancy and --track; got none; "
                "occupancy depends on the concentration of a factor"
            )
        return self.log_concentration


def load_factors(
    motifs: str | None, model: Path | None, concentrations: Path | None, output: str | None = None
) -> Factors:
    """The motifs that `--motifs` or `--model` names, with `--model-output`.

    Raises:
        ValueError: both are given, or none; concentrations beside those of the model; or an output
            without a model.
    """
    from cisreg.motifs.concentration import read_log_concentration

    if (motifs is None) == (model is None):
        got = "both" if motifs is not None else "neither"
        raise ValueError(f"--motifs, --model: expected one of them, got {got}")
    if motifs is not None:
        if output is not None:
            raise ValueError("--model-output: expected it with --model, got it with --motifs")
        found = options.load_motifs(motifs, None)
        known = None
        if concentrations is not None:
            known = read_log_concentration(concentrations, found.names)
        return Factors(motifs, found, known)
    if concentrations is not None:
        raise ValueError(
            "--concentrations: expected it with --motifs, got it with --model, which has its own"
        )
    assert model is not None
    learned = options.read_model(model, output)
    return Factors(
        f"of the model {model}",
        learned.motifs,
        learned.parameters["log_concentration"],
        learned.spec.competition,
    )
