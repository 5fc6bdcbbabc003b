"""Tables of known origin, recognised by all their names together: which column is what.

A name such as `x` or `log2` says nothing alone. Beside the other names that a program writes, it
has one meaning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_SEPARATORS = re.compile(r"[\s.-]+")
# What MAVE-NN writes into its column `set`.
_PARTS = frozenset(("training", "validation", "test"))


class KnownTable(NamedTuple):
    """The columns of a table of known origin.

    Attributes:
        origin: who writes such tables, for logs and errors.
        sequence: position of the sequence, or None.
        expression: position of the measurement, or None.
        bins: positions of the counts of sorting bins, in the order of the bins.
        exposure: positions of two columns of counts: of all, and of those of interest.
        parts: position of the column that marks rows of training, validation and test, or None.
        advice: what to do where a role that the table does not have is needed, for errors.
    """

    origin: str
    sequence: int | None = None
    expression: int | None = None
    parts: int | None = None
    bins: tuple[int, ...] = ()
    exposure: tuple[int, ...] = ()
    advice: str = ""


def plain_name(name: str) -> str:
    """A name in lower case, with underscores for blanks, dots and hyphens.

    Example:
        >>> plain_name("Mean expression")
        'mean_expression'
    """
    return _SEPARATORS.sub("_", name.strip().lower())


def known_table(names: Sequence[str] | None) -> KnownTable | None:
    """The known table that has columns of these names, or None.

    A name that is there twice makes a table an unknown one.

    Example:
        >>> known_table(["set", "tot_ct", "ex_ct", "y", "x"]).origin
        'MAVE-NN'
        >>> known_table(["x", "y"])
    """
    plain = [plain_name(each) for each in names or ()]
    place = {name: index for index, name in enumerate(plain)}
    if len(place) < len(plain):
        return None
    return _of_mave_nn(place) or _of_mpra(place)


def marks_parts(values: Sequence[str]) -> bool:
    """Whether the first values of a column are those that MAVE-NN writes into `set`.

    Example:
        >>> marks_parts(["training", "test"]), marks_parts(["1", "2"])
        (True, False)
    """
    given = {each.strip().lower() for each in values}
    return bool(given) and given <= _PARTS


def _of_mave_nn(place: dict[str, int]) -> KnownTable | None:
    if not {"set", "x"} <= place.keys():
        return None
    if "y" in place:
        counts = ("tot_ct", "ex_ct")
        known = counts if set(counts) <= place.keys() else ()
        exposure = tuple(place[name] for name in known)
        return KnownTable("MAVE-NN", place["x"], place["y"], place["set"], exposure=exposure)
    bins = sorted(
        (int(name[3:]), at) for name, at in place.items() if re.fullmatch("ct_[0-9]{1,6}", name)
    )
    if len(bins) > 1:
        advice = (
            "; these are counts of sorting bins: train on them with the loss sort_bins (--loss "
            "sort_bins), or compute the expression with cisreg prepare expression"
        )
        ordered = tuple(at for _, at in bins)
        return KnownTable("MAVE-NN", place["x"], None, place["set"], ordered, advice=advice)
    return None


def _of_mpra(place: dict[str, int]) -> KnownTable | None:
    """Tables of MPRAflow and MPRAsnakeflow: of oligos, or of their barcodes."""
    counts = [
        any(re.fullmatch(rf"{kind}_counts?(_.+)?", name) for name in place)
        for kind in ("dna", "rna")
    ]
    if not all(counts):
        return None
    ratios = [place[name] for name in ("log2", "log2foldchange") if name in place]
    if len(ratios) == 1:
        advice = (
            "; the sequences of MPRAflow and MPRAsnakeflow are in the FASTA file of the design: "
            "give that, and this table as --measurements, in Python measurements"
        )
        return KnownTable("MPRAflow or MPRAsnakeflow", None, ratios[0], advice=advice)
    advice = "; from counts of DNA and RNA, cisreg prepare activity computes the expression"
    return KnownTable("MPRAflow or MPRAsnakeflow", advice=advice)
