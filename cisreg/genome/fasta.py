"""FASTA files as a source of sequences: in portions from the start, or stretches from anywhere."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence

import numpy as np

from cisreg.genome.fasta_index import FastaIndex, MarkIndex, fai_of, read_codes
from cisreg.genome.fasta_text import FastaText, Names, fasta_portions
from cisreg.genome.portions import Portion
from cisreg.genome.sequence_files import SequenceFile
from cisreg.genome.source import GenomeSource

logger = logging.getLogger("cisreg.genome")


class FastaGenome(GenomeSource):
    """Sequences of FASTA files.

    `portions` reads the files from start to end and needs no index. `fetch` needs one: that of the
    .fai files, if all files have one that is not older than the file itself; otherwise one in
    memory, from a pass over the files at the first call. No index file is written.

    Args:
        files: the files, in this order.
        masked_unknown: whether letters in lower case are unknown bases.
    """

    def __init__(self, files: Sequence[SequenceFile], *, masked_unknown: bool) -> None:
        self._files = tuple(files)
        self._masked_unknown = masked_unknown
        self._ahead = not any(file.once for file in files)
        self._indices: list[FastaIndex] = []
        self._lengths: dict[str, int] | None = None
        self._file_of: dict[str, int] = {}
        self._checked: set[str] = set()
        found = [fai_of(file) for file in files]
        if all(found):
            self._use([each for each in found if each is not None])

    def length_of(self) -> dict[str, int]:
        """Bases of each sequence by its name, in the order of the files."""
        if self._lengths is None:
            names = Names()
            shown = ", ".join(file.name for file in self._files)
            logger.info("%s: has no .fai file; an index in memory is made", shown)
            for file in self._files:
                file.random()  # copies what can only be read from the start, to be read twice
            self._use([MarkIndex(file, names) for file in self._files])
        assert self._lengths is not None
        return self._lengths

    def hold(self) -> None:
        """Copies files that can be read only once to temporary ones."""
        for file in self._files:
            file.hold()

    def close(self) -> None:
        """Closes the files; temporary copies are deleted."""
        for file in self._files:
            file.close()

    def _use(self, indices: list[FastaIndex]) -> None:
        names = Names()
        for number, index in enumerate(indices):
            names.start(index.origin)
            for line, name in enumerate(index.lengths, start=1):
                names.add(name, line)
                self._file_of[name] = number
        self._indices = indices
        self._lengths = {name: size for each in indices for name, size in each.lengths.items()}

    def _known_lengths(self) -> dict[str, int] | None:
        return self._lengths

    def _portions(self, overlap: int, own: int) -> Generator[Portion, None, None]:
        names = Names()
        for file in self._files:
            names.start(file.name)
            with file.open() as stream:
                text = FastaText(stream.read, file.name, masked_unknown=self._masked_unknown)
                yield from fasta_portions(text, names, overlap=overlap, own=own)

    def _codes(self, name: str, start: int, end: int) -> np.ndarray:
        number = self._file_of[name]
        index, text = self._indices[number], self._files[number].random()
        if name not in self._checked:
            index.check(text, name)
            self._checked.add(name)
        return read_codes(text, index, name, start, end, masked_unknown=self._masked_unknown)
