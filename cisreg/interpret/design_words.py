"""Words that designed sequences may not have: IUPAC letters, or the names of enzymes."""

from __future__ import annotations

import importlib
from typing import NamedTuple

import numpy as np

from cisreg.motifs.bases import BASES
from cisreg.motifs.consensus import IUPAC

_COMPLEMENT = str.maketrans("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN")


class Word(NamedTuple):
    """One reading of a forbidden word.

    Attributes:
        text: what was asked for, with the letters of an enzyme's site, such as EcoRI (GAATTC).
        matches: bool [letters, 5], which base codes each letter matches; an unknown base never.
    """

    text: str
    matches: np.ndarray

    def found(self, codes: np.ndarray) -> np.ndarray:
        """Where the word begins, bool [K, L - letters + 1]; codes is uint8 [K, L]."""
        count = max(codes.shape[1] - len(self.matches) + 1, 0)
        found = np.ones((len(codes), count), bool)
        for place, letter in enumerate(self.matches):
            found &= letter[codes[:, place : place + count]]
        return found


def read_words(asked: str) -> tuple[Word, ...]:
    """All readings of a forbidden word: both strands, and every site of an enzyme.

    Args:
        asked: IUPAC letters, all in upper or all in lower case, such as GGTCTC; or the name of a
            restriction enzyme as Biopython spells it, such as EcoRI.

    Raises:
        ValueError: neither letters nor an enzyme, or letters that every sequence has.
        ImportError: the name of an enzyme, and Biopython is not installed.
        TypeError: not text.

    Example:
        >>> [word.matches.shape for word in read_words("GGTCTC")]
        [(6, 5), (6, 5)]
        >>> len(read_words("GAATTC"))
        1
    """
    if not isinstance(asked, str):
        raise TypeError(f"forbid: expected words or names of enzymes, got {asked!r}")
    letters = asked.strip()
    is_letters = letters in (letters.upper(), letters.lower())
    letters = letters.upper().replace("U", "T")
    if is_letters and letters and set(letters) <= IUPAC.keys():
        sites: tuple[str, ...] = (letters,)
        shown = letters
    else:
        sites = _enzyme_sites(asked.strip())
        shown = f"{asked.strip()} ({', '.join(sites)})"
    if any(set(site) == {"N"} for site in sites):
        raise ValueError(f"forbid: expected a word that some sequences lack, got {asked!r}")
    strands = dict.fromkeys(each for site in sites for each in (site, reverse_word(site)))
    return tuple(Word(shown, _matches(each)) for each in strands)


def reverse_word(letters: str) -> str:
    """The reverse complement of IUPAC letters.

    Example:
        >>> reverse_word("GGTCTCN")
        'NGAGACC'
    """
    return letters.translate(_COMPLEMENT)[::-1]


def _matches(letters: str) -> np.ndarray:
    return np.array([[base in IUPAC[letter] for base in BASES] + [False] for letter in letters])


def _enzyme_sites(name: str) -> tuple[str, ...]:
    expected = f"forbid: expected letters of {''.join(IUPAC)} or the name of an enzyme"
    try:
        enzymes = importlib.import_module("Bio.Restriction")
    except ImportError as error:
        raise ImportError(
            f"{expected}, got {name!r}; names of enzymes need Biopython ({error}): run "
            "pip install biopython, or give the letters of the site"
        ) from error
    if name not in enzymes.AllEnzymes.elements():
        raise ValueError(
            f"{expected} as Biopython spells it, such as EcoRI, got {name!r}"
            + _like(name, enzymes.AllEnzymes.elements())
        )
    return tuple(str(getattr(enzymes, name).site).split("|"))


def _like(name: str, known: list[str]) -> str:
    same = [each for each in known if each.lower() == name.lower()]
    return f"; did you mean {same[0]}?" if same else ""
