"""Hits as lines of text: BED, tab-separated text and GFF3."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from cisreg.display import printable
from cisreg.library import native_module
from cisreg.names import join_fields

# A motif's own columns of the table, and what may follow.
COLUMNS = ("sequence", "start", "end", "motif", "strand", "log_kd")
OPTIONAL = ("p_value", "q_value", "region")
BED_COLUMNS = ("chrom", "start", "end", "name", "score", "strand")
# Of a p-value of 1e-10, as in the tracks of JASPAR.
_MOST_SCORE = 1000
_BED_REFUSED = re.compile(r"^#|\t")
# Characters that GFF3 leaves as they are, besides letters and digits: of names of sequences, and of
# attributes.
_SEQUENCE_ID, _ATTRIBUTE = ".:^*$@!+_?|", " !\"#$'()*+-./:<>?@[\\]^_`{|}~"
_ZERO_BASED = (
    "start counts from 0, end is the base after the last: [start, end), on the forward strand"
)
_P_SCORE = "round(-100 log10 p_value), 1000 at most"
_RANGE_SCORE = "1000 at the motif's strongest possible site, 0 at its weakest, linear in log Kd"

Row = Sequence[Any]


class Motifs(Protocol):
    """What is asked of a motif set."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the motifs."""

    def lowest_log_kd(self) -> np.ndarray:
        """Log Kd of each motif's strongest site, [M]."""

    def highest_log_kd(self) -> np.ndarray:
        """Log Kd of each motif's weakest site, [M]."""


class BedLines:
    """BED6 and the columns log_kd, p_value, q_value and region, as far as they were asked for.

    Args:
        columns: of the tables of hits.
        motifs: for scores of hits without p-values.
    """

    def __init__(self, columns: Sequence[str], motifs: Motifs) -> None:
        self._columns = columns
        self._motifs = motifs
        self._range = dict(
            zip(
                motifs.names,
                np.stack([motifs.lowest_log_kd(), motifs.highest_log_kd()], axis=1).tolist(),
                strict=True,
            )
        )

    def head(self, notes: Mapping[str, str]) -> str:
        """The lines before the hits."""
        score = _P_SCORE if "p_value" in self._columns else _RANGE_SCORE
        names = (*BED_COLUMNS, *self._columns[len(COLUMNS) - 1 :])
        lines = _comments({**notes, "coordinates": _ZERO_BASED, "score": score, **_UNITS})
        return lines + "#" + "\t".join(names) + "\n"

    def format(self, hits: pa.Table) -> bytes:
        """Lines of some hits."""
        fields: list[Any] = [
            _texts(hits["sequence"], _bed_name),
            *(_numbers(hits[name]) for name in ("start", "end")),
            _texts(hits["motif"], _bed_name),
            self._score(hits),
            _texts(hits["strand"], str),
            *(_field(hits[name], _bed_name) for name in self._columns[len(COLUMNS) - 1 :]),
        ]
        return _lines(fields, [b"\t"] * (len(fields) - 1) + [b"\n"], len(hits))

    def _score(self, hits: pa.Table) -> np.ndarray:
        if "p_value" in self._columns:
            with np.errstate(divide="ignore"):
                score = -100 * np.log10(_numbers(hits["p_value"]))
        else:
            index, names = indices(hits["motif"])
            lowest, highest = np.array([self._range[name] for name in names]).reshape(-1, 2).T
            span = np.maximum(highest - lowest, np.finfo(np.float32).tiny)
            score = _MOST_SCORE * ((highest[index] - _numbers(hits["log_kd"])) / span[index])
        return np.rint(np.clip(score, 0, _MOST_SCORE)).astype(np.int64)


class TableLines:
    """Tab-separated text with the columns of the table of hits; names are quoted where necessary.

    Args:
        columns: of the tables of hits.
        motifs: the motifs.
    """

    def __init__(self, columns: Sequence[str], motifs: Motifs) -> None:
        self._columns = columns

    def head(self, notes: Mapping[str, str]) -> str:
        """The lines before the hits."""
        return (
            _comments({**notes, "coordinates": _ZERO_BASED, **_UNITS})
            + "\t".join(self._columns)
            + "\n"
        )

    def format(self, hits: pa.Table) -> bytes:
        """Lines of some hits."""
        fields = [_field(hits[name], _quoted) for name in self._columns]
        return _lines(fields, [b"\t"] * (len(fields) - 1) + [b"\n"], len(hits))


class GffLines:
    """GFF3: features TF_binding_site, whose score is the p-value where there is one.

    Args:
        columns: of the tables of hits.
        motifs: the motifs.
    """

    def __init__(self, columns: Sequence[str], motifs: Motifs) -> None:
        self._columns = columns

    def head(self, notes: Mapping[str, str]) -> str:
        """The lines before the hits."""
        has_p = "p_value" in self._columns
        score = "p-value" if has_p else "none; the attribute log_kd"
        counted = "start counts from 1, end is the last base: [start, end], on the forward strand"
        comments = _comments({**notes, "coordinates": counted, "score": score, **_UNITS})
        return "##gff-version 3\n" + comments

    def format(self, hits: pa.Table) -> bytes:
        """Lines of some hits."""
        has_p = "p_value" in self._columns
        fields = [
            (_texts(hits["sequence"], _sequence_id), "\tcisreg\tTF_binding_site\t"),
            (_numbers(hits["start"]) + 1, "\t"),
            (_numbers(hits["end"]), "\t" if has_p else "\t.\t"),
            *([(_numbers(hits["p_value"]), "\t")] if has_p else []),
            (_texts(hits["strand"], str), "\t.\tName="),
            (_texts(hits["motif"], _attribute), ";log_kd="),
            (_numbers(hits["log_kd"]), "\n"),
        ]
        for name in ("q_value", "region"):
            if name in self._columns:
                fields[-1] = (fields[-1][0], f";{name}=")
                fields.append((_field(hits[name], _attribute), "\n"))
        return _lines(
            [field for field, _ in fields], [after.encode() for _, after in fields], len(hits)
        )


_UNITS = {"log_kd": "nats, lower is stronger"}


def comment(text: str) -> str:
    r"""A line of a text file that its readers skip.

    Example:
        >>> comment("motifs: 3")
        '# motifs: 3\n'
    """
    return f"# {printable(text)}\n"


def _comments(notes: Mapping[str, str]) -> str:
    return "".join(comment(f"{name}: {text}") for name, text in notes.items())


def _lines(fields: list[Any], after: list[bytes], count: int) -> bytes:
    return native_module().format_lines(fields, after, count)


def _field(column: pa.ChunkedArray, spelled: Callable[[str], str]) -> Any:
    """A column for `format_lines`."""
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    return _numbers(column) if is_number else _texts(column, spelled)


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return column.to_numpy()


def _texts(column: pa.ChunkedArray, spelled: Callable[[str], str]) -> Any:
    """Indices and texts; a missing text is a dot, as all three formats have it."""
    index, names = indices(column)
    return index, [*(spelled(name).encode() for name in names), b"."]


def indices(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """The index of each text of a column, and the different texts; behind them where it is null.

    Example:
        >>> indices(pa.chunked_array([["chr1", "chr2", None, "chr1"]]))
        (array([0, 1, 2, 0], dtype=int32), ['chr1', 'chr2'])
    """
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    array = column.unify_dictionaries().combine_chunks()
    names = array.dictionary.to_pylist()
    return array.indices.fill_null(len(names)).to_numpy().astype(np.int32, copy=False), names


def _bed_name(name: str) -> str:
    if _BED_REFUSED.search(name):
        raise ValueError(
            f"name {printable(name)!r}: BED cannot hold names with a tab, or with # at their "
            "beginning; rename it, or write .tsv, .gff3 or .parquet"
        )
    return name


def _quoted(name: str) -> str:
    return join_fields([name])


def _sequence_id(name: str) -> str:
    # Seven letters would be a line of FASTA.
    return quote(name, safe=_SEQUENCE_ID)


def _attribute(name: str) -> str:
    return quote(name, safe=_ATTRIBUTE)
