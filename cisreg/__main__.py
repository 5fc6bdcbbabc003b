"""The commands, for `python -m cisreg`."""

from cisreg.cli import main

main()
