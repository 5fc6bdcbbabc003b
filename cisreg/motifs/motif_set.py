"""A set of motifs as position Kd matrices, in one array with the same width for all."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cisreg.arrays import as_array
from cisreg.display import counted, html_table, printable
from cisreg.limits import WIDEST_MOTIF, check_range
from cisreg.motifs.bases import BASES
from cisreg.motifs.checking import check_one_motif
from cisreg.motifs.conversion import (
    LogKdConvention,
    counts_to_probabilities,
    log_kd_to_probabilities,
    probabilities_to_log_kd,
)
from cisreg.motifs.details import MotifDetails
from cisreg.motifs.letters import consensus_letters, site_letters
from cisreg.motifs.placing import centred, check_placed, kept_columns
from cisreg.names import check_names

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MotifSet"]

logger = logging.getLogger("cisreg.motifs")


@dataclass(frozen=True, eq=False, repr=False)
class MotifSet:
    """Motifs of possibly different widths, each placed in the same W columns.

    A position Kd matrix holds, in nats, how much each base adds to the log Kd of a site, so the
    lowest entries give the strongest site. The arrays are checked, copied and made read-only.

    Attributes:
        names: M distinct names.
        log_kd: float32 [W, 4, M], bases in the order A C G T. Columns outside a motif are zero:
            they have no effect on binding.
        first_column: int32 [M], the first of the W columns that belongs to each motif.
        widths: int32 [M], how many columns belong to each motif, from `first_column` on.
        details: M MotifDetails; empty ones if they are not given.

    Raises:
        ValueError: a shape, a range, a name or a value that does not agree with the above.

    Example:
        >>> motifs = MotifSet.from_matrices(["poly-dA"], [[[-1, 1, 1, 1]] * 4], width=6)
        >>> motifs.log_kd.shape, motifs.first_column.tolist(), motifs.strongest_site()
        ((6, 4, 1), [1], ('AAAA',))
    """

    names: tuple[str, ...]
    log_kd: np.ndarray
    first_column: np.ndarray
    widths: np.ndarray
    details: tuple[MotifDetails, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        for field, dtype in (("log_kd", "float32"), ("first_column", "int32"), ("widths", "int32")):
            array = as_array(getattr(self, field), field, dtype, (...,)).copy()
            array.setflags(write=False)
            object.__setattr__(self, field, array)
        object.__setattr__(self, "details", tuple(self.details) or (MotifDetails(),) * len(self))
        self._check_names()
        check_placed(self.names, self.log_kd, self.first_column, self.widths)

    def _check_names(self) -> None:
        if not self.names:
            raise ValueError("names: expected at least one motif, got none; give the motifs to use")
        check_names("names", self.names)
        if len(self.details) != len(self):
            raise ValueError(
                f"details: expected one for each of {counted(len(self), 'motif')}, got "
                f"{len(self.details)}"
            )

    @classmethod
    def from_matrices(
        cls,
        names: Sequence[str],
        matrices: Sequence[np.ndarray],
        *,
        width: int = 30,
        details: Sequence[MotifDetails] = (),
    ) -> MotifSet:
        """Trims and centres matrices of any widths in `width` columns.

        A motif wider than `width` loses end columns until it fits: each time the end with the lower
        sum of squares, or the first column if both are equal. A narrower motif is centred; if the
        number of spare columns is odd, there is one more after the motif than before it. Both are
        the rules of CisRegModels (de Boer et al., 2020), so models can be compared column by
        column.

        Args:
            names: M distinct names.
            matrices: M arrays, each [own width, 4], log Kd in nats, bases in the order A C G T; or
                frames whose columns or rows are named after the bases, in any order.
            width: W, the columns of the result.
            details: M MotifDetails, or none.

        Returns:
            A MotifSet with `log_kd` float32 [width, 4, M].

        Raises:
            ValueError: bad names, width, or a matrix that is not [1 or more, 4] and finite.

        Example:
            >>> MotifSet.from_matrices(["a"], [[[0, 0, 0, 9], [0, 0, 9, 9]]], width=1).log_kd[0, 2]
            array([9.], dtype=float32)
        """
        check_range("width", width, 1, WIDEST_MOTIF)
        names = tuple(names)
        if isinstance(matrices, Mapping):
            raise ValueError("matrices: expected a list, got a dict; give list(matrices.values())")
        if len(matrices) != len(names):
            raise ValueError(
                f"matrices: expected one for each of {len(names)} names, got {len(matrices)}"
            )
        kept, trimmed, own_details = [], [], list(details or [MotifDetails()] * len(names))
        widest = 0
        for index, (name, matrix) in enumerate(zip(names, matrices, strict=True)):
            whole = check_one_motif(f"matrices: motif {name!r}", matrix)
            first, end = kept_columns(whole, width)
            widest = max(widest, len(whole))
            kept.append(whole[first:end])
            if len(kept[-1]) < len(whole):
                trimmed.append(name)
                own_details[index] = own_details[index].trimmed(first, end)
        if trimmed:
            logger.warning(
                "%d of %d motifs are wider than %d columns and were trimmed (a width of %d keeps "
                "them whole): %s",
                *(len(trimmed), len(names), width, widest, ", ".join(trimmed)),
            )
        log_kd, first_column = centred(kept, width)
        widths = np.array([len(matrix) for matrix in kept], int)
        return cls(names, log_kd, first_column, widths, tuple(own_details))

    def in_columns(self, width: int) -> MotifSet:
        """The same motifs placed in another number of columns, as `from_matrices` does.

        Example:
            >>> MotifSet.from_matrices(["a"], [[[-1, 1, 1, 1]]], width=1).in_columns(30).width
            30
        """
        return MotifSet.from_matrices(
            self.names, self.matrices(), width=width, details=self.details
        )

    @classmethod
    def from_probabilities(
        cls,
        names: Sequence[str],
        probabilities: Sequence[np.ndarray],
        *,
        background: npt.ArrayLike | None = None,
        pseudocount: float = 0.001,
        convention: LogKdConvention = "natural",
        width: int = 30,
    ) -> MotifSet:
        """Motifs from matrices of probabilities, placed as `from_matrices` does.

        Args:
            names: M distinct names.
            probabilities: M arrays [own width, 4], each column summing to 1, bases in the order
                A C G T; `counts_to_probabilities` makes them from counts.
            background: [4], probabilities of A, C, G and T; None for 1/4 each.
            pseudocount: 0 or more, added to each probability.
            convention: "natural" for ln(background / p), "pkdm" for log2(background / p) used as
                nats; see `cisreg.motifs.conversion`.
            width: W, the columns of the result.

        Returns:
            A MotifSet with `log_kd` float32 [width, 4, M].

        Raises:
            ValueError: see `from_matrices` and `probabilities_to_log_kd`.

        Example:
            >>> MotifSet.from_probabilities(["a"], [[[0.9, 0.1, 0, 0]] * 3]).strongest_site()
            ('AAA',)
        """
        matrices = [
            probabilities_to_log_kd(
                each, background=background, pseudocount=pseudocount, convention=convention
            )
            for each in probabilities
        ]
        return cls.from_matrices(names, matrices, width=width)

    def __len__(self) -> int:
        """M, the number of motifs."""
        return len(self.names)

    @property
    def width(self) -> int:
        """W, the number of columns of `log_kd` and the largest width of a motif."""
        return self.log_kd.shape[0]

    def __repr__(self) -> str:
        return f"MotifSet({self._summary()}: {_some(self.names)})"

    def _repr_html_(self) -> str:
        columns = {"name": self.names, "width": self.widths.tolist(), "consensus": self.consensus()}
        return html_table(self._summary(), columns, len(self))

    def _summary(self) -> str:
        narrowest, widest = int(self.widths.min()), int(self.widths.max())
        own = f"{narrowest} to {widest}" if narrowest < widest else f"{widest}"
        return f"{counted(len(self), 'motif')}, {own} of {counted(self.width, 'column')} wide"

    def __getitem__(
        self, index: int | str | slice | Sequence[int] | Sequence[str] | np.ndarray
    ) -> MotifSet:
        """A set of the motifs with these numbers or names, in the order of the index.

        Args:
            index: a number or a name, for a set of one motif; or a slice, a list of numbers or of
                names, or booleans [M].

        Raises:
            KeyError: a name that is not in the set.
            IndexError: a number beyond the last motif, or a wrong number of booleans.
            ValueError: the same motif twice, or no motif.

        Example:
            >>> from cisreg.motifs import demo_motifs
            >>> motifs = demo_motifs()
            >>> motifs["Reb1"].names, motifs[-2:].names, motifs[["Rap1", "Reb1"]].names
            (('Reb1',), ('Ume6', 'poly-dA'), ('Rap1', 'Reb1'))
        """
        chosen = np.atleast_1d(np.arange(len(self))[self._numbers(index)])
        return MotifSet(
            tuple(self.names[number] for number in chosen),
            self.log_kd[:, :, chosen],
            self.first_column[chosen],
            self.widths[chosen],
            tuple(self.details[number] for number in chosen),
        )

    def _numbers(self, index: Any) -> Any:
        """The index with names replaced by numbers."""
        if isinstance(index, str):
            return self._number(index)
        if isinstance(index, (slice, int, np.integer)) and not isinstance(index, bool):
            return index
        if not isinstance(index, Iterable) or isinstance(index, Set):
            raise TypeError(f"index: expected numbers, names or a slice, got {index!r}")
        items = index.to_pylist() if hasattr(index, "to_pylist") else list(index)
        if any(isinstance(item, str) for item in items):
            return [self._numbers(item) for item in items]
        return np.array(items) if items else np.zeros(0, int)

    def _number(self, name: str) -> int:
        if name not in self.names:
            close = difflib.get_close_matches(name, self.names)
            advice = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
            raise KeyError(f"expected a name of this set of motifs, got {name!r}{advice}")
        return self.names.index(name)

    def __iter__(self) -> Iterator[MotifSet]:
        """Sets of one motif each."""
        return (self[number] for number in range(len(self)))

    def __contains__(self, name: object) -> bool:
        """Whether there is a motif of this name."""
        return name in self.names

    def append(self, other: MotifSet) -> MotifSet:
        """These motifs, followed by those of `other`, which must have the same number of columns.

        Raises:
            ValueError: a different number of columns, or a name that both sets have.

        Example:
            >>> from cisreg.motifs import demo_motifs, random_motifs
            >>> len(demo_motifs(width=20).append(random_motifs(4, width=20)))
            20
        """
        if other.width != self.width:
            raise ValueError(f"other: expected {self.width} columns, got {other.width}")
        return MotifSet(
            self.names + other.names,
            np.concatenate([self.log_kd, other.log_kd], axis=2),
            np.concatenate([self.first_column, other.first_column]),
            np.concatenate([self.widths, other.widths]),
            self.details + other.details,
        )

    def matrices(self) -> tuple[np.ndarray, ...]:
        """Each motif's own columns, without the zeros around them.

        Returns:
            M arrays, float32 [own width, 4], nats, bases in the order A C G T.

        Example:
            >>> MotifSet.from_matrices(["a"], [[[-1, 1, 1, 1]]], width=6).matrices()
            (array([[-1.,  1.,  1.,  1.]], dtype=float32),)
        """
        ends = self.first_column + self.widths
        return tuple(
            self.log_kd[first:end, :, index]
            for index, (first, end) in enumerate(zip(self.first_column, ends, strict=True))
        )

    def probabilities(self, convention: LogKdConvention | None = None) -> tuple[np.ndarray, ...]:
        """The probability of each base in each motif's own columns.

        They are those that the motif was read from, where `details` hold counts or probabilities.
        Otherwise they are computed from log Kd, over the background in `details` (1/4 each where
        there is none), and include the pseudocount that log Kd was made with.

        Args:
            convention: of log Kd; None: as `details` say, and "natural" where they do not.

        Returns:
            M arrays, float64 [own width, 4], each column summing to 1.

        Example:
            >>> MotifSet.from_probabilities(["a"], [[[0.5, 0.5, 0, 0]]]).probabilities()[0].round(2)
            array([[0.5, 0.5, 0. , 0. ]])
        """
        return tuple(
            counts_to_probabilities(each.matrix)
            if each.matrix is not None and each.kind in ("counts", "probabilities")
            else log_kd_to_probabilities(
                matrix,
                background=each.background,
                convention=convention or each.convention or "natural",
            )
            for matrix, each in zip(self.matrices(), self.details, strict=True)
        )

    def reverse_complement(self) -> MotifSet:
        """The reverse complements of the motifs.

        Example:
            >>> motifs = MotifSet.from_matrices(["a"], [[[-1, 1, 1, 1], [1, -1, 1, 1]]], width=5)
            >>> motifs.strongest_site(), motifs.reverse_complement().strongest_site()
            (('AC',), ('GT',))
        """
        return MotifSet(
            self.names,
            self.log_kd[::-1, ::-1],
            self.width - self.first_column - self.widths,
            self.widths,
            tuple(each.reverse_complement() for each in self.details),
        )

    def column_range(self, flank: int = 0) -> np.ndarray:
        """First column of each motif and the one after its last, extended by `flank` on each side.

        `cisreg.occupancy` and `cisreg.fit` keep the columns outside of this range at zero. So there
        are fewer parameters to overfit, and these columns take no time.

        Returns:
            int32 [2, M].

        Raises:
            ValueError: `flank` is negative.

        Example:
            >>> motifs = MotifSet.from_matrices(["a"], [[[-1, 1, 1, 1]]], width=5)
            >>> motifs.column_range(flank=1).tolist()
            [[1], [4]]
        """
        if flank < 0:
            raise ValueError(f"flank: expected 0 or more columns, got {flank}; 0 means the motif")
        first = np.maximum(self.first_column - flank, 0)
        end = np.minimum(self.first_column + self.widths + flank, self.width)
        return np.stack([first, end]).astype(np.int32)

    def lowest_log_kd(self) -> np.ndarray:
        """Log Kd of each motif's strongest site: the sum of the lowest entries of its columns.

        Entries are added in float32 from the first column to the last. So this is bit for bit the
        log Kd of that site in `cisreg.scan`, `cisreg.best_site` and `sites_within`, and the site
        passes it as a threshold.

        Returns:
            float32 [M], nats.

        Example:
            >>> MotifSet.from_matrices(["a"], [[[-1, 1, 1, 1]] * 4], width=6).lowest_log_kd()
            array([-4.], dtype=float32)
        """
        return _column_sum(self.log_kd.min(axis=1))

    def highest_log_kd(self) -> np.ndarray:
        """Log Kd of each motif's weakest site: the sum of the highest entries of its columns.

        Like `lowest_log_kd`, it is bit for bit the log Kd of that site in `cisreg.scan`.

        Returns:
            float32 [M], nats.

        Example:
            >>> MotifSet.from_matrices(["a"], [[[-1, 1, 1, 1]] * 4], width=6).highest_log_kd()
            array([4.], dtype=float32)
        """
        return _column_sum(self.log_kd.max(axis=1))

    def consensus(self) -> tuple[str, ...]:
        """Each motif as letters of the IUPAC nucleotide code.

        A letter stands for the bases whose log Kd is within ln 2 of the lowest in that column. If
        log Kd is "natural" (see `cisreg.motifs.conversion`) and the background uniform, these are
        at least half as frequent in sites as the most frequent base.

        Returns:
            M strings, each as long as its motif is wide.

        Example:
            >>> MotifSet.from_matrices(["a"], [[[0, 0.5, 3, 4], [0, 0, 0, 0]]]).consensus()
            ('MN',)
        """
        return self._own_text(consensus_letters(self.log_kd))

    def strongest_site(self) -> tuple[str, ...]:
        """The sequence that each motif binds best; N if the base makes no difference.

        `cisreg.motifs.sites_within` lists the next best ones.

        Returns:
            M strings, each as long as its motif is wide. Among equally good bases, the first.

        Example:
            >>> MotifSet.from_matrices(["a"], [[[2, -1, 2, 2], [0, 0, 0, 0]]]).strongest_site()
            ('CN',)
        """
        return self._own_text(site_letters(self.log_kd, self.log_kd.argmin(axis=1)))

    def weakest_site(self) -> tuple[str, ...]:
        """The sequence that each motif binds worst; N if the base makes no difference.

        Returns:
            M strings, each as long as its motif is wide. Among equally bad bases, the first.

        Example:
            >>> MotifSet.from_matrices(["a"], [[[2, -1, 2, 3], [0, 0, 0, 0]]]).weakest_site()
            ('TN',)
        """
        return self._own_text(site_letters(self.log_kd, self.log_kd.argmax(axis=1)))

    def _own_text(self, letters: np.ndarray) -> tuple[str, ...]:
        """Letters [W, M] as text of each motif's own columns."""
        ends = self.first_column + self.widths
        return tuple(
            "".join(letters[first:end, index])
            for index, (first, end) in enumerate(zip(self.first_column, ends, strict=True))
        )

    def to_frame(self) -> pd.DataFrame:
        """The matrices as a pandas DataFrame, one row per own column of each motif.

        Returns:
            Columns motif, column (counted from 0) and A, C, G and T, log Kd in nats.

        Raises:
            ImportError: pandas is not installed.

        Example:
            >>> MotifSet.from_matrices(["a"], [[[-1, 1, 1, 2]]]).to_frame()
              motif  column    A    C    G    T
            0     a       0 -1.0  1.0  1.0  2.0
        """
        import pandas as pd

        entries = np.concatenate(self.matrices())
        columns = {
            "motif": np.repeat(np.array(self.names, object), self.widths),
            "column": np.concatenate([np.arange(width) for width in self.widths]),
        }
        return pd.DataFrame(columns | dict(zip(BASES, entries.T, strict=True)))


def _some(names: Sequence[str]) -> str:
    """The names, safe to show on a terminal; if there are many, only the first and the last."""
    shown = names if len(names) <= 5 else [*names[:3], "...", names[-1]]
    return ", ".join(map(printable, shown))


def _column_sum(entries: np.ndarray) -> np.ndarray:
    """Sums of entries [W, M] over columns, in float32 and in the same order as the scanner."""
    total = np.zeros(entries.shape[1], np.float32)
    for column in entries:
        total += column
    return total
