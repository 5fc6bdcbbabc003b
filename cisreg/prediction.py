"""Predictions for any number of sequences, in batches, so that memory stays bounded."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from cisreg.choices import ComputeDtype
from cisreg.display import counted, html_table
from cisreg.forking import check_not_forked
from cisreg.limits import MOST_ROWS_AT_ONCE, check_range
from cisreg.model import Parameters, predict, strand_binding
from cisreg.names import check_names
from cisreg.occupancy import Implementation
from cisreg.spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

BATCH_SIZE = 1024

_Outputs = dict[str, tf.Tensor]


@dataclass(frozen=True, eq=False)
class BatchPrediction:
    """A model's predictions for N sequences, as NumPy arrays.

    Attributes:
        expression: float32 [N], in the unit of the training data.
        accessibility: float32 [N], between 0 and 1; None without the potentiation layer.
        binding: float32 [N, 2, M], accessible binding of each motif to each strand; None if it was
            not requested.
        name: Arrow strings [N], names of the sequences; None if they have no names.
        motif_names: M names of the motifs.
    """

    expression: np.ndarray
    accessibility: np.ndarray | None = None
    binding: np.ndarray | None = None
    name: pa.Array | None = None
    motif_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        """N, the number of sequences."""
        return len(self.expression)

    def __repr__(self) -> str:
        return f"BatchPrediction({counted(len(self), 'sequence')}: {', '.join(self._names())})"

    def _repr_html_(self) -> str:
        columns = {name: np.asarray(self.columns()[name]).tolist() for name in self._names()}
        return html_table(f"Predictions of {counted(len(self), 'sequence')}", columns, len(self))

    def _names(self) -> list[str]:
        """Names of all columns except the many columns of binding."""
        names = ("name", "expression", "accessibility")
        return [name for name in names if getattr(self, name) is not None]

    def columns(self) -> dict[str, Any]:
        """The predictions as columns: name, expression, accessibility and binding, if not None.

        Binding has two columns per motif, forward_NAME and reverse_NAME.

        Raises:
            ValueError: binding without a distinct name for each motif.
        """
        columns: dict[str, Any] = {} if self.name is None else {"name": self.name}
        columns["expression"] = self.expression
        if self.accessibility is not None:
            columns["accessibility"] = self.accessibility
        if self.binding is not None:
            check_names("motif_names", self.motif_names)
            if len(self.motif_names) != self.binding.shape[2]:
                raise ValueError(
                    f"motif_names: expected {self.binding.shape[2]} names, one for each motif of "
                    f"binding, got {len(self.motif_names)}"
                )
            for index, motif in enumerate(self.motif_names):
                columns[f"forward_{motif}"] = self.binding[:, 0, index]
                columns[f"reverse_{motif}"] = self.binding[:, 1, index]
        return columns

    def to_table(self) -> pa.Table:
        """An Arrow table of `columns`, one row per sequence.

        Example:
            >>> prediction = BatchPrediction(np.zeros(2, np.float32), name=pa.array(["a", "b"]))
            >>> prediction.to_table().column_names
            ['name', 'expression']
        """
        return pa.table(self.columns())

    def to_frame(self) -> pd.DataFrame:
        """A pandas DataFrame of `columns`, one row per sequence.

        Raises:
            ImportError: pandas is not installed.

        Example:
            >>> BatchPrediction(np.zeros(2, np.float32)).to_frame().shape
            (2, 1)
        """
        return self.to_table().to_pandas()


def predict_batches(
    spec: ModelSpec,
    parameters: Parameters,
    sequence: np.ndarray,
    *,
    column_range: np.ndarray | None = None,
    binding: bool = False,
    batch_size: int = BATCH_SIZE,
    compute_dtype: ComputeDtype = "float32",
    implementation: Implementation = "auto",
) -> Iterator[BatchPrediction]:
    """Predicts in batches, in the order of the sequences; no sequences give one empty batch.

    The model is compiled at its first use in a process, once for each spec and set of options. The
    same graph then serves any number of sequences and any parameters.

    Args:
        spec: the layers.
        parameters: arrays, tensors or variables by name, see `ModelSpec.parameter_shapes`.
        sequence: uint8 [N, L] base codes, L the spec's sequence_length.
        column_range: int32 [2, M], the columns of each motif that training could change. They
            decide which sites at constant ends count; without constant ends they have no effect.
        binding: also compute the binding of each motif, see `cisreg.model.strand_binding`.
        batch_size: maximum number of sequences per batch, 1 or more.
        compute_dtype: of the occupancy operation, see `cisreg.occupancy`.
        implementation: of the occupancy operation, see `cisreg.occupancy`.

    Raises:
        ValueError: sequences of the wrong length, an unknown option, or a batch size below 1.

    Example:
        >>> for batch in predict_batches(model.spec, model.parameters, codes):  # doctest: +SKIP
        ...     print(batch.expression.mean())
    """
    check_not_forked()
    check_range("batch_size", batch_size, 1, MOST_ROWS_AT_ONCE)
    if sequence.ndim != 2 or sequence.shape[1] != spec.sequence_length:
        raise ValueError(
            f"sequence: expected shape [N, {spec.sequence_length}] as the model was made for, got "
            f"{list(sequence.shape)}; encode with length={spec.sequence_length}"
        )
    compiled = _compiled(spec, binding, compute_dtype, implementation)
    tensors = {
        name: tf.convert_to_tensor(parameters[name], tf.float32) for name in spec.parameter_shapes
    }
    columns: list[tf.Tensor] = []
    if spec.has_span:
        whole = np.repeat([[0], [spec.motif_width]], spec.motif_count, axis=1)
        columns = [tf.constant(whole if column_range is None else column_range, tf.int32)]
    for start in range(0, max(len(sequence), 1), batch_size):
        codes = tf.constant(sequence[start : start + batch_size], tf.uint8)
        arrays = {name: value.numpy() for name, value in compiled(tensors, codes, *columns).items()}
        yield BatchPrediction(**arrays)


def predict_all(
    spec: ModelSpec, parameters: Parameters, sequence: np.ndarray, **options: Any
) -> BatchPrediction:
    """The predictions of all sequences in one object; arguments as for `predict_batches`.

    Example:
        >>> predict_all(model.spec, model.parameters, codes).expression.shape  # doctest: +SKIP
        (8982,)
    """
    return join_predictions(predict_batches(spec, parameters, sequence, **options))


def join_predictions(batches: Iterable[BatchPrediction]) -> BatchPrediction:
    """Joins the predictions of one or more batches, in order."""
    parts = list(batches)
    names = [part.name for part in parts if part.name is not None]

    def joined(arrays: list[np.ndarray | None]) -> np.ndarray | None:
        there = [array for array in arrays if array is not None]
        return np.concatenate(there) if there else None

    return BatchPrediction(
        np.concatenate([part.expression for part in parts]),
        joined([part.accessibility for part in parts]),
        joined([part.binding for part in parts]),
        pa.concat_arrays(names) if names else None,
        parts[0].motif_names,
    )


@functools.lru_cache(maxsize=32)
def _compiled(
    spec: ModelSpec, binding: bool, compute_dtype: ComputeDtype, implementation: Implementation
) -> Callable[..., _Outputs]:
    """The compiled prediction of one batch; models share it, since parameters are an input.

    With constant ends the column range is a third input.
    """
    signature: list[Any] = [
        {
            name: tf.TensorSpec(shape, tf.float32, name=name)
            for name, shape in spec.parameter_shapes.items()
        },
        tf.TensorSpec([None, spec.sequence_length], tf.uint8),
    ]
    if spec.has_span:
        signature.append(tf.TensorSpec([2, spec.motif_count], tf.int32))
    options: Any = {"compute_dtype": compute_dtype, "implementation": implementation}

    @tf.function(input_signature=signature, autograph=False)
    def predict_batch(
        parameters: Mapping[str, tf.Tensor], codes: tf.Tensor, columns: tf.Tensor | None = None
    ) -> _Outputs:
        asked = {**options, "column_range": columns}
        prediction = predict(spec, parameters, codes, **asked)
        outputs = {"expression": prediction.expression}
        if prediction.accessibility is not None:
            outputs["accessibility"] = prediction.accessibility
        if binding:
            outputs["binding"] = strand_binding(spec, parameters, codes, **asked)
        return outputs

    return predict_batch
