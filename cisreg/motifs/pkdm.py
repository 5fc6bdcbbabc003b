"""The .pkdm format: one motif per file as a position Kd matrix, one row per base."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from cisreg.files import replace_file
from cisreg.motifs.checking import check_one_motif
from cisreg.motifs.kinds import MatrixKind, recognise
from cisreg.motifs.motif_set import BASES
from cisreg.motifs.text import parse_number, table_rows
from cisreg.number_text import LARGEST_FLOAT32
from cisreg.streams import text_lines

SUFFIX = ".pkdm"
# A comment line that marks numbers as log Kd, for matrices that look like a different kind.
_MARK = "# log Kd"
# A comment line that holds the name of the motif, for file names that were cut.
_NAME = "# name: "


def read_pkdm(path: str | os.PathLike[str]) -> np.ndarray:
    r"""Reads one motif from a .pkdm file.

    The file holds four tab-separated rows in any order, each a base (in lower case too, and U for
    T) and then one number per column of the motif. The numbers are log2 odds, background over
    motif. Like CisRegModels (de Boer et al., 2020), cisreg uses them as nats, so they are returned
    unchanged (`convention="pkdm"` of `log_kd_to_probabilities`). Blank lines and lines
    that begin with # are skipped.

    Counts, probabilities and log odds are often in files of the same format. Numbers that are
    clearly of a different kind are an error, unless a line "# log Kd" says that they are log Kd;
    `read_motifs(path, kind=...)` converts them.

    Args:
        path: the file.

    Returns:
        float64 [own width, 4], bases in the order A C G T.

    Raises:
        ValueError: a row that cannot be parsed, given twice, missing, or of a different width than
            the rows before; the message names file and line. Numbers of a different kind.
        OSError: the file cannot be read.

    Example:
        >>> with open("example.pkdm", "w") as file:
        ...     _ = file.write("A\t-1\t2\nT\t2\t2\nG\t1\t2\nC\t0\t-2\n")
        >>> read_pkdm("example.pkdm")
        array([[-1.,  0.,  1.,  2.],
               [ 2., -2.,  2.,  2.]])
    """
    matrix = pkdm_matrix(path)
    if not is_marked(path):
        check_is_log_kd(path, matrix)
    return matrix


def pkdm_matrix(path: str | os.PathLike[str]) -> np.ndarray:
    """The numbers of a .pkdm file, whatever they are.

    Raises:
        ValueError, OSError: as `read_pkdm`.
    """
    rows: dict[str, list[float]] = {}
    for place, (label, *fields) in table_rows(path):
        base = label.strip().upper().replace("U", "T")
        if len(base) != 1 or base not in BASES:
            raise ValueError(
                f"{place}: expected a row that begins with A, C, G or T and a tab, got {label!r}; "
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


def check_is_log_kd(path: str | os.PathLike[str], matrix: np.ndarray) -> None:
    """Checks that numbers of a file without the line "# log Kd" are not clearly of another kind.

    Raises:
        ValueError: they are; the message says of which, and what to do.
    """
    if (other := recognise(matrix)) != "log_kd":
        raise ValueError(_other_kind(os.fspath(path), other))


def is_marked(path: str | os.PathLike[str]) -> bool:
    """Whether a line "# log Kd" of a file says that it holds log Kd."""
    return any(line.strip().lower() == _MARK.lower() for line in text_lines(path))


def name_in_pkdm(path: str | os.PathLike[str]) -> str | None:
    """The name of the motif in a comment of its file, or None.

    Raises:
        OSError: the file cannot be read.
    """
    lines = text_lines(path)
    found = (line[len(_NAME) :].rstrip("\n") for line in lines if line.startswith(_NAME))
    return next(found, None)


def _other_kind(name: str, kind: MatrixKind) -> str:
    got = {
        "counts": "no number below 0, as in counts",
        "probabilities": "probabilities: no number below 0, and columns that sum to 1",
        "log_odds": "log odds, which are above 0 there: columns are logarithms of probabilities",
    }[kind]
    return (
        f"{name}: expected log Kd, which is below 0 for the bases that bind best, got {got}; "
        f"convert with cisreg.motifs.read_motifs({name!r}, kind={kind!r}) and "
        f"cisreg.motifs.write_motifs, or put the line {_MARK!r} into the file if it is log Kd"
    )


def write_pkdm(
    path: str | os.PathLike[str],
    log_kd: npt.ArrayLike,
    *,
    name: str | None = None,
    overwrite: bool = False,
) -> None:
    r"""Writes one motif to a .pkdm file; the file is never incomplete.

    Rows are A, C, G and T, after a line "# log Kd" if the numbers look like a different kind. Every
    number has enough digits to read the same float64 (and so the same float32) back. Numbers are
    not converted: give log Kd in nats as the model uses it.

    Args:
        path: the file.
        log_kd: [own width, 4], finite as float32, bases in the order A C G T.
        name: of the motif, for a comment in the file; None: the file name says it.
        overwrite: whether it may replace a file that exists.

    Raises:
        ValueError: wrong shape, or a number that is not finite as float32.
        FileExistsError: the file exists, and `overwrite` is False.
        OSError: the file cannot be written.

    Example:
        >>> write_pkdm("written.pkdm", [[-1, 0, 1, 2], [2, -2, 2, 0.1]])
        >>> open("written.pkdm").read()
        'A\t-1.0\t2.0\nC\t0.0\t-2.0\nG\t1.0\t2.0\nT\t2.0\t0.1\n'
    """
    comment = "" if name is None else f"{_NAME}{name}\n"
    content = (comment + pkdm_text(log_kd)).encode()
    with replace_file(path, overwrite=overwrite) as file:
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
    if largest > LARGEST_FLOAT32:
        raise ValueError(
            f"log_kd: expected numbers that are finite as float32, got one of size {largest:g}; "
            "give log Kd in nats"
        )
    rows = zip(BASES, matrix.T.tolist(), strict=True)
    mark = "" if recognise(matrix) == "log_kd" else f"{_MARK}\n"
    return mark + "".join("\t".join([base, *map(repr, row)]) + "\n" for base, row in rows)
