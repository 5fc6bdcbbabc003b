"""The .pkdm format: one motif per file as a position Kd matrix, one row per base."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from cisreg.files import replace_file
from cisreg.motifs.checking import check_one_motif
from cisreg.motifs.motif_set import BASES
from cisreg.motifs.text import LARGEST_NUMBER, parse_number, table_rows

SUFFIX = ".pkdm"


def read_pkdm(path: str | os.PathLike[str]) -> np.ndarray:
    r"""Reads one motif from a .pkdm file.

    The file holds four tab-separated rows in any order, each a base and then one number per column
    of the motif. The numbers are log2 odds, background over motif; the law uses them as nats, as
    CisRegModels (de Boer et al., 2020) does, so they are returned as they stand
    (`convention="pkdm"` of `log_kd_to_probabilities`). Blank lines and lines that begin with # are
    skipped.

    Args:
        path: the file.

    Returns:
        float64 [own width, 4], bases in the order A C G T.

    Raises:
        ValueError: a row that cannot be parsed, given twice, missing, or of another width than the
            rows before; the message names file and line.
        OSError: the file cannot be read.

    Example:
        >>> with open("example.pkdm", "w") as file:
        ...     _ = file.write("A\t-1\t2\nT\t2\t2\nG\t1\t2\nC\t0\t-2\n")
        >>> read_pkdm("example.pkdm")
        array([[-1.,  0.,  1.,  2.],
               [ 2., -2.,  2.,  2.]])
    """
    rows: dict[str, list[float]] = {}
    for place, (base, *fields) in table_rows(path):
        if len(base) != 1 or base not in BASES:
            raise ValueError(
                f"{place}: expected a row that begins with A, C, G or T and a tab, got {base!r}; "
                "label each row with its base"
            )
        if base in rows:
            raise ValueError(
                f"{place}: expected one row per base, got {base} again; remove one or relabel it"
            )
        values = [parse_number(field, place, column) for column, field in enumerate(fields, 2)]
        width = len(next(iter(rows.values()), values))
        if not values or len(values) != width:
            raise ValueError(
                f"{place}: expected {width or '1 or more'} numbers after {base}, got "
                f"{len(values)}; give every row one number per column of the motif"
            )
        rows[base] = values
    missing = [base for base in BASES if base not in rows]
    if missing:
        raise ValueError(
            f"{os.fspath(path)}: expected four rows labelled A, C, G and T, got none for "
            f"{', '.join(missing)}; complete the file"
        )
    return np.array([rows[base] for base in BASES]).T


def write_pkdm(path: str | os.PathLike[str], log_kd: npt.ArrayLike) -> None:
    r"""Writes one motif to a .pkdm file, which is there whole or not at all.

    Rows are A, C, G and T. Every number has the digits that it takes to read the same float64 (and
    so the same float32) back. Nothing is converted: give log Kd as the law uses it.

    Args:
        path: the file, replaced where it exists.
        log_kd: [own width, 4], finite as float32, bases in the order A C G T.

    Raises:
        ValueError: wrong shape, or a number that is not finite as float32.
        OSError: the file cannot be written.

    Example:
        >>> write_pkdm("written.pkdm", [[-1, 0, 1, 2], [2, -2, 2, 0.1]])
        >>> open("written.pkdm").read()
        'A\t-1.0\t2.0\nC\t0.0\t-2.0\nG\t1.0\t2.0\nT\t2.0\t0.1\n'
    """
    content = pkdm_text(log_kd).encode()
    with replace_file(path) as file:
        file.write(content)


def pkdm_text(log_kd: npt.ArrayLike) -> str:
    r"""The text of a .pkdm file; see `write_pkdm`.

    Raises:
        ValueError: wrong shape, or a number that is not finite as float32.

    Example:
        >>> pkdm_text([[-1, 0, 1, 2]])
        'A\t-1.0\nC\t0.0\nG\t1.0\nT\t2.0\n'
    """
    matrix = check_one_motif("log_kd", log_kd)
    largest = np.abs(matrix).max()
    if largest > LARGEST_NUMBER:
        raise ValueError(
            f"log_kd: expected numbers that are finite as float32, got one of size {largest:g}; "
            "give log Kd in nats"
        )
    rows = zip(BASES, matrix.T.tolist(), strict=True)
    return "".join("\t".join([base, *map(repr, row)]) + "\n" for base, row in rows)
