"""The command `cisreg`."""

from cisreg.cli.app import app, main

__all__ = ["app", "main"]
