"""The problems on which the CUDA kernels are checked, forward and backward, by every executor.

Numbers follow from a case's shape and options; what is expected comes from the float64 oracle.
Needs NumPy alone.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient, window_count

LN2 = np.log(2)


def random_range(width, motifs, seed=2):
    """Columns of motifs narrower than the window; some motifs have no columns."""
    edges = np.random.default_rng(seed).integers(0, width + 1, (2, motifs))
    return np.sort(edges, axis=0).astype(np.int32)


def random_upstream(outputs, seed=1):
    """Gradients with respect to the outputs that there are."""
    random = np.random.default_rng(seed)
    return [
        None if output is None else random.normal(size=output.shape).astype(np.float32)
        for output in outputs
    ]


def weight_sets(case):
    """K, sets of position weights; 0 without weights."""
    weight = case.arguments.get("position_weight")
    return 0 if weight is None else 1 if weight.ndim == 3 else len(weight)


def condition_count(case):
    """C, conditions with concentrations of their own."""
    concentration = case.arguments["log_concentration"]
    return 1 if concentration.ndim == 1 else len(concentration)


def sum_shapes(case):
    """Shapes of bound and of weighted, with the axes of conditions and of sets where they are."""
    each = case.arguments["log_concentration"].ndim == 2 and case.condition is None
    rows = (case.sequences, condition_count(case))[: 1 + each]
    weight = case.arguments.get("position_weight")
    sets = () if weight is None else weight.shape[:-3]
    return (*rows, 2, case.motifs), (*rows, *sets, 2, case.motifs)


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
    # four times as large. "spans", "lengths": each sequence has its own. "absent": some motifs have
    # a concentration of 0, and if "extreme" also extreme entries. "assigned": each sequence has one
    # of the conditions.
    marks: str = ""
    # Log2 odds of the strongest site, for the motifs in turn. Empty: concentrations around e^-2.
    strongest: tuple[float, ...] = ()
    # First base and end of the span, the same for all sequences.
    span: tuple[int, ...] = ()
    # K, sets of position weights, and C, conditions; 0: no axis of these.
    sets: int = 0
    conditions: int = 0

    @property
    def kinds(self):
        """The properties of the problem, except its sizes."""
        return {
            ("marks", "" if self.sets or self.conditions else self.marks, bool(self.span)),
            ("several", min(self.sets, 2), min(self.conditions, 2), "assigned" in self.marks),
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
        words += [f"{count}{what}" for count, what in self._several if count]
        return "-".join(words)

    @property
    def _several(self):
        return (self.sets, "sets"), (self.conditions, "conditions")

    @property
    def weighted(self):
        """Whether there are position weights."""
        return "weighted" in self.marks

    @property
    def shape(self):
        """N, L, W, M."""
        return self.sequences, self.length, self.width, self.motifs

    @property
    def windows(self):
        """P, the number of windows of a row."""
        return window_count(self.length, self.width, self.padding)

    @property
    def options(self):
        """What the operation and the oracle are told beside arrays."""
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

    @functools.cached_property
    def own_length(self):
        """The length of each sequence, [N], or None: bases behind it do not count."""
        if "lengths" not in self.marks:
            return None
        random = np.random.default_rng(self.length + self.width)
        lengths = random.integers(0, self.length + 1, self.sequences)
        edges = [self.width, 0, self.length, self.width - 1, 1]
        lengths[: len(edges)] = edges[: self.sequences]
        return np.minimum(lengths, self.length).astype(np.int32)

    @functools.cached_property
    def condition(self):
        """The condition of each sequence, [N], or None: each has all."""
        if "assigned" not in self.marks:
            return None
        random = np.random.default_rng(self.length)
        return random.integers(0, max(1, self.conditions - 1), self.sequences).astype(np.int32)

    @functools.cached_property
    def absent(self):
        """Whether a motif's concentration is 0, [M]."""
        return np.arange(self.motifs) % 4 == 2 if "absent" in self.marks else False

    @property
    def limits(self):
        """Span, column range and lengths, as named arguments of the oracle."""
        limits = {}
        if self.spans is not None:
            limits |= {"span": self.spans, "column_range": self.column_range}
        if self.own_length is not None:
            limits["length"] = self.own_length
        if self.condition is not None:
            limits["condition"] = self.condition
        return limits

    @functools.cached_property
    def column_range(self):
        """[2, M], or None: all columns are the motifs' own."""
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
        if self.conditions:
            # The concentration above is the largest. Some differences are small, some are not.
            less = random.choice([0.3, 3.0, 30.0], (self.conditions, motifs))
            less *= random.random(less.shape)
            less[random.integers(0, self.conditions, motifs), np.arange(motifs)] = 0
            if "absent" in self.marks:
                less[0, np.arange(motifs) % 4 == 1] = np.inf
            arguments["log_concentration"] = (arguments["log_concentration"] - less).astype(
                np.float32
            )
        if "absent" in self.marks:
            arguments["log_concentration"][..., self.absent] = -np.inf
        if "extreme" in self.marks:
            extreme = random.choice([-3e38, 3e38, 1e-38], log_kd.shape).astype(np.float32)
            log_kd[..., self.absent] = extreme[..., self.absent]
        if self.weighted:
            shape = (self.sets or 1, 2, self.windows, motifs)[0 if self.sets else 1 :]
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
        return occupancy_oracle(**self.plain_arguments, **self.options, **self.limits)

    @functools.cached_property
    def terms(self):
        """For each output, the sum of the absolute values of its terms."""
        arguments = dict(self.plain_arguments)
        if self.weighted:
            arguments["position_weight"] = np.abs(arguments["position_weight"])
        return [
            x if x is None else np.abs(x)
            for x in occupancy_oracle(**arguments, **self.options, **self.limits)
        ]

    @functools.cached_property
    def upstream(self):
        """Upstream gradients of bound and weighted; those of one sequence are 0."""
        bound, weighted = (np.broadcast_to(np.float32(0), shape) for shape in sum_shapes(self))
        upstream = random_upstream([bound, weighted if self.weighted else None])
        for gradient in upstream:
            if gradient is not None and self.sequences > 2:
                gradient[1] = 0
        return upstream

    @functools.cached_property
    def expected_gradient(self):
        """Gradients of the oracle by the name of the argument."""
        gradient = occupancy_oracle_gradient(
            **self.plain_arguments,
            **self.options,
            **self.limits,
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
    Case(2, 128, 3, 9, EXPECTED, SAME, F32, "weighted"),
    Case(2, 129, 3, 9, UNBOUND, SAME, F32),
    Case(2, 150, 16, 9, EXPECTED, SAME, F32, "weighted held"),
    Case(2, 177, 5, 9, UNBOUND, SAME, F32, "weighted"),
    Case(2, 150, 31, 8, UNBOUND, VALID, F32, "narrow"),
    Case(1, 250, 12, 17, EXPECTED, SAME, F32, "weighted"),
    Case(1, 250, 30, 9, UNBOUND, SAME, F16, "weighted narrow"),
    # Long sequences: blocks of the gradient go from strip to strip, from sequence to sequence and
    # from motifs to motifs; 1 to 4 warps in a block.
    Case(1, 9000, 9, 9),
    Case(2, 3000, 5, 33, UNBOUND, VALID, F32, "weighted"),
    Case(5, 1000, 9, 70, EXPECTED, SAME, F32, "weighted held lengths spans"),
    Case(40, 120, 30, 64, UNBOUND, SAME, F32, "narrow"),
    Case(30, 40, 9, 57, EXPECTED, SAME, F16, "weighted lengths"),
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
    # More motifs than a block sorts.
    Case(1, 20, 5, 300, EXPECTED, SAME, F32, "narrow held"),
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
    # Lengths: no base, one, one less than a motif or as many, all; over strips, slices, groups of
    # windows and chunks of columns; with spans, of which a part lies behind the sequence.
    Case(6, 40, 9, 9, EXPECTED, SAME, F32, "weighted lengths"),
    Case(6, 40, 9, 9, UNBOUND, VALID, F32, "weighted held lengths"),
    Case(33, 110, 30, 9, UNBOUND, SAME, F32, "lengths"),
    Case(9, 250, 12, 17, EXPECTED, SAME, F32, "weighted lengths"),
    Case(9, 250, 12, 9, UNBOUND, VALID, F32, "lengths"),
    Case(6, 130, 65, 9, EXPECTED, SAME, F32, "weighted narrow lengths"),
    Case(6, 50, 13, 9, UNBOUND, SAME, F32, "weighted lengths", (-20, 0, 45)),
    Case(20, 113, 9, 9, EXPECTED, SAME, F32, "weighted held lengths spans"),
    Case(9, 250, 12, 9, UNBOUND, VALID, F32, "weighted held lengths spans"),
    Case(7, 64, 8, 9, EXPECTED, SAME, F32, "weighted lengths", span=(20, 40)),
    Case(6, 60, 9, 9, UNBOUND, SAME, BF16, "weighted lengths"),
    Case(6, 60, 9, 9, EXPECTED, VALID, F16, "weighted held lengths spans"),
    # Many strips of few motifs, groups of strips, sequences that lack some of them.
    Case(1, 1300, 9, 9, EXPECTED, SAME, F32),
    Case(2, 7300, 5, 8, EXPECTED, VALID, F32, "lengths"),
    Case(1, 7300, 3, 3, UNBOUND, SAME, F32, "weighted"),
    Case(6, 500, 9, 9, UNBOUND, SAME, F32, "weighted lengths spans"),
    # Several slices of motifs for blocks that go on from one to the next.
    Case(13, 30, 9, 100, EXPECTED, SAME, F32, "narrow"),
    Case(5, 40, 9, 230, UNBOUND, SAME, F32, "weighted"),
    Case(37, 20, 33, 70, EXPECTED, SAME, BF16, "lengths"),
    # Motifs with a concentration of 0, beside weak and strong ones.
    Case(3, 50, 13, 17, EXPECTED, SAME, F32, "weighted absent extreme"),
    Case(3, 50, 13, 17, UNBOUND, SAME, F32, "weighted absent extreme", (-20, 0, 45)),
    Case(6, 40, 9, 9, UNBOUND, SAME, F32, "weighted held lengths spans absent extreme"),
    Case(5, 50, 13, 9, EXPECTED, SAME, F16, "weighted lengths absent"),
    # Several sets of position weights: one, two, one and a half pairs; odd shapes; strong sites;
    # held columns, spans and lengths; 16 bits; no sequences.
    Case(3, 40, 9, 9, EXPECTED, SAME, F32, "weighted", sets=1),
    Case(2, 110, 30, 17, EXPECTED, SAME, F32, "weighted", sets=2),
    Case(3, 113, 9, 9, UNBOUND, VALID, F32, "weighted held", sets=2),
    Case(5, 17, 33, 7, EXPECTED, SAME, F32, "weighted lengths", sets=3),
    Case(3, 50, 13, 9, UNBOUND, SAME, F32, "weighted", (-20, 0, 45), sets=3),
    Case(6, 150, 9, 70, EXPECTED, SAME, F32, "weighted held lengths spans", sets=2),
    Case(40, 30, 9, 57, EXPECTED, SAME, F16, "weighted lengths", sets=2),
    Case(6, 60, 9, 9, UNBOUND, SAME, BF16, "weighted", sets=2),
    Case(0, 30, 9, 9, EXPECTED, SAME, F32, "weighted", sets=2),
    Case(1, 1, 1, 1, UNBOUND, VALID, F32, "weighted", sets=4),
    # Conditions: one, some, many more than sequences; factors absent in some or in all of them.
    Case(3, 40, 9, 9, EXPECTED, SAME, F32, "", conditions=1),
    Case(2, 110, 30, 17, EXPECTED, SAME, F32, "absent", conditions=4),
    Case(3, 113, 9, 9, UNBOUND, VALID, F32, "held absent", conditions=3),
    Case(3, 50, 13, 17, EXPECTED, SAME, F32, "absent extreme", (-20, 0, 45, 100), conditions=3),
    Case(3, 50, 13, 9, UNBOUND, SAME, F32, "", (-40, -20, 0, 60), conditions=2),
    Case(5, 130, 65, 9, EXPECTED, SAME, F32, "narrow lengths spans", conditions=2),
    Case(2, 500, 5, 9, UNBOUND, SAME, F32, "lengths absent", conditions=17),
    Case(6, 60, 9, 9, EXPECTED, SAME, F16, "absent", conditions=3),
    Case(6, 60, 9, 9, UNBOUND, SAME, BF16, "", conditions=2),
    Case(0, 30, 9, 9, EXPECTED, SAME, F32, "", conditions=3),
    Case(1, 7300, 3, 3, EXPECTED, SAME, F32, "", conditions=2),
    # A condition for each sequence; more sequences than a block sorts, more conditions than rows.
    Case(5, 40, 9, 9, EXPECTED, SAME, F32, "assigned", conditions=1),
    Case(9, 110, 30, 17, EXPECTED, SAME, F32, "assigned absent", conditions=3),
    Case(7, 113, 9, 9, UNBOUND, VALID, F32, "assigned lengths", (-20, 0, 45), conditions=20),
    Case(300, 20, 5, 9, EXPECTED, SAME, F32, "assigned", conditions=4),
    Case(4, 250, 12, 9, EXPECTED, SAME, F32, "assigned spans held", conditions=3),
    Case(0, 30, 9, 9, EXPECTED, SAME, F32, "assigned", conditions=2),
    # Both.
    Case(3, 110, 30, 17, EXPECTED, SAME, F32, "weighted absent", sets=2, conditions=4),
    Case(4, 64, 8, 33, UNBOUND, SAME, F32, "weighted held lengths spans", sets=3, conditions=2),
    Case(3, 50, 13, 9, EXPECTED, SAME, F32, "weighted", (-20, 30.1, 45), sets=2, conditions=2),
    Case(9, 40, 9, 9, EXPECTED, SAME, F32, "weighted assigned lengths", sets=2, conditions=3),
    Case(5, 150, 40, 9, UNBOUND, SAME, F32, "weighted assigned", sets=1, conditions=3),
    Case(6, 50, 13, 9, EXPECTED, SAME, F16, "weighted absent", sets=2, conditions=3),
    Case(3, 40, 9, 9, EXPECTED, VALID, F32, "weighted", conditions=3),
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
