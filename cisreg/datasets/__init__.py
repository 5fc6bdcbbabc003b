"""Data sets and models by name: small simulated ones, and those that registries list.

A registry is a TOML file with URLs and checksums, which a lab publishes beside its files; see
docs/reference/registries.md. What is downloaded is verified, kept in the cache and used without a
network afterwards.
"""

from __future__ import annotations

from cisreg.datasets.cache import cache_folder
from cisreg.datasets.entries import Entry, RemoteFile
from cisreg.datasets.named import available, describe, fetch, load
from cisreg.datasets.registries import read_registry

__all__ = [
    "Entry",
    "RemoteFile",
    "available",
    "cache_folder",
    "describe",
    "fetch",
    "load",
    "read_registry",
]


def __dir__() -> list[str]:
    return __all__
