"""The version of cisreg that is installed; `import cisreg` does not wait for it."""

from __future__ import annotations

from importlib import metadata

__version__ = metadata.version("cisreg")
