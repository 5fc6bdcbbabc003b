"""The test cases of the CUDA kernels, forward and backward, for every executor."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from test_occupancy import random_range, random_upstream

from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient, window_count

LN2 = np.log(2)


@dataclasses.dataclass(frozen=True)
class Case:
    """Shape and options of a problem; its numbers are derived from them."""

    sequences: int
    length: int
    width: int
    motifs: int
    reduction: str = "expected"
    padding: str = "same"
    compute_dtype: str = "float32"
    # "weighted": position weights. "held": a column range. "narrow": most motifs fill only a part
    # of their columns; the others are 0. "unknown": all bases are unknown. "steep": the entries are
    # four times as large.
    marks: str = ""
    # Log2 odds of the strongest site, for the motifs in turn. Empty: concentrations around e^-2.
    strongest: tuple[float, ...] = ()
    # First base and end of the span, the same for all sequences. With the mark "spans", each
    # sequence has a different span.
    span: tuple[int, ...] = ()

    @property
    def kinds(self):
        """The properties of the problem, except its sizes."""
        return {
            ("marks", self.marks, bool(self.span)),
            ("numbers", self.compute_dtype, bool(self.strongest)),
            ("sums", self.reduction, self.padding, self.weighted),
        }

    def __str__(self):
        shape = f"{self.sequences}x{self.length}x{self.width}x{self.motifs}"
        words = [shape, self.reduction, self.padding, self.compute_dtype, *self.marks.split()]
        if self.strongest:
            words.append("strongest" + ",".join(f"{value:g}" for value in self.strongest))
        if self.span:
            words.append("span" + ",".join(map(str, self.span)))
        return "-".join(words)

    @property
    def weighted(self):
        return "weighted" in self.marks

    @property
    def shape(self):
        return self.sequences, self.length, self.width, self.motifs

    @property
    def windows(self):
        return window_count(self.length, self.width, self.padding)

    @property
    def options(self):
        return {"reduction": self.reduction, "padding": self.padding}

    @functools.cached_property
    def spans(self):
        """The span as the operation takes it, or None."""
        if "spans" not in self.marks:
            return np.array(self.span, np.int32) if self.span else None
        random = np.random.default_rng(self.length)
        spans = random.integers(0, self.length + 1, (self.sequences, 2)).astype(np.int32)
        spans.sort(axis=1)
        spans[0] = self.length // 2
        spans[-1, 0] = 0
        return spans

    @property
    def spanned(self):
        """The span and column range, as named arguments of the oracle and the plain operations."""
        if self.spans is None:
            return {}
        return {"span": self.spans, "column_range": self.column_range}

    @functools.cached_property
    def column_range(self):
        return random_range(self.width, self.motifs) if "held" in self.marks else None

    @functools.cached_property
    def arguments(self):
        """Arguments of the operation by name, without the column range."""
        random = np.random.default_rng(self.sequences + 10 * self.length + 100 * self.width)
        width, motifs = self.width, self.motifs
        # As in the tests of the CPU kernels: tens of nats for a whole site, a few unknown bases.
        scale = 1.5 / np.sqrt(width / 5 + 1)
        sequence = random.integers(0, 4, self.shape[:2]).astype(np.uint8)
        sequence[random.random(sequence.shape) < (1 if "unknown" in self.marks else 0.1)] = 4
        log_kd = random.normal(0, scale, (width, 4, motifs)).astype(np.float32)
        if "steep" in self.marks:
            # Sites in the sequences are far weaker than the strongest possible site.
            log_kd *= 4
        if "narrow" in self.marks:
            edges = random_range(width, motifs, seed=3)
            column = np.arange(width)[:, None]
            log_kd *= ((column >= edges[0]) & (column < edges[1]))[:, None]
        arguments = {
            "sequence": sequence,
            "log_kd": log_kd,
            "log_concentration": random.normal(-2, 2, motifs).astype(np.float32),
        }
        if self.strongest:
            best = np.minimum(self.held(log_kd).min(axis=1), 0).sum(axis=0)
            strongest = np.resize(self.strongest, motifs) * LN2
            arguments["log_concentration"] = (strongest + best).astype(np.float32)
        if self.weighted:
            shape = (2, self.windows, motifs)
            arguments["position_weight"] = random.normal(1, 1, shape).astype(np.float32)
        return arguments

    def held(self, log_kd):
        """The same matrix with zeros in the held columns."""
        return np.where(self.trained, log_kd, np.zeros_like(log_kd[:1]))

    @functools.cached_property
    def trained(self):
        """Whether a column has a gradient, [W, 1, M]."""
        if self.column_range is None:
            return np.ones((self.width, 1, self.motifs), bool)
        column = np.arange(self.width)[:, None]
        first, end = self.column_range
        return ((column >= first) & (column < end))[:, None]

    @functools.cached_property
    def plain_arguments(self):
        """The same problem without a column range."""
        return self.arguments | {"log_kd": self.held(self.arguments["log_kd"])}

    @functools.cached_property
    def expected(self):
        """(bound, weighted) of the oracle."""
        return occupancy_oracle(**self.plain_arguments, **self.options, **self.spanned)

    @functools.cached_property
    def terms(self):
        """For each output, the sum of the absolute values of its terms."""
        arguments = dict(self.plain_arguments)
        if self.weighted:
            arguments["position_weight"] = np.abs(arguments["position_weight"])
        return [
            x if x is None else np.abs(x)
            for x in occupancy_oracle(**arguments, **self.options, **self.spanned)
        ]

    @functools.cached_property
    def upstream(self):
        """Upstream gradients of bound and weighted; those of one sequence are 0."""
        upstream = random_upstream(self.expected)
        for gradient in upstream:
            if gradient is not None and self.sequences > 2:
                gradient[1] = 0
        return upstream

    @functools.cached_property
    def expected_gradient(self):
        gradient = occupancy_oracle_gradient(
            **self.plain_arguments,
            **self.options,
            **self.spanned,
            grad_bound=self.upstream[0],
            grad_weighted=self.upstream[1],
        )
        gradient["log_kd"] = np.where(self.trained, gradient["log_kd"], 0)
        return gradient


EXPECTED, UNBOUND = "expected", "log_unbound"
SAME, VALID = "same", "valid"
F32, BF16, F16 = "float32", "bfloat16", "float16"

CASES = [
    # Weak sites of motifs whose strongest possible site is much stronger.
    Case(8, 110, 30, 8, EXPECTED, SAME, F32, "steep"),
    Case(3, 110, 30, 9, UNBOUND, SAME, F32, "steep weighted"),
    # Empty and very small problems.
    Case(0, 10, 3, 2),
    Case(0, 30, 9, 9, UNBOUND, VALID, BF16, "weighted held"),
    Case(1, 1, 1, 1),
    Case(1, 1, 1, 1, UNBOUND, VALID, F16, "weighted"),
    Case(2, 1, 70, 7, EXPECTED, SAME, F32, "weighted"),
    Case(5, 15, 16, 8, UNBOUND, SAME, F32, "weighted"),
    Case(1, 16, 33, 9, EXPECTED, SAME, F16, "held"),
    Case(2, 17, 17, 7, EXPECTED, VALID, F32, "weighted held"),
    Case(2, 30, 7, 5, EXPECTED, SAME, F32, "unknown weighted"),
    Case(2, 30, 7, 5, UNBOUND, SAME, BF16, "unknown"),
    # Lengths next to multiples of a tile (16 windows) and of a strip (4 or 7 tiles).
    Case(5, 15, 4, 9, EXPECTED, SAME, F32),
    Case(5, 16, 4, 9, EXPECTED, SAME, F32, "weighted"),
    Case(5, 17, 4, 9, UNBOUND, SAME, F32),
    Case(5, 17, 3, 17, UNBOUND, VALID, F32, "weighted"),
    Case(3, 64, 8, 8, EXPECTED, SAME, F32, "weighted held"),
    Case(3, 65, 8, 8, UNBOUND, SAME, F32, "held"),
    Case(3, 64, 9, 17, EXPECTED, SAME, BF16, "weighted"),
    Case(2, 110, 30, 33, EXPECTED, SAME, F32, "narrow"),
    Case(2, 110, 30, 33, UNBOUND, SAME, F32, "narrow weighted"),
    Case(2, 110, 30, 17, EXPECTED, SAME, F32, "narrow weighted held"),
    Case(2, 110, 30, 17, UNBOUND, SAME, BF16, "narrow weighted held"),
    Case(2, 110, 30, 17, EXPECTED, VALID, F16, "narrow"),
    Case(3, 111, 7, 9, EXPECTED, SAME, F32),
    Case(3, 112, 8, 9, UNBOUND, SAME, F32, "weighted"),
    Case(3, 113, 9, 9, EXPECTED, SAME, F32, "weighted"),
    Case(3, 113, 3, 9, EXPECTED, SAME, F16),
    Case(2, 112, 1, 8, UNBOUND, VALID, F32),
    Case(2, 113, 4, 7, EXPECTED, VALID, BF16, "weighted"),
    Case(2, 150, 16, 9, EXPECTED, SAME, F32, "weighted held"),
    Case(2, 150, 31, 8, UNBOUND, VALID, F32, "narrow"),
    Case(1, 250, 12, 17, EXPECTED, SAME, F32, "weighted"),
    Case(1, 250, 30, 9, UNBOUND, SAME, F16, "weighted narrow"),
    # Widths next to multiples of a step (8 columns) and of a chunk (32 columns).
    Case(3, 20, 1, 7, EXPECTED, SAME, F32, "weighted"),
    Case(3, 20, 3, 7, UNBOUND, SAME, F32),
    Case(3, 20, 4, 7, EXPECTED, SAME, F16, "held"),
    Case(3, 40, 7, 17, EXPECTED, VALID, F32, "weighted held narrow"),
    Case(3, 40, 8, 17, UNBOUND, VALID, F32, "held"),
    Case(3, 40, 9, 17, EXPECTED, SAME, F32, "held"),
    Case(2, 60, 31, 9, EXPECTED, SAME, F32, "weighted"),
    Case(2, 60, 32, 9, UNBOUND, SAME, F32, "weighted held"),
    Case(2, 60, 33, 9, EXPECTED, SAME, F32, "held narrow"),
    Case(2, 60, 33, 8, EXPECTED, VALID, BF16, "weighted"),
    Case(2, 60, 40, 7, UNBOUND, VALID, F32, "weighted narrow"),
    Case(2, 80, 70, 9, EXPECTED, SAME, F32, "weighted held"),
    Case(2, 80, 70, 8, UNBOUND, VALID, F16, "held"),
    Case(1, 130, 65, 33, EXPECTED, SAME, F32, "narrow"),
    # Motif counts next to multiples of a tile (8 motifs), of a warp's pair of tiles and of a
    # block's 8 tiles.
    Case(5, 20, 5, 1, UNBOUND, SAME, F32, "weighted"),
    Case(5, 20, 5, 8, EXPECTED, SAME, F32),
    Case(5, 20, 5, 9, UNBOUND, SAME, F16, "weighted"),
    Case(2, 20, 5, 33, EXPECTED, SAME, F32, "weighted held"),
    Case(2, 20, 5, 70, UNBOUND, SAME, F32, "narrow"),
    Case(2, 20, 9, 70, EXPECTED, VALID, BF16, "weighted"),
    # Sequence counts next to multiples of a slice (4) and of a block's warps, and one block more.
    Case(17, 20, 6, 9, EXPECTED, SAME, F32, "weighted"),
    Case(33, 20, 6, 9, UNBOUND, SAME, F32, "held"),
    Case(33, 17, 4, 17, EXPECTED, VALID, F32, "weighted held"),
    Case(33, 20, 6, 7, EXPECTED, SAME, BF16, "weighted"),
    Case(150, 20, 4, 3, EXPECTED, SAME, F32, "weighted"),
    # Weak and strong motifs, with odds near the limit up to which sites share a division.
    Case(3, 50, 13, 9, EXPECTED, SAME, F32, "weighted", (-40,)),
    Case(3, 50, 13, 9, UNBOUND, SAME, F32, "", (-40, -20, 0, 10)),
    Case(3, 50, 13, 9, EXPECTED, SAME, F32, "weighted", (29.9,)),
    Case(3, 50, 13, 9, UNBOUND, SAME, F32, "weighted", (30.1,)),
    Case(3, 50, 13, 9, UNBOUND, SAME, F32, "", (29.9, 30.1)),
    Case(3, 50, 13, 17, EXPECTED, SAME, F32, "weighted held", (-40, 0, 20, 40, 60)),
    Case(3, 50, 13, 17, UNBOUND, SAME, F32, "narrow", (-20, 45, 100)),
    Case(3, 50, 13, 9, UNBOUND, SAME, BF16, "weighted", (-20, 35, 50)),
    Case(3, 50, 13, 9, EXPECTED, SAME, F16, "held", (-20, 35)),
    # Spans: empty; whole; one base at either end; limits on both sides of rows 8 and 16 of a tile
    # and of the last row of a strip; a different span for each sequence. Also motifs narrower than
    # their windows.
    Case(2, 30, 7, 5, EXPECTED, SAME, F32, "weighted", span=(9, 9)),
    Case(2, 30, 7, 5, UNBOUND, SAME, F32, span=(0, 30)),
    Case(3, 20, 1, 7, EXPECTED, SAME, F32, "weighted", span=(8, 16)),
    Case(3, 64, 8, 8, EXPECTED, SAME, F32, "weighted held", span=(15, 17)),
    Case(3, 64, 8, 9, UNBOUND, VALID, F32, "weighted held", span=(14, 24)),
    Case(3, 113, 9, 9, UNBOUND, SAME, F32, "weighted", span=(0, 1)),
    Case(3, 113, 9, 9, EXPECTED, SAME, F32, "held", span=(112, 113)),
    Case(2, 110, 30, 33, EXPECTED, SAME, F32, "weighted held", span=(17, 97)),
    Case(2, 110, 30, 17, UNBOUND, VALID, F32, "weighted", span=(40, 48)),
    Case(2, 60, 33, 9, EXPECTED, SAME, F16, "held", span=(20, 31)),
    Case(2, 250, 12, 17, EXPECTED, SAME, F32, "weighted spans"),
    Case(5, 250, 12, 9, UNBOUND, SAME, F32, "weighted held spans"),
    Case(2, 130, 65, 9, EXPECTED, SAME, F32, "weighted narrow spans"),
    Case(33, 17, 4, 17, EXPECTED, VALID, F32, "weighted held spans"),
    Case(5, 20, 5, 9, EXPECTED, SAME, BF16, "weighted spans"),
    Case(17, 40, 6, 9, UNBOUND, SAME, F32, "held spans"),
    Case(4, 50, 13, 9, EXPECTED, SAME, F32, "weighted spans", (30.1,)),
    Case(4, 50, 13, 9, UNBOUND, SAME, F32, "held spans", (-20, 0, 45)),
]


def _first_of_every_kind(cases):
    """The cases with a property that no earlier case has; the others differ only in size."""
    seen, found = set(), []
    for case in cases:
        if not case.kinds <= seen:
            seen |= case.kinds
            found.append(case)
    return found


FEW_CASES = _first_of_every_kind(CASES)
