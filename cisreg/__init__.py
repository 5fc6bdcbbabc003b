"""cisreg: thermodynamic models of gene regulation on a fused TensorFlow operation.

The package has the functions that most programs need; its modules have the rest. Everything is
imported at its first use, so that `import cisreg` and the help of the commands do not wait for
TensorFlow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cisreg.lazy import keep_functions, names_at_first_use
from cisreg.registration import register_with_tensorflow

if TYPE_CHECKING:
    from cisreg.checks import DatasetCheck, check_dataset
    from cisreg.data import Dataset, open_dataset, read_dataset
    from cisreg.exclusive import exclusive_occupancy
    from cisreg.exclusive_reference import ExclusiveOccupancy
    from cisreg.library import ops_library
    from cisreg.losses import Penalty
    from cisreg.model import Prediction, predict
    from cisreg.motifs import MotifSet, read_motifs
    from cisreg.occupancy import Occupancy, occupancy
    from cisreg.recipes import Recipe, Training, read_recipe, train
    from cisreg.registration import register_ops
    from cisreg.saved_model import export_saved_model
    from cisreg.scan import (
        BestSites,
        Hits,
        best_site,
        p_value_threshold,
        scan,
        scan_portions,
        site_p_values,
    )
    from cisreg.sequence_codes import SequenceCodes, sequence_codes
    from cisreg.sequences import EncodedSequences, decode, encode, reverse_complement
    from cisreg.simulate import simulate
    from cisreg.spec import ModelSpec
    from cisreg.start import init_parameters
    from cisreg.storage import load_model, save_model
    from cisreg.trained_model import Model
    from cisreg.training import Stage, fit
    from cisreg.version import __version__ as __version__

_MODULES = {
    "cisreg.checks": ("DatasetCheck", "check_dataset"),
    "cisreg.data": ("Dataset", "open_dataset", "read_dataset"),
    "cisreg.exclusive": ("exclusive_occupancy",),
    "cisreg.exclusive_reference": ("ExclusiveOccupancy",),
    "cisreg.library": ("ops_library",),
    "cisreg.losses": ("Penalty",),
    "cisreg.model": ("Prediction", "predict"),
    "cisreg.motifs": ("MotifSet", "read_motifs"),
    "cisreg.occupancy": ("Occupancy", "occupancy"),
    "cisreg.recipes": ("Recipe", "Training", "read_recipe", "train"),
    "cisreg.registration": ("register_ops",),
    "cisreg.saved_model": ("export_saved_model",),
    "cisreg.scan": (
        *("BestSites", "Hits", "best_site", "p_value_threshold", "scan", "scan_portions"),
        "site_p_values",
    ),
    "cisreg.sequence_codes": ("SequenceCodes", "sequence_codes"),
    "cisreg.sequences": ("EncodedSequences", "decode", "encode", "reverse_complement"),
    "cisreg.simulate": ("simulate",),
    "cisreg.spec": ("ModelSpec",),
    "cisreg.start": ("init_parameters",),
    "cisreg.storage": ("load_model", "save_model"),
    "cisreg.trained_model": ("Model",),
    "cisreg.training": ("Stage", "fit"),
    "cisreg.version": ("__version__",),
}
# Modules with further public names, such as `cisreg.motifs.demo_motifs`; imported at first use.
_SUBMODULES = (
    *("checks", "data", "datasets", "genome", "interpret", "keras", "legacy", "losses", "metrics"),
    *("model", "motifs", "numpy", "recipes", "report", "sequences", "training", "uncertainty"),
)

__all__ = [  # noqa: RUF022, in the order of use
    "train",
    "Training",
    "Recipe",
    "read_recipe",
    "read_dataset",
    "open_dataset",
    "check_dataset",
    "DatasetCheck",
    "Dataset",
    "read_motifs",
    "MotifSet",
    "Model",
    "load_model",
    "save_model",
    "export_saved_model",
    "EncodedSequences",
    "encode",
    "decode",
    "reverse_complement",
    "SequenceCodes",
    "sequence_codes",
    "Hits",
    "scan",
    "scan_portions",
    "BestSites",
    "best_site",
    "p_value_threshold",
    "site_p_values",
    "Occupancy",
    "occupancy",
    "ExclusiveOccupancy",
    "exclusive_occupancy",
    "ModelSpec",
    "Prediction",
    "init_parameters",
    "predict",
    "Penalty",
    "Stage",
    "fit",
    "simulate",
    "register_ops",
    "ops_library",
]


__getattr__ = names_at_first_use(__name__, _MODULES, _SUBMODULES)


def __dir__() -> list[str]:
    """The public names, for tab completion, without helpers."""
    return sorted([*__all__, *_SUBMODULES, "__version__"])


keep_functions(__name__, _MODULES)

register_with_tensorflow()
