"""cisreg: thermodynamic models of gene regulation on a fused TensorFlow operation.

The package has the functions that most programs need; its modules have the rest. Everything is
imported at its first use, so that `import cisreg` and the help of the commands do not wait for
TensorFlow.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib import metadata
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cisreg.data import Dataset, open_dataset, read_dataset
    from cisreg.losses import Penalty
    from cisreg.model import ModelSpec, Prediction, init_parameters, predict
    from cisreg.motifs import MotifSet, read_motifs
    from cisreg.occupancy import Occupancy, occupancy
    from cisreg.recipes import Recipe, Training, read_recipe, train
    from cisreg.scan import BestSites, Hits, best_site, p_value_threshold, scan
    from cisreg.sequences import EncodedSequences, decode, encode, reverse_complement
    from cisreg.simulate import simulate
    from cisreg.storage import load_model, save_model
    from cisreg.trained_model import Model
    from cisreg.training import Stage, fit

_MODULES = {
    "cisreg.data": ("Dataset", "open_dataset", "read_dataset"),
    "cisreg.losses": ("Penalty",),
    "cisreg.model": ("ModelSpec", "Prediction", "init_parameters", "predict"),
    "cisreg.motifs": ("MotifSet", "read_motifs"),
    "cisreg.occupancy": ("Occupancy", "occupancy"),
    "cisreg.recipes": ("Recipe", "Training", "read_recipe", "train"),
    "cisreg.scan": ("BestSites", "Hits", "best_site", "p_value_threshold", "scan"),
    "cisreg.sequences": ("EncodedSequences", "decode", "encode", "reverse_complement"),
    "cisreg.simulate": ("simulate",),
    "cisreg.storage": ("load_model", "save_model"),
    "cisreg.trained_model": ("Model",),
    "cisreg.training": ("Stage", "fit"),
}
# Modules with further public names, such as `cisreg.motifs.demo_motifs`; imported at first use.
_SUBMODULES = (
    *("data", "legacy", "losses", "metrics", "model", "motifs", "recipes", "report", "sequences"),
    "training",
)
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__version__ = metadata.version("cisreg")
__all__ = [  # noqa: RUF022, in the order of use
    "train",
    "Training",
    "Recipe",
    "read_recipe",
    "read_dataset",
    "open_dataset",
    "Dataset",
    "read_motifs",
    "MotifSet",
    "Model",
    "load_model",
    "save_model",
    "EncodedSequences",
    "encode",
    "decode",
    "reverse_complement",
    "Hits",
    "scan",
    "BestSites",
    "best_site",
    "p_value_threshold",
    "Occupancy",
    "occupancy",
    "ModelSpec",
    "Prediction",
    "init_parameters",
    "predict",
    "Penalty",
    "Stage",
    "fit",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, for tab completion, without helpers."""
    return sorted([*__all__, *_SUBMODULES, "__version__"])


class _Package(ModuleType):
    """Keeps functions that have the name of a module: `cisreg.occupancy` stays callable.

    Importing a submodule sets it as an attribute of its package, which would replace the function.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and _MODULE_OF.get(name) == value.__name__:
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def _warn_of_other_tensorflow() -> None:
    """Warns at import, not at the first operation, if the library does not fit TensorFlow."""
    from cisreg.library import LibraryError, build_info, check_versions

    try:
        check_versions(build_info()["tensorflow_version"], metadata.version("tensorflow"))
    except (LibraryError, metadata.PackageNotFoundError) as error:
        warnings.warn(str(error), RuntimeWarning, stacklevel=3)


_warn_of_other_tensorflow()
