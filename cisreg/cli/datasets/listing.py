"""cisreg datasets list."""

from __future__ import annotations

from cisreg.cli.datasets import choosing
from cisreg.cli.terminal import TextTable, new_console

EXAMPLE = "cisreg datasets list --registry https://example.org/registry.toml"


def listing(registry: choosing.Registry = None) -> None:
    """List data sets and models by name: version, size, licence, description."""
    from cisreg.datasets import available

    columns = ("name", "kind", "version", "MB", "licence", "description")
    table = TextTable("", columns, False, "entries")
    for entry in available(registry):
        size = f"{entry.size / 1e6:.3g}" if entry.size else "-"
        described = (entry.version, size, entry.licence, entry.description)
        record = {name: getattr(entry, name) for name in columns if name != "MB"}
        record["bytes"] = entry.size or None
        table.add_row(entry.name, entry.kind, *described, record=record)
    new_console(results=True).print(table)
