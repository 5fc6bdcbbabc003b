"""Effects of the variants of a VCF file, in constructs of a genome or in windows around them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pyarrow as pa
from rich.progress import MofNCompleteColumn, TextColumn

from cisreg.data.ends import known_end_bases
from cisreg.display import counted
from cisreg.genome import (
    GenomeSource,
    Intervals,
    VariantPairs,
    open_genome,
    read_variants,
    variant_pairs,
)
from cisreg.genome.sequence_files import PathLike
from cisreg.genome.variant_pairs import Mismatch
from cisreg.genome.variants import LeftOut, Unusable
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import rows_at_once
from cisreg.interpret.variants import VariantEffects, effects_of_codes
from cisreg.progress import progress_bar
from cisreg.sequences import encode_text

logger = logging.getLogger("cisreg.model")


def genome_variant_effects(
    model: AnyModel,
    variants: PathLike,
    genome: PathLike | GenomeSource,
    *,
    constructs: PathLike | Intervals | None = None,
    window: int | None = None,
    left: str | None = None,
    right: str | None = None,
    mismatch: Mismatch = "error",
    unusable: Unusable = "skip",
    together: bool = False,
    sample: str | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Iterator[VariantEffects]:
    """The effects of variants of a genome on the expression of constructs, batch after batch.

    docs/howto/variants.md says what happens to every kind of record.

    Args:
        model: a trained model.
        variants: VCF or BCF, see `cisreg.genome.read_variants`.
        genome: FASTA or 2bit, see `cisreg.genome.open_genome`, or what it returns.
        constructs: BED file, or `Intervals`: the stretches that were put before the reporter, each
            on its strand. None: a window around each variant.
        window: bases of that window; None: the model's length without `left` and `right`.
        left: constant bases that the construct is put behind, as in the model's training sequences;
            "": none. None: those that the model knows; none if constructs have its full length.
        right: the same for the bases behind the construct.
        mismatch: see `cisreg.genome.variant_pairs`.
        unusable: see `cisreg.genome.read_variants`.
        together: all variants of a construct at once; otherwise each alone.
        sample: only the variants of this sample, those of each haplotype together.
        batch_size: pairs computed at a time; None: as many as take a few hundred megabytes.
        threads: how many threads compute; None: one for each core.
        progress: whether to show progress.

    Yields:
        Effects, whose `places` say construct, chromosome, position (from 1, as in VCF), identifier
        and alleles. The first batch is empty if no variant has an effect to compute.

    Raises:
        ImportError: pysam is not installed.
        ValueError: a record that cannot be used, a construct longer than the model's sequences.

    Example:
        >>> for batch in genome_variant_effects(  # doctest: +SKIP
        ...     model, "strain.vcf.gz", "yeast.fa", constructs="promoters.bed"
        ... ):
        ...     print(batch.to_frame())
    """
    left_out, batch_size = LeftOut(), rows_at_once(model.spec, batch_size)
    with ExitStack() as stack:
        if not isinstance(genome, GenomeSource):
            genome = stack.enter_context(open_genome(genome))
        if constructs is not None and not isinstance(constructs, Intervals):
            constructs = Intervals.from_bed(constructs)
        ends = _Ends(model, left, right, constructs)
        if constructs is None:
            window = ends.room if window is None else window
            ends.check_length(window, "window")
            logger.info("each variant is at the centre of a window of %d bases", window)
        pairs = variant_pairs(
            read_variants(variants, unusable=unusable, sample=sample, left_out=left_out),
            genome,
            constructs=constructs,
            window=window,
            padding_side=model.padding_side,
            mismatch=mismatch,
            together=together or sample is not None,
            by_haplotype=sample is not None,
            batch_size=batch_size,
            left_out=left_out,
        )
        columns = (TextColumn("{task.description}"), MofNCompleteColumn())
        bar = stack.enter_context(progress_bar(*columns, show=progress))
        task = bar.add_task("variants", total=None)
        for batch in pairs:
            yield ends.effects(batch, threads)
            bar.advance(task, len(batch))
    ends.report()
    left_out.report()


class _Ends:
    """How constructs become the input of a model: between constant bases, at its length.

    Args:
        model: the model.
        left: bases before each construct, or None, see `genome_variant_effects`.
        right: bases behind each construct, or None.
        constructs: the constructs, or None for windows.

    Attributes:
        room: bases between them.
    """

    def __init__(
        self, model: AnyModel, left: str | None, right: str | None, constructs: Intervals | None
    ) -> None:
        self._model = model
        spec = model.spec
        saved = model.metadata.get("constant_ends", {}) if spec.has_span else {}
        known = known_end_bases(saved, spec.constant_left, spec.constant_right)
        length = model.spec.sequence_length
        if constructs is not None and ((constructs.end - constructs.start) == length).all():
            known = "", ""
        given = [
            end if given is None else given for given, end in zip((left, right), known, strict=True)
        ]
        for name, text in zip(("left", "right"), given, strict=True):
            encode_text(pa.array([text], pa.string()), None)  # refuses what is no DNA
            if len(text) >= length:
                raise ValueError(
                    f"{name}: expected fewer bases than the model's {length}, got {len(text)}"
                )
        self._left, self._right = given
        self.room = length - len(self._left) - len(self._right)
        if self.room < 1:
            raise ValueError(
                f"left, right: expected fewer bases than the model's {length} together, got "
                f"{length - self.room}"
            )
        self._longer = self._shorter = 0
        if constructs is not None:
            size = constructs.end - constructs.start
            place = int(size.argmax()) if len(size) else 0
            if len(size):
                self.check_length(int(size[place]), constructs.place(place))
        if self._left or self._right:
            logger.info(
                "constructs are put between constant ends of %d and %d bases",
                *(len(self._left), len(self._right)),
            )

    def check_length(self, bases: int, what: str) -> None:
        """Raises ValueError if a construct of so many bases is longer than what the model reads."""
        if bases > self.room:
            ends = len(self._left) + len(self._right)
            between = f", of which its constant ends take {ends}" if ends else ""
            advice = (
                "give shorter ones"
                if not ends
                else (
                    "give shorter ones, or the ends that they have (left, right; --left, --right; "
                    '"" for none)'
                )
            )
            raise ValueError(
                f"{what}: expected at most {self.room} bases, since the model reads "
                f"{self._model.spec.sequence_length}{between}, got {bases:,}; {advice}"
            )

    def effects(self, pairs: VariantPairs, threads: int | None) -> VariantEffects:
        """The effects of a batch of pairs."""
        before, first = self._rows(pairs.reference)
        after, second = self._rows(pairs.alternative)
        origin = np.stack([first, second], axis=1)
        return effects_of_codes(self._model, before, after, pairs.places, origin, threads=threads)

    def _rows(self, constructs: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Codes [N, L], and the column of each construct's first base."""
        side, length = self._model.padding_side, self._model.spec.sequence_length
        sizes = np.array([len(each) for each in constructs], np.int64).reshape(-1)
        self._longer += int((sizes > self.room).sum())
        self._shorter += int((sizes < self.room).sum())
        kept = [each[-self.room :] if side == "left" else each[: self.room] for each in constructs]
        texts = pa.array([self._left + each + self._right for each in kept], pa.large_string())
        codes = np.asarray(encode_text(texts, length, side=side))
        end = length - len(self._right)
        origin = end - sizes if side == "left" else np.full(len(sizes), len(self._left))
        return codes, origin

    def report(self) -> None:
        """Says once how many sequences did not have the model's length."""
        side = self._model.padding_side
        if self._longer:
            logger.warning(
                "%s with an insertion longer than the model's %d bases: bases of the construct "
                "were left away on the %s",
                *(counted(self._longer, "construct"), self._model.spec.sequence_length, side),
            )
        if self._shorter:
            logger.info(
                "%s shorter than the model's %d bases and padded on the %s",
                *(f"{counted(self._shorter, 'sequence')} {'is' if self._shorter == 1 else 'are'}",),
                *(self._model.spec.sequence_length, side),
            )
