"""Packages whose names are imported at their first use, so that nobody waits for TensorFlow."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any


def names_at_first_use(
    package: str, modules: Mapping[str, Sequence[str]], submodules: Sequence[str] = ()
) -> Callable[[str], Any]:
    """The `__getattr__` of a package that imports its names when they are first used.

    Args:
        package: its name.
        modules: names by the full name of the module that has them.
        submodules: names of its own modules that are attributes too.

    Example:
        >>> names_at_first_use("cisreg", {"cisreg.sequences": ["encode"]})("encode")(["A"]).tolist()
        [[0]]
    """
    module_of = {name: module for module, names in modules.items() for name in names}

    def get_name(name: str) -> Any:
        if name in submodules:
            return importlib.import_module(f"{package}.{name}")
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(module_of[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return get_name


def keep_functions(package: str, modules: Mapping[str, Sequence[str]]) -> None:
    """Keeps functions that have the name of a module: `cisreg.occupancy` stays callable.

    Importing a submodule sets it as an attribute of its package, which would replace the function.

    Args:
        package: the name of the package, which is being imported.
        modules: names by the full name of the module that has them.

    Example:
        >>> keep_functions(__name__, {"cisreg.occupancy": ["occupancy"]})  # doctest: +SKIP
    """
    module_of = {name: module for module, names in modules.items() for name in names}

    class Package(ModuleType):
        def __setattr__(self, name: str, value: Any) -> None:
            if isinstance(value, ModuleType) and module_of.get(name) == value.__name__:
                value = getattr(value, name)
            super().__setattr__(name, value)

    sys.modules[package].__class__ = Package
