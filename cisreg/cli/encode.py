"""cisreg encode."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cisreg.cli import options
from cisreg.cli.outputs import check_files
from cisreg.cli.terminal import new_console
from cisreg.limits import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pyarrow as pa

    from cisreg.data import DatasetFiles
    from cisreg.sequences import EncodedSequences

# Bytes of base codes that are formatted at a time.
_BLOCK_BYTES = 1 << 22
# A line of one-hot text has 8 bytes for each base.
_LONGEST = LONGEST_LINE // 8 - 1024

EXAMPLE = "cisreg encode train.tsv.gz --length 110 --output train.ohc.gz"


def encode(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="TSV, CSV or one-hot text (.gz, .bz2, .zst); **-** is standard input.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(metavar="FILE", help="File to write (.gz, .zst); **-** is standard output."),
    ] = "-",
    format: Annotated[
        Literal["onehot", "table"],
        typer.Option(
            metavar="NAME",
            help="onehot: per line a label and 4 zeros or ones for each base, first all for A, "
            "then for C, G and T; table: per line a sequence and its label.",
        ),
    ] = "onehot",
    length: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=_LONGEST,
            metavar="BASES",
            help="Bases per sequence; required for onehot.",
        ),
    ] = None,
    side: Annotated[
        options.Side,
        typer.Option(help="Side where shorter sequences are padded and longer ones trimmed."),
    ] = "left",
    sequence_column: options.SequenceColumn = None,
    label_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column with the label, by name or number; default: the one called expression, "
            "or of two columns the one that is not the sequence.",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Convert sequences to the one-hot text of CisRegModels, or one-hot text to a table.

    Labels are copied unchanged. The input is streamed and may have any size.
    Commands of cisreg read both tables and one-hot text; none requires one-hot text.
    """
    check_files([output], inputs=[table], overwrite=overwrite)
    if format == "onehot" and length is None:
        raise typer.BadParameter("--format onehot needs --length: all its lines have one length")
    from cisreg.sequences import log_lengths
    from cisreg.streams import open_output

    count = padded = trimmed = 0
    rows = _rows(table, length, side, sequence_column, label_column)
    with open_output(output, overwrite=overwrite) as stream, ThreadPoolExecutor(1) as pool:
        # While a block is written, the next one is read and formatted.
        waiting: Future[bytes] | None = None
        for codes, label in rows:
            formatted = pool.submit(_text, codes, label, format, side)
            count += len(codes)
            if codes.length is not None:
                padded += int((codes.length < codes.shape[1]).sum())
                trimmed += int((codes.length > codes.shape[1]).sum())
            if waiting is not None:
                stream.write(waiting.result())
            waiting = formatted
        if waiting is not None:
            stream.write(waiting.result())
    if length is not None:
        log_lengths(count, length, padded, trimmed, side)
    new_console(stderr=True).print(f"{count:,} sequences written to {output}")


def _rows(
    table: str,
    length: int | None,
    side: options.Side,
    sequence_column: str | None,
    label_column: str | None,
) -> Iterator[tuple[EncodedSequences, pa.Array]]:
    """Base codes and labels, a block at a time, of a table or of one-hot text."""
    from cisreg.data.formats.one_hot import decode_padded
    from cisreg.sequences import encode_text

    extra = True if label_column is None else (options.column(label_column),)
    asked = {**options.asked_columns(sequence_column, None, None), "expression": (), "extra": extra}
    files = options.open_files(table, {**asked, "weight": False}, strict=True)
    name = _label_name(files)
    is_one_hot = files.kind == "one-hot text"
    count = 0
    for rows in files.blocks():
        text = rows.sequence
        if is_one_hot and length not in (None, len(text[0].as_py())):
            # Padding of one-hot text is not part of the sequence.
            text = decode_padded(encode_text(text, None), strip=side)
        label = rows.extra[name]
        step = len(text) if length is None else max(1, _BLOCK_BYTES // length)
        for start in range(0, len(text), step):
            codes = encode_text(text.slice(start, step), length, side=side)
            yield codes, label.slice(start, step)
        count += len(rows)
    if not count:
        raise ValueError(files.unusable.none_left(files.files[0]))


def _label_name(files: DatasetFiles) -> str:
    """The name of the column with the label."""
    from cisreg.data.formats.columns import is_expression

    names = files.extra_names
    found = names if len(names) == 1 else [name for name in names if is_expression(name)]
    if len(found) != 1:
        raise ValueError(
            f"{files.files[0]}: expected one column beside the sequence, or one called expression, "
            f"got {files.all_columns}; name the one with the label with --label-column"
        )
    return found[0]


def _text(codes: np.ndarray, label: pa.Array, format: str, side: options.Side) -> bytes:
    from cisreg.data.formats.one_hot import decode_padded, format_one_hot
    from cisreg.names import join_fields

    if format == "onehot":
        return format_one_hot(codes, label)
    texts = decode_padded(codes, strip=side).to_pylist()
    rows = zip(texts, label.to_pylist(), strict=True)
    return "".join(join_fields(row) + "\n" for row in rows).encode()
