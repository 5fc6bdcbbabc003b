"""A trained model as one object: layers, parameters, motifs and their origin."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from cisreg.arrays import as_array
from cisreg.batch_prediction import BATCH_SIZE, BatchPrediction, join_predictions
from cisreg.choices import ComputeDtype
from cisreg.data import Columns, Dataset
from cisreg.data.ends import check_known_ends, warn_of_other_ends
from cisreg.data.frames import is_frame, named_columns
from cisreg.display import counted, html_table
from cisreg.losses import Noise
from cisreg.motifs import MotifSet
from cisreg.names import check_names
from cisreg.outputs import default_output_names, output_index, parameters_of_outputs
from cisreg.sequences import encode
from cisreg.spec import OF_FACTORS, ModelSpec, check_finite, check_overflow, check_parameters

if TYPE_CHECKING:
    import pandas as pd

    from cisreg.interpret.concentrations import ConcentrationEffects
    from cisreg.interpret.contributions import Contributions
    from cisreg.interpret.diagnosis import Diagnosis
    from cisreg.interpret.factors import FactorEffects
    from cisreg.interpret.mutagenesis import Mutagenesis
    from cisreg.interpret.variants import VariantEffects
    from cisreg.occupancy import Implementation

logger = logging.getLogger("cisreg.model")

# Number of rows that are checked for the constant ends of the training sequences.
_SEEN_ROWS = 1024


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model: layers, parameters, motifs and their origin.

    Attributes:
        spec: the layers.
        parameters: float32 arrays by name, as `spec.parameter_shapes` lists them.
        motif_names: M distinct names, in the order of the parameters.
        metadata: the origin of the model (table, recipe, seed, ...), as JSON values.
        initial_motifs: the motifs at the start of training; None if unknown, as for an imported
            model.
        column_range: int32 [2, M], for each motif the first column that training could change, and
            the one after the last; all others are zero. None: all columns could change. With
            competition, what a site covers: then it is needed.
        table_columns: the columns of the training table by role, such as {"sequence": "seq",
            "expression": ["log2_ratio"], "weight": None}; empty if unknown.
        unit: the unit of expression, as text; empty if not given.
        noise: the noise model that was trained with it (`cisreg.losses`), all of its numbers given;
            None: it was trained with another loss.
        output_names: distinct names of the outputs of a model of several, such as the columns that
            were measured; if none are given: output_1, output_2 ... (): a model of one output.

    Raises:
        ValueError: the parts do not fit together, for example parameters whose shapes differ from
            the spec's; or a parameter is not finite (see `cisreg.spec.check_finite`).

    Example:
        >>> from cisreg.start import init_parameters
        >>> spec = ModelSpec(motif_count=1, motif_width=3, sequence_length=10)
        >>> parameters = init_parameters(spec, np.full((3, 4, 1), 0.5), np.zeros(1))
        >>> Model(spec, parameters, ("ABF1",)).motifs.names
        ('ABF1',)
    """

    spec: ModelSpec
    parameters: Mapping[str, np.ndarray]
    motif_names: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    initial_motifs: MotifSet | None = None
    column_range: np.ndarray | None = None
    table_columns: Mapping[str, Any] = field(default_factory=dict)
    unit: str = ""
    noise: Noise | None = None
    output_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_parameters(self.spec, self.parameters)
        foreign = sorted(set(self.parameters) - set(self.spec.parameter_shapes))
        if foreign:
            raise ValueError(
                f"parameters: expected {', '.join(self.spec.parameter_shapes)}, got "
                f"{', '.join(foreign)} as well"
            )
        for name, value in self.parameters.items():
            if value.dtype != np.float32:
                raise ValueError(f"parameters: expected {name} of float32, got {value.dtype}")
        object.__setattr__(self, "motif_names", tuple(self.motif_names))
        self._check_names()
        self._check_outputs()
        check_finite(self.parameters, self.motif_names)
        if self.padding_side not in ("left", "right"):
            raise ValueError(
                f'metadata: expected padding_side "left" or "right", got {self.padding_side!r}'
            )
        check_known_ends(self.metadata.get("constant_ends", {}))
        _check_origin(self.table_columns, self.metadata.get("standard_unit"))
        if self.noise is not None and self.noise.unknown:
            raise ValueError(
                "noise: expected a noise model with all of its numbers, got none for "
                f"{', '.join(self.noise.unknown)}; take that of the result of training"
            )
        if self.column_range is not None:
            object.__setattr__(self, "column_range", np.array(self.column_range, np.int32))
            self._check_column_range()
        elif self.spec.competition:
            raise ValueError(
                "column_range: expected the columns that each motif's sites cover with "
                "competition=True, got None; give MotifSet.column_range(flank)"
            )
        if self.initial_motifs is not None:
            self._check_initial_motifs(self.initial_motifs)

    def _check_names(self) -> None:
        names = self.motif_names
        if len(names) != self.spec.motif_count:
            raise ValueError(
                f"motif_names: expected {self.spec.motif_count} names (the model's motif_count), "
                f"got {len(names)}"
            )
        check_names("motif_names", names)

    def _check_outputs(self) -> None:
        count = self.spec.output_count
        names = tuple(self.output_names) or (default_output_names(count) if count > 1 else ())
        if len(names) != (count if count > 1 else 0):
            raise ValueError(
                f"output_names: expected {count} names (the model's output_count), got {len(names)}"
                if count > 1
                else f"output_names: expected none for a model of one output, got {len(names)}"
            )
        check_names("output_names", names)
        object.__setattr__(self, "output_names", names)

    def output(self, name: str) -> Model:
        """One output of a model of several, as a model that every tool takes.

        Args:
            name: of `output_names`.

        Returns:
            A model of one output, with the shared parameters and those of this output; its
            metadata say which, as "output".

        Raises:
            ValueError: there is no output of that name.

        Example:
            >>> model.output("galactose").explain(sequences)  # doctest: +SKIP
        """
        index = output_index(self.output_names, name)
        measured = self.table_columns.get("expression")
        columns = {"expression": [measured[index]]} if measured else {}
        return replace(
            self,
            spec=self.spec.one_output,
            parameters=parameters_of_outputs(self.spec, self.parameters)[index],
            metadata={**self.metadata, "output": name},
            table_columns={**self.table_columns, **columns},
            noise=None if self.noise is None else self.noise.of_output(index),
            output_names=(),
        )

    def _check_column_range(self) -> None:
        assert self.column_range is not None
        width, count = self.spec.motif_width, self.spec.motif_count
        if self.column_range.shape != (2, count):
            raise ValueError(
                f"column_range: expected shape (2, {count}), got {self.column_range.shape}"
            )
        first, end = self.column_range
        if not ((first >= 0) & (first < end) & (end <= width)).all():
            raise ValueError(
                f"column_range: expected a first column below the end, both within 0..{width}, "
                f"got {self.column_range.tolist()}"
            )
        column = np.arange(width)[:, np.newaxis, np.newaxis]
        outside = (column < first) | (column >= end)
        wrong = (outside & (self.parameters["log_kd"] != 0)).any(axis=(0, 1))
        if wrong.any():
            name = self.motif_names[int(np.argmax(wrong))]
            raise ValueError(
                f"column_range: expected log_kd of zero outside of it, got other numbers in "
                f"motif {name!r}"
            )

    def _check_initial_motifs(self, motifs: MotifSet) -> None:
        if motifs.names != self.motif_names or motifs.width != self.spec.motif_width:
            raise ValueError(
                f"initial_motifs: expected the {self.spec.motif_count} motifs of motif_names in "
                f"{self.spec.motif_width} columns, got {len(motifs)} in {motifs.width}, or other "
                "names"
            )

    def __repr__(self) -> str:
        return f"Model({counted(len(self.motif_names), 'motif')}, {self.spec!r})"

    def _repr_html_(self) -> str:
        columns = {
            "motif": self.motif_names,
            "strongest site": self.motifs.strongest_site(),
            **{name.replace("_", " "): each.tolist() for name, each in self._of_motifs().items()},
        }
        return html_table(repr(self), columns, self.spec.motif_count)

    def to_table(self) -> pa.Table:
        """An Arrow table with one row per motif: its name and the parameters that belong to it.

        Example:
            >>> model.to_table().column_names  # doctest: +SKIP
            ['motif', 'log_concentration', 'potentiation', 'activity']
        """
        return pa.table({"motif": pa.array(self.motif_names, pa.string()), **self._of_motifs()})

    def _of_motifs(self) -> dict[str, np.ndarray]:
        """The parameters with one number per motif, by name."""
        columns: dict[str, np.ndarray] = {}
        for name in (each for each in self.spec.parameter_shapes if each in OF_FACTORS):
            value = self.parameters[name]
            if name in self.spec.differ:
                named = zip(self.output_names, value, strict=True)
                columns |= {f"{name}_{output}": each for output, each in named}
            else:
                columns[name] = value
        return columns

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()

    @cached_property
    def motifs(self) -> MotifSet:
        """The trained motifs, for `cisreg.scan` and other functions that take a MotifSet.

        A motif's own columns are those of `column_range`; without it, all columns from the first to
        the last that is not zero.

        Example:
            >>> cisreg.scan(["ACGTACGT"], model.motifs, threshold=-5.0)  # doctest: +SKIP
        """
        log_kd = self.parameters["log_kd"]
        first, end = _used_columns(log_kd) if self.column_range is None else self.column_range
        initial = self.initial_motifs
        details = () if initial is None else [each.of_other_numbers() for each in initial.details]
        return MotifSet(self.motif_names, log_kd, first, end - first, tuple(details))

    @property
    def log_concentration(self) -> np.ndarray:
        """The trained log concentrations of the factors, float32 [M], nats.

        With `motifs` they say how much of the time a site is bound: for
        `cisreg.genome.write_occupancy_tracks`, and for sites above an occupancy in `cisreg.scan`.
        Minus infinity is a factor that was knocked out.

        Example:
            >>> cisreg.scan(  # doctest: +SKIP
            ...     "genome.fa",
            ...     model.motifs,
            ...     occupancy=0.1,
            ...     log_concentration=model.log_concentration,
            ... )
        """
        return self.parameters["log_concentration"]

    def levels(self, dataset: Dataset) -> np.ndarray:
        """The measurements of a dataset in the unit of the predictions, to compare the two.

        Of a model whose noise is that of counts, these are counts by library size, or the mean bin;
        of another one they are the measurements.

        Returns:
            float64 [N], or [N, K] for K replicates; NaN where nothing was counted.

        Example:
            >>> model.levels(test)  # doctest: +SKIP
            array([8.91, 4.03])
        """
        if self.noise is None:
            return np.asarray(dataset.expression, np.float64)
        return self.noise.levels(dataset.expression)

    def with_levels(self, dataset: Dataset) -> Dataset:
        """The rows in which something was measured, each with one number: the mean of `levels`.

        Example:
            >>> model.with_levels(test).expression  # doctest: +SKIP
            array([8.91, 4.03], dtype=float32)
        """
        if self.noise is None:
            return replace(dataset, expression=dataset.mean_expression)
        levels = self.noise.mean_level(dataset.expression)
        there = np.isfinite(levels)
        rows = dataset.take(there)
        return replace(rows, expression=levels[there].astype(np.float32))

    @property
    def padding_side(self) -> Literal["left", "right"]:
        """The side on which the training sequences were padded or trimmed."""
        return self.metadata.get("padding_side", "left")

    def predict(
        self,
        sequence: Any,
        *,
        binding: bool = False,
        batch_size: int = BATCH_SIZE,
        compute_dtype: ComputeDtype = "float32",
        implementation: Implementation = "auto",
    ) -> BatchPrediction:
        """Expression, accessibility and, on request, binding of sequences.

        Args:
            sequence: text as a list, NumPy array, pandas Series or Arrow column of strings, which
                is padded or trimmed like the training sequences; or uint8 [N, L] base codes; or a
                `cisreg.Dataset`, whose names are kept in the result; or a table in memory (pandas,
                polars, Arrow, columns by name) with a column named as that of the training
                sequences, `table_columns["sequence"]`. Names are kept from a column named as
                `table_columns["name"]`.
            binding: also compute the accessible binding of each motif to each strand.
            batch_size: sequences per batch.
            compute_dtype: of the occupancy operation, see `cisreg.occupancy`.
            implementation: of the occupancy operation, see `cisreg.occupancy`.

        Returns:
            A `BatchPrediction` of all sequences; `to_frame` and `to_table` give it named columns.

        Raises:
            ValueError: codes of the wrong length or above 4, text that is not DNA, or parameters
                that are not finite.
            OverflowError: a prediction is beyond float32, since parameters are too large.
            TypeError: `sequence` has a different type, or is a table of which it is not known
                which column holds the sequences.

        Example:
            >>> model.predict(["ACGT" * 27]).expression  # doctest: +SKIP
            array([7.31], dtype=float32)
        """
        return join_predictions(
            self.predict_batches(
                sequence,
                binding=binding,
                batch_size=batch_size,
                compute_dtype=compute_dtype,
                implementation=implementation,
            )
        )

    def predict_batches(
        self,
        sequence: Any,
        *,
        binding: bool = False,
        batch_size: int = BATCH_SIZE,
        compute_dtype: ComputeDtype = "float32",
        implementation: Implementation = "auto",
    ) -> Iterator[BatchPrediction]:
        """Like `predict`, but yields batch after batch, in the order of the sequences.

        Example:
            >>> for batch in model.predict_batches(codes, binding=True):  # doctest: +SKIP
            ...     print(batch.binding.mean(axis=(0, 1)))
        """
        from cisreg.prediction import predict_batches

        # The arrays of a model can be changed after it was made.
        check_finite(self.parameters, self.motif_names)
        sequence, name = self._text_and_names(sequence)
        codes = self.encode(sequence)
        self._look_at_ends(codes)
        begin = 0
        for batch in predict_batches(
            *(self.spec, self.parameters, codes),
            column_range=self.column_range,
            binding=binding,
            batch_size=batch_size,
            compute_dtype=compute_dtype,
            implementation=implementation,
        ):
            for output in ("expression", "accessibility", "binding"):
                if (values := getattr(batch, output)) is not None:
                    check_overflow(
                        *(output, values, self.parameters), begin=begin, dtype=compute_dtype
                    )
            end = begin + len(batch)
            names = None if name is None else name[begin:end]
            yield replace(
                batch,
                name=names,
                motif_names=self.motif_names,
                output_names=self.output_names,
            )
            begin = end

    def explain(self, sequences: Any, **options: Any) -> Contributions:
        """Expression as a sum over the factors; see `cisreg.interpret.contributions`.

        Example:
            >>> model.explain(sequences).to_frame().head()  # doctest: +SKIP
        """
        from cisreg.interpret.contributions import contributions

        return contributions(self, sequences, **options)

    def factor_effects(self, sequences: Any = None, **options: Any) -> FactorEffects:
        """What each factor does, in the unit of expression; see `cisreg.interpret.factor_effects`.

        Example:
            >>> model.factor_effects(sequences).to_frame().head()  # doctest: +SKIP
        """
        from cisreg.interpret.factors import factor_effects

        return factor_effects(self, sequences, **options)

    def knock_outs(self, sequences: Any, **options: Any) -> ConcentrationEffects:
        """Expression without one factor at a time; see `cisreg.interpret.knock_outs`.

        Example:
            >>> model.knock_outs(sequences, factors=["Reb1"]).mean_effect  # doctest: +SKIP
        """
        from cisreg.interpret.concentrations import knock_outs

        return knock_outs(self, sequences, **options)

    def mutagenesis(self, sequences: Any, **options: Any) -> Mutagenesis:
        """The effect of every mutation of one base; see `cisreg.interpret.mutagenesis`.

        Example:
            >>> model.mutagenesis(sequences).effect.shape  # doctest: +SKIP
            (2, 110, 4)
        """
        from cisreg.interpret.mutagenesis import mutagenesis

        return mutagenesis(self, sequences, **options)

    def variant_effects(self, reference: Any, alternative: Any, **options: Any) -> VariantEffects:
        """What variants do, for pairs of sequences; see `cisreg.interpret.variant_effects`.

        Example:
            >>> model.variant_effects(["ACGTTACCCGT"], ["ACGTTACACGT"]).effect  # doctest: +SKIP
            array([-1.83])
        """
        from cisreg.interpret.variants import variant_effects

        return variant_effects(self, reference, alternative, **options)

    def diagnose(self, sequences: Any = None, **options: Any) -> Diagnosis:
        """What makes the model misleading; see `cisreg.interpret.diagnose_model`.

        Example:
            >>> model.diagnose(sequences, database="jaspar:fungi")  # doctest: +SKIP
            Diagnosis(1 warning, 2 notes; 245 factors, 1,000 sequences)
        """
        from cisreg.interpret.diagnosis import diagnose_model

        return diagnose_model(self, sequences, **options)

    def _look_at_ends(self, codes: np.ndarray) -> None:
        """Warns, once, if sequences do not have the constant ends of the training sequences."""
        if self.spec.has_span and not self.__dict__.get("_ends_seen"):
            self.__dict__["_ends_seen"] = True
            warn_of_other_ends(self.metadata.get("constant_ends", {}), codes[:_SEEN_ROWS])

    def encode(self, sequence: Any) -> np.ndarray:
        """The sequences as the model's input, uint8 [N, L]; see `predict`."""
        length = self.spec.sequence_length
        sequence, _ = self._text_and_names(sequence)
        if isinstance(sequence, Dataset):
            return as_array(sequence.sequence, "sequence", np.uint8, ("N", length))
        if _is_text(sequence):
            encoded = encode(sequence, length, side=self.padding_side)
            if encoded.length is not None:
                self.warn_of_trimmed(int((encoded.length > length).sum()))
            return np.asarray(encoded)
        codes = as_array(sequence, "sequence", np.uint8, ("N", length))
        if codes.size and codes.max() > 4:
            raise ValueError(f"sequence: expected codes 0 to 4, got {codes.max()}")
        return codes

    def _text_and_names(self, sequence: Any) -> tuple[Any, pa.Array | None]:
        """The sequences, taken out of a table in memory, and their names if they have any."""
        if isinstance(sequence, Dataset):
            return sequence, sequence.name
        if not is_frame(sequence):
            return sequence, None
        column, name = (self.table_columns.get(role) for role in ("sequence", "name"))
        found, every = named_columns(sequence, (column, name))
        if column not in found:
            known = (
                f"the model's is {column!r}" if isinstance(column, str) else "the model has none"
            )
            raise TypeError(
                f"sequence: expected one column of sequences, got a {type(sequence).__name__} of "
                f"the columns {', '.join(map(repr, every)) or 'none'} ({known}); take the column "
                'by its name, such as frame["sequence"]'
            )
        return found[column], found[name].cast(
            pa.string()
        ).combine_chunks() if name in found else None

    def warn_of_trimmed(self, count: int) -> None:
        """Warns if `count` sequences (not 0) were trimmed on the side of a constant end."""
        side = self.padding_side
        if count and self.spec.has_span and getattr(self.spec, f"constant_{side}"):
            logger.warning(
                "%d sequences are longer than the model's %d bases and were trimmed on the %s, "
                "where they have a constant end: as many of their bases behind it are taken for "
                "constant; train with a --length that holds them",
                *(count, self.spec.sequence_length, side),
            )


def _check_origin(columns: Mapping[str, Any], unit: Any) -> None:
    """Checks what a model keeps of its table; it may come from a file that was edited.

    Raises:
        ValueError: columns of roles that there are none of, or a unit that is no scale and shift.
    """
    try:
        Columns(**columns)
    except TypeError:
        raise ValueError(
            f"table_columns: expected the fields of cisreg.data.Columns, got {columns!r:.200}"
        ) from None
    sound = unit is None or (
        isinstance(unit, Mapping) and all(isinstance(each, Real) for each in unit.values())
    )
    if not sound:
        raise ValueError(
            'metadata: expected standard_unit with the numbers "scale" and "shift", got '
            f"{unit!r:.200}"
        )


def _used_columns(log_kd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first column of each motif that is not zero, and the one after the last, int [M] each.

    A motif that is zero everywhere has all W columns.
    """
    used = (log_kd != 0).any(axis=1)
    used |= ~used.any(axis=0)
    return used.argmax(axis=0), len(used) - used[::-1].argmax(axis=0)


def _is_text(sequence: Any) -> bool:
    """Whether these are sequences as text, not as numbers; an empty list counts as text."""
    if isinstance(sequence, str | bytes):
        raise TypeError("sequence: expected several sequences, got one text; put it in a list")
    if getattr(sequence, "ndim", 1) != 1:
        return False
    first = next(iter(sequence), "")
    return isinstance(first.as_py() if isinstance(first, pa.Scalar) else first, str)
