"""cisreg datasets describe."""

from __future__ import annotations

from cisreg.cli.datasets import choosing
from cisreg.cli.terminal import TextTable, new_console

EXAMPLE = "cisreg datasets describe yeast_gpra_demo"


def describe(
    name: choosing.Name,
    registry: choosing.Registry = None,
    kind: choosing.Kind = None,
) -> None:
    """Describe a data set or model; nothing of it is downloaded.

    Licence, citation, unit, columns, and the files with their sizes and checksums.
    """
    from cisreg.datasets import describe as describe_entry

    entry = describe_entry(name, kind, registry)
    table = TextTable("", (), False, "fields")
    for field, value in entry.to_dict().items():
        table.add_row(field, str(value), record={"field": field, "value": value})
    for file in entry.files:
        part = f", part {file.part}" if file.part else ""
        kept = f"{file.size:,} bytes, sha256 {file.sha256}" if file.urls else "made at first use"
        text = f"{file.name}{part}: {kept}"
        table.add_row("file", text, record={"field": "file", "value": text})
    output = new_console(results=True)
    output.print(table)
    output.add_rows("files", [vars(file) for file in entry.files])
