"""How sure a model is: ensembles, intervals of parameters and predictions, what data leave open."""

from __future__ import annotations

from cisreg.lazy import names_at_first_use

_MODULES: dict[str, tuple[str, ...]] = {
    "cisreg.uncertainty.differences": ("Differences", "difference_intervals"),
    "cisreg.uncertainty.effects": ("site_effects",),
    "cisreg.uncertainty.ensemble": ("Ensemble", "EnsembleAgreement"),
    "cisreg.uncertainty.findings": ("Undetermined", "undetermined"),
    "cisreg.uncertainty.intervals": ("Intervals", "PredictionIntervals"),
    "cisreg.uncertainty.laplace": ("Certainty", "estimate_certainty", "parameter_intervals"),
    "cisreg.uncertainty.member_processes": ("EnsembleStoppedError",),
    "cisreg.uncertainty.member_training": ("fit_ensemble", "load_ensemble"),
    "cisreg.uncertainty.profiles": ("Profile", "profile"),
    "cisreg.uncertainty.refit_ensembles": ("refit_ensemble",),
    "cisreg.uncertainty.refitting": ("Refit", "refit"),
}

__all__ = [name for names in _MODULES.values() for name in names]

__getattr__ = names_at_first_use(__name__, _MODULES)


def __dir__() -> list[str]:
    return __all__
