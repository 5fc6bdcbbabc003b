"""What a model consists of: its layers and sizes, and parameters to begin with."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from cisreg.arrays import not_finite
from cisreg.choices import PAIR_DISTANCE, PAIR_KNOTS, ConstantEnds, Padding, check_choice
from cisreg.limits import (
    LONGEST_SEQUENCE,
    MOST_MOTIFS,
    MOST_OUTPUTS,
    WIDEST_MOTIF,
    check_memory,
    check_range,
)
from cisreg.number_text import LARGEST_FLOAT32

Binding = Literal["expected", "probability"]
Link = Literal["identity", "logistic", "softplus", "exponential"]
# Bases that a nucleosome covers.
NUCLEOSOME_WIDTH = 147
# The parameters of each link, all scalars.
LINK_PARAMETERS: dict[str, tuple[str, ...]] = {
    "identity": (),
    "logistic": ("link_floor", "link_ceiling"),
    "softplus": ("link_scale",),
    "exponential": ("link_scale",),
}
# The parameters that are one number of a model, and those that are one of each factor, which
# outputs may have of their own. Motifs and position weights are always shared.
SCALARS = (
    *("potentiation_bias", "accessibility_activity", "bias"),
    *("link_floor", "link_ceiling", "link_scale"),
)
OF_FACTORS = (
    *("log_concentration", "potentiation", "log_binding_limit"),
    *("activity", "activity_difference"),
)
DIFFERING = (*OF_FACTORS, *SCALARS)


@dataclasses.dataclass(frozen=True, repr=False)
class ModelSpec:
    """Which layers a model has, and its sizes.

    Attributes:
        motif_count: number of motifs, M.
        motif_width: width of the motifs in bases, W.
        sequence_length: length of the sequences in bases, L.
        binding: "expected", the occupancy summed over all sites, or "probability", the probability
            that at least one site is occupied. Position weights always apply to expected
            occupancies.
        potentiation: bound factors open or close the chromatin; without it all is accessible.
        accessibility_activity: accessibility also acts on expression directly.
        binding_limit: a motif's contribution stays between 0 and activity * exp(log_binding_limit);
            with position weights the limit also applies to each single site.
        positional: sites are weighted by their window for expression, not for accessibility.
        stranded: reverse-strand sites have activity + activity_difference, and separate position
            weights.
        padding: "same" also scans windows over the ends of the sequence, "valid" does not.
        position_knots: make the position weights a smooth curve through this many knots; None for
            one free weight for each window.
        constant_left: number of bases at the left end (after padding) that are the same in all
            sequences, such as a primer site; 0: none.
        constant_right: the same at the right end (before padding).
        constant_ends: how constant ends are treated. "context": a motif may reach into them, but a
            site does not count where all of the motif's own columns (`column_range`) are in a
            constant end or outside the sequence. Such a site is the same in every sequence and
            would act like a bias. "trim": the same, and the bases of constant ends are unknown
            to all motifs. "keep": they are bases like any other.
        positional_potentiation: sites are weighted by their window for accessibility too, with
            weights of their own; knots and strands are as for the weights of `positional`, which
            may be on or off.
        link: how expression follows from the score, the bias plus the effects of all factors.
            "identity": it is the score. "logistic": it rises from `link_floor` to `link_ceiling`,
            both trained, and the score is a log odds. "softplus" and "exponential": it is above 0,
            for counts; the softplus is the score itself far above 0, the exponential makes the
            score a logarithm.
        output_count: number of outputs, T, such as conditions, cell types, or replicates that
            are read out in a way of their own. With more than one, expression has a column for
            each.
        differ: the parameters, by name, that each output has of its own, of `DIFFERING`: they have
            a first axis of T. All others are shared; motifs and position weights always are.
        competition: sites exclude each other: no base is covered twice, by the columns that a
            motif has (`column_range`). The binding is that of `cisreg.exclusive_occupancy`.
        pairs: Q pairs (a, b) of motifs, by their places among the M, whose sites act together: an
            effect for each orientation and distance of a site of b from one of a, see
            `cisreg.pairs`. a and b may be the same motif.
        pair_distance: sites whose centres are this many bases apart, or more, have no such effect.
        pair_knots: K, the number of knots of the curve over the distance; they lie
            2 * pair_distance / (K + 1) bases apart, a whole number.
        nucleosome: with competition, a nucleosome may lie on any 147 bases of the sequence,
            whatever they are, and excludes sites there. The log of its odds at each place is
            trained.

    Raises:
        ValueError: a size is out of range, or options exclude each other.

    Example:
        >>> spec = ModelSpec(motif_count=245, motif_width=30, sequence_length=110, stranded=True)
        >>> spec.parameter_shapes["activity_difference"]
        (245,)
    """

    motif_count: int
    motif_width: int
    sequence_length: int
    binding: Binding = "expected"
    potentiation: bool = True
    accessibility_activity: bool = False
    binding_limit: bool = False
    positional: bool = False
    stranded: bool = False
    padding: Padding = "same"
    position_knots: int | None = None
    constant_left: int = 0
    constant_right: int = 0
    constant_ends: ConstantEnds = "context"
    positional_potentiation: bool = False
    link: Link = "identity"
    output_count: int = 1
    differ: tuple[str, ...] = ()
    competition: bool = False
    pairs: tuple[tuple[int, int], ...] = ()
    pair_distance: int = PAIR_DISTANCE
    pair_knots: int = PAIR_KNOTS
    nucleosome: bool = False

    def __post_init__(self) -> None:
        for name in ("motif_count", "motif_width", "sequence_length", "output_count"):
            size = getattr(self, name)
            if not isinstance(size, int) or size < 1:
                raise ValueError(f"{name}: expected an integer of at least 1, got {size!r}")
        check_range("motif_count", self.motif_count, 1, MOST_MOTIFS)
        check_range("motif_width", self.motif_width, 1, WIDEST_MOTIF)
        check_range("sequence_length", self.sequence_length, 1, LONGEST_SEQUENCE)
        check_range("output_count", self.output_count, 1, MOST_OUTPUTS)
        if self.binding not in get_args(Binding):
            raise ValueError(f'binding: expected "expected" or "probability", got {self.binding!r}')
        check_choice("link", self.link, Link)
        for layer in ("accessibility_activity", "positional_potentiation"):
            if getattr(self, layer) and not self.potentiation:
                raise ValueError(
                    f"{layer}: expected potentiation=True beside it, got False; "
                    "accessibility is the output of the potentiation layer"
                )
        self._check_competition()
        self._check_position_knots()
        self._check_constant_ends()
        self._check_differ()
        self._check_pairs()
        numbers = sum(math.prod(shape) for shape in self.parameter_shapes.values())
        check_memory(
            f"a model of {self.motif_count:,} motifs, {self.motif_width:,} columns and "
            f"{self.sequence_length:,} bases",
            4 * numbers,
            "choose smaller sizes",
        )

    def _check_competition(self) -> None:
        if self.nucleosome and not self.competition:
            raise ValueError(
                "nucleosome: expected competition=True beside it, got False; only sites that "
                "exclude each other make room for a nucleosome or lack it"
            )
        if self.nucleosome and self.sequence_length < NUCLEOSOME_WIDTH:
            raise ValueError(
                f"nucleosome: expected a sequence_length of at least {NUCLEOSOME_WIDTH} bases, "
                f"which a nucleosome covers, got {self.sequence_length}"
            )
        if not self.competition:
            return
        if self.binding != "expected":
            raise ValueError(
                'binding: expected "expected" with competition=True, got '
                f"{self.binding!r}; sites that exclude each other have an expected number of bound "
                "ones, and no probability that any is bound"
            )
        if not self.fused:
            raise ValueError(
                "binding_limit: expected False with competition=True and positional=True, got "
                "True; where sites exclude each other there are no limits of single sites"
            )
        if "log_concentration" in self.differ:
            raise ValueError(
                "differ: expected no log_concentration with competition=True, got it; where sites "
                "exclude each other, other concentrations are another scan: train a model for each"
            )

    def _check_constant_ends(self) -> None:
        check_choice("constant_ends", self.constant_ends, ConstantEnds)
        for name in ("constant_left", "constant_right"):
            bases = getattr(self, name)
            if isinstance(bases, bool) or not isinstance(bases, int) or bases < 0:
                raise ValueError(f"{name}: expected 0 or more bases, got {bases!r}")
        constant = self.constant_left + self.constant_right
        if constant >= self.sequence_length:
            raise ValueError(
                f"constant_left, constant_right: expected fewer bases together than the "
                f"{self.sequence_length} of a sequence, got {constant}"
            )

    def _check_differ(self) -> None:
        # JSON and TOML have lists.
        object.__setattr__(self, "differ", tuple(self.differ))
        if self.differ and self.output_count == 1:
            raise ValueError(
                "differ: expected an output_count of 2 or more beside it, got 1; a single output "
                "differs from no other"
            )
        known = [name for name in DIFFERING if name in self.parameter_shapes]
        foreign = [name for name in self.differ if name not in known]
        if foreign or len(set(self.differ)) < len(self.differ):
            raise ValueError(
                f"differ: expected parameters of this model among {', '.join(known)}, each once, "
                f"got {', '.join(map(repr, self.differ))}"
            )

    def _check_position_knots(self) -> None:
        windows = self.window_count
        if self.position_knots is None:
            return
        if not (self.positional or self.positional_potentiation):
            raise ValueError(
                "position_knots: expected positional=True or positional_potentiation=True beside "
                "it, got False; leave position_knots out or ask for position weights"
            )
        if not 2 <= self.position_knots <= windows:
            raise ValueError(
                f"position_knots: expected 2 to {windows} (one for each window), "
                f"got {self.position_knots}"
            )

    def _check_pairs(self) -> None:
        if self.pairs and self.competition:
            raise ValueError(
                "pairs: expected none with competition=True, whose sites are not computed one by "
                f"one, got {len(self.pairs)}; choose one of both"
            )
        if self.pairs and "log_concentration" in self.differ:
            raise ValueError(
                "differ: expected no log_concentration in a model with pairs, whose sites have one "
                "occupancy, got it; leave it out"
            )
        # JSON has lists.
        pairs = tuple(tuple(each) for each in self.pairs)
        object.__setattr__(self, "pairs", pairs)
        known = range(self.motif_count)
        for number, pair in enumerate(pairs):
            if len(pair) != 2 or not all(type(each) is int and each in known for each in pair):
                raise ValueError(
                    f"pairs: expected two places of motifs each, 0 to {self.motif_count - 1}, got "
                    f"{list(pair)}"
                )
            if set(pair) in [set(each) for each in pairs[:number]]:
                raise ValueError(
                    f"pairs: expected each pair once, in either order, got {list(pair)} again"
                )
        names = ("pair_distance", "pair_knots")
        for name, least in zip(names, (2, 1), strict=True):
            size = getattr(self, name)
            if type(size) is not int or not least <= size <= LONGEST_SEQUENCE:
                raise ValueError(
                    f"{name}: expected an integer of {least} to {LONGEST_SEQUENCE}, got {size!r}"
                )
        if not pairs and (self.pair_distance, self.pair_knots) != (
            PAIR_DISTANCE,
            PAIR_KNOTS,
        ):
            raise ValueError(
                "pair_distance, pair_knots: expected pairs beside them, got none; name pairs of "
                "motifs, or leave both out"
            )
        if 2 * self.pair_distance % (self.pair_knots + 1):
            raise ValueError(
                "pair_knots: expected knots a whole number of bases apart, 2 * pair_distance / "
                f"(pair_knots + 1), got 2 * {self.pair_distance} / {self.pair_knots + 1}; with "
                f"knots 5 bases apart, pair_distance={5 * max(1, self.pair_distance // 5)} has "
                f"pair_knots={2 * max(1, self.pair_distance // 5) - 1}"
            )

    def __repr__(self) -> str:
        """The sizes, and the options that differ from their defaults."""
        shown = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"ModelSpec({', '.join(shown)})"

    @property
    def window_count(self) -> int:
        """Windows scanned in each sequence, P."""
        return window_count(self.sequence_length, self.motif_width, self.padding)

    @property
    def has_span(self) -> bool:
        """Whether only windows count that overlap the bases between constant ends."""
        return self.constant_ends != "keep" and self.constant_left + self.constant_right > 0

    @property
    def needs_columns(self) -> bool:
        """Whether predictions depend on which columns are a motif's own (`column_range`)."""
        return self.has_span or self.competition

    @property
    def ends_unsaid(self) -> bool:
        """Whether constant ends were neither given nor explicitly kept."""
        return self.constant_ends != "keep" and not self.has_span

    @property
    def fused(self) -> bool:
        """Whether the fused operation computes the whole model.

        A binding limit inside a positional sum needs the occupancy of each site; standard
        TensorFlow operations compute that sum, slower and with memory for every site.
        """
        return not (self.positional and self.binding_limit)

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter the model has, in the order of the layers."""
        motifs = (self.motif_count,)
        shapes: dict[str, tuple[int, ...]] = {
            "log_kd": (self.motif_width, 4, self.motif_count),
            "log_concentration": motifs,
        }
        if self.nucleosome:
            shapes["nucleosome_log_odds"] = ()
        positions = self.position_knots or self.window_count
        by_position = (2 if self.stranded else 1, positions, self.motif_count)
        if self.potentiation:
            shapes |= {"potentiation": motifs, "potentiation_bias": ()}
        if self.positional_potentiation:
            shapes["potentiation_position_weight"] = by_position
        if self.positional:
            shapes["position_weight"] = by_position
        if self.binding_limit:
            shapes["log_binding_limit"] = motifs
        shapes["activity"] = motifs
        if self.stranded:
            shapes["activity_difference"] = motifs
        if self.accessibility_activity:
            shapes["accessibility_activity"] = ()
        if self.pairs:
            shapes["pair_effect"] = (len(self.pairs), 2, self.pair_knots)
        shapes["bias"] = ()
        shapes |= dict.fromkeys(LINK_PARAMETERS[self.link], ())
        own = {name: shapes[name] for name in self.differ if name in shapes}
        return shapes | {name: (self.output_count, *shape) for name, shape in own.items()}

    @property
    def one_output(self) -> ModelSpec:
        """The spec of each output alone.

        Example:
            >>> ModelSpec(2, 3, 10, output_count=2, differ=("bias",)).one_output
            ModelSpec(motif_count=2, motif_width=3, sequence_length=10)
        """
        return dataclasses.replace(self, output_count=1, differ=())

    def to_dict(self) -> dict[str, Any]:
        """The options as plain values that JSON can hold; `from_dict` reads them back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, options: Mapping[str, Any]) -> ModelSpec:
        """The spec that `to_dict` wrote.

        Raises:
            ValueError: an unknown option, a missing size, or a layer whose value is not true or
                false.

        Example:
            >>> spec = ModelSpec(motif_count=2, motif_width=3, sequence_length=4)
            >>> ModelSpec.from_dict(spec.to_dict()) == spec
            True
        """
        fields = dataclasses.fields(cls)
        unknown = sorted(set(options) - {field.name for field in fields})
        required = {field.name for field in fields if field.default is dataclasses.MISSING}
        missing = sorted(required - set(options))
        if unknown or missing:
            raise ValueError(
                f"model options: expected {', '.join(field.name for field in fields)}; "
                f"unknown: {unknown or 'none'}; missing: {missing or 'none'}"
            )
        for field in fields:
            value = options.get(field.name, field.default)
            if isinstance(field.default, bool) and not isinstance(value, bool):
                raise ValueError(f"{field.name}: expected true or false, got {value!r}")
        return cls(**options)


def scanned_weights(spec: ModelSpec) -> list[str]:
    """The position weights that the scan applies, by the names of their parameters, in its order.

    A binding limit inside a positional sum needs the occupancy of each site: the weights of
    activity are then applied behind the scan.
    """
    scanned = {
        "position_weight": spec.positional and spec.fused,
        "potentiation_position_weight": spec.positional_potentiation,
    }
    return [name for name, there in scanned.items() if there]


def window_count(length: int, width: int, padding: Padding = "same") -> int:
    """Number P of windows of `width` bases scanned in a sequence of `length` bases.

    "same" gives one window per base, also windows that extend beyond the ends; "valid" only windows
    inside the sequence.

    Raises:
        ValueError: unknown padding, or "valid" with windows wider than the sequence.

    Example:
        >>> window_count(110, 30), window_count(110, 30, "valid")
        (110, 81)
    """
    check_choice("padding", padding, Padding)
    if padding == "same":
        return length
    if width > length:
        raise ValueError(
            f'padding="valid" needs windows that fit: expected width <= length, got width {width} '
            f'and length {length}; use padding="same" or longer sequences'
        )
    return length - width + 1


def check_parameters(spec: ModelSpec, parameters: Mapping[str, Any]) -> None:
    """Checks that all parameters of a model are present and have the right shapes.

    Raises:
        ValueError: names the first parameter that is missing or has a different shape.
    """
    for name, shape in spec.parameter_shapes.items():
        if name not in parameters:
            raise ValueError(f"parameters: expected {name} of shape {shape}, got none of that name")
        actual = tuple(parameters[name].shape)
        if actual != shape:
            raise ValueError(f"parameters: expected {name} of shape {shape}, got shape {actual}")


def check_finite(parameters: Mapping[str, Any], motif_names: Sequence[str] = ()) -> None:
    """Checks that all parameters are finite, as the law of the model needs.

    A log concentration may be minus infinity: the factor is knocked out, and bound nowhere.

    Args:
        parameters: arrays or variables by name.
        motif_names: M names, for errors; may be empty.

    Raises:
        ValueError: names the first parameter with a number that is not finite, its motif and index,
            and how many there are.

    Example:
        >>> check_finite({"activity": np.zeros(2), "bias": np.float32(3)}, ["Abf1", "Reb1"])
    """
    for name, value in parameters.items():
        array = np.asarray(value)
        if name == "log_concentration":
            array = np.where(np.isneginf(array), 0.0, array)
        fault = not_finite(array)
        if not fault:
            continue
        of_factors = array.ndim and name not in (*SCALARS, "pair_effect")
        motif = int(np.argwhere(~np.isfinite(array))[0][-1]) if of_factors else len(motif_names)
        of_motif = f", of motif {motif_names[motif]!r}" if motif < len(motif_names) else ""
        raise ValueError(f"parameters: expected finite numbers in {name}, got {fault}{of_motif}")


def check_overflow(
    output: str,
    values: np.ndarray,
    parameters: Mapping[str, Any],
    *,
    begin: int | None = None,
    dtype: str = "float32",
) -> None:
    """Refuses what a model makes of sequences if it is beyond float32, wherever it is computed.

    Args:
        output: what the values are, such as "expression".
        values: float [N, ...], a row for each sequence.
        parameters: of the model, arrays by name.
        begin: the number of the first sequence, for the error; None: rows are no sequences of the
            caller's, such as mutants.
        dtype: what the parameters are too large for.

    Raises:
        OverflowError: names the first such value, how many there are, and the parameter with the
            largest numbers.

    Example:
        >>> check_overflow("expression", np.array([1.0, 2.0]), {"bias": np.zeros(())})
    """
    if not values.size:
        return
    # Not a number, too, is neither above nor below.
    if values.min() >= -LARGEST_FLOAT32 and values.max() <= LARGEST_FLOAT32:
        return
    bad = np.argwhere(~(np.abs(values) <= LARGEST_FLOAT32))
    first = values[tuple(bad[0])]
    # Beyond float32, also where it was computed in float64.
    shown = first if np.isnan(first) else np.copysign(np.inf, first)
    rows, of = f"{len(np.unique(bad[:, 0])):,} of {len(values):,}", "in its batch"
    where = f" for sequence {begin + int(bad[0][0])}, counted from 0" if begin is not None else ""
    sizes = {
        name: np.abs(value[np.isfinite(value)]).max(initial=0.0)
        for name, value in ((name, np.asarray(each)) for name, each in parameters.items())
    }
    largest = max(sizes, key=sizes.__getitem__)
    raise OverflowError(
        f"{output}: expected finite numbers, got {shown}{where} ({rows} {of}): the parameters are "
        f"too large for {dtype}, up to {sizes[largest]:g} in {largest}"
    )
