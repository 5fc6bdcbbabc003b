"""Initial log concentrations of the factors: from a file or from their strongest sites."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cisreg.motifs.motif_files import motif_name
from cisreg.motifs.motif_set import MotifSet
from cisreg.motifs.pkdm import SUFFIX
from cisreg.motifs.text import parse_number, table_rows
from cisreg.names import file_stems


def strongest_site_log_concentration(motif_set: MotifSet) -> np.ndarray:
    """Log concentrations at which each motif's strongest site is bound half of the time.

    Occupancy is sigmoid(log concentration - log Kd), so it is one half if the log concentration
    equals the motif's lowest log Kd. The initial values that come with CisRegModels (de Boer et
    al., 2020) are computed in this way.

    Returns:
        float32 [M], nats.

    Example:
        >>> motifs = MotifSet.from_matrices(["a"], [[[-1, 1, 1, 1]] * 4], width=6)
        >>> strongest_site_log_concentration(motifs)
        array([-4.], dtype=float32)
    """
    return motif_set.lowest_log_kd()


def read_log_concentration(
    path: str | os.PathLike[str],
    names: Sequence[str],
    *,
    default: Mapping[str, float] | None = None,
) -> np.ndarray:
    r"""Reads log concentrations and puts them in the order of `names`.

    Args:
        path: a tab-separated file as `read_motif_values` reads it; the numbers are in nats, and
            -inf is a factor that is knocked out.
        names: the M names of the motif set.
        default: log concentrations by name, for motifs that are not in the file.

    Returns:
        float32 [M], nats.

    Raises:
        ValueError, OSError: as `read_motif_values`.

    Example:
        >>> with open("log_concentration.tsv", "w") as file:
        ...     _ = file.write("motifs/Reb1.pkdm\t-9.5\nmotifs/Abf1.pkdm\t-12\n")
        >>> read_log_concentration("log_concentration.tsv", ["Abf1", "Reb1"])
        array([-12. ,  -9.5], dtype=float32)
    """
    return _read_values(path, names, "log concentration", default, knocked_out="-inf")


def read_motif_values(
    path: str | os.PathLike[str],
    names: Sequence[str],
    what: str = "number",
    *,
    default: Mapping[str, float] | None = None,
) -> np.ndarray:
    r"""Reads one number for each motif and puts them in the order of `names`.

    Args:
        path: a tab-separated file without header, one line per motif in any order: its name (a path
            of its .pkdm file counts as the name), in quotes if it contains tabs, and its number.
            Blank lines and lines that begin with # are skipped.
        names: the M names of the motif set.
        what: what the numbers are, for errors.
        default: numbers by name, for motifs that are not in the file.

    Returns:
        float32 [M].

    Raises:
        ValueError: a line that cannot be parsed, a name given twice, or names that are missing from
            the file or from `names`.
        OSError: the file cannot be read.

    Example:
        >>> with open("activity.tsv", "w") as file:
        ...     _ = file.write("Reb1\t2\nAbf1\t1\n")
        >>> read_motif_values("activity.tsv", ["Abf1", "Reb1"], "activity")
        array([1., 2.], dtype=float32)
    """
    return _read_values(path, names, what, default)


def _read_values(
    path: str | os.PathLike[str],
    names: Sequence[str],
    what: str,
    default: Mapping[str, float] | None,
    knocked_out: str | None = None,
) -> np.ndarray:
    """See `read_motif_values`; the text `knocked_out`, if there is one, is minus infinity."""
    found: dict[str, float] = {}
    others = default or {}
    of_files = {
        f"{stem}{SUFFIX}": name for stem, name in zip(file_stems(names), names, strict=True)
    }
    for place, fields in table_rows(path):
        if len(fields) != 2:
            raise ValueError(
                f"{place}: expected a motif name, a tab and a {what}, got "
                f"{len(fields)} field(s); give two fields per line"
            )
        name = fields[0]
        if name not in names:
            name = of_files.get(Path(name).name) or motif_name(name)
        if name in found:
            raise ValueError(f"{place}: expected each motif once, got {name!r} again; remove one")
        out = fields[1].strip() == knocked_out
        found[name] = -math.inf if out else parse_number(fields[1], place, 2)
    missing = [name for name in names if name not in found and name not in others]
    extra = sorted(found.keys() - set(names))
    if missing or extra:
        raise ValueError(
            f"{os.fspath(path)}: expected one {what} for each of {len(names)} motifs, "
            f"got {_some(missing)} missing and {_some(extra)} unknown; match the file to the motifs"
        )
    values = [found[name] if name in found else others[name] for name in names]
    return np.array(values, dtype=np.float32)


def _some(names: Sequence[str], shown: int = 5) -> str:
    rest = [f"and {len(names) - shown} more"] if len(names) > shown else []
    return ", ".join([repr(name) for name in names[:shown]] + rest) or "none"
