"""Noise of sorted cells: the bin that a read comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from cisreg.losses.arguments import where_measured
from cisreg.losses.counts import check_counts
from cisreg.losses.noise import POSITIVE, Form, Noise, spread_of

if TYPE_CHECKING:
    import tensorflow as tf


def _to_free_borders(borders: np.ndarray) -> np.ndarray:
    return np.log(np.diff(borders))


def _from_free_borders(free: tf.Tensor) -> tf.Tensor:
    """Borders from 0.5 to B - 1.5 in steps that are trained."""
    import tensorflow as tf

    count = free.shape[0]
    inner = 0.5 + count * tf.cumsum(tf.nn.softmax(free))
    return tf.concat([tf.constant([0.5], free.dtype), inner], axis=0)


@dataclass(frozen=True)
class SortBins(Noise):
    """Reads of sorted cells (FACS-seq, sort-seq): a multinomial over the bins of each sequence.

    The log signal of a cell is the prediction plus noise of a logistic distribution; its bin is the
    one between whose borders the signal lies. So a read of a sequence comes from bin b in
    proportion to

        depth_b (F((t_b - prediction) / scale) - F((t_{b-1} - prediction) / scale))

    with F the logistic function and t the borders (a proportional-odds model with reads as its
    observations, McCullagh 1980).

    Attributes:
        borders: the B - 1 borders between B bins, rising, in the unit of the predictions, such as
            log fluorescence. None: trained; predictions are in bins then: bin b, counted from 0,
            lies around b, the first border at 0.5 and the last at B - 1.5.
        scale: of the logistic noise, in the unit of the predictions (its standard deviation is 1.81
            times that); None: trained.
        depth: reads per cell of each bin, relative to each other; None: the same for all.

    Raises:
        ValueError: borders that do not rise, numbers out of range, or of different lengths.

    Example:
        >>> noise = SortBins(borders=(0.0,), scale=1.0, depth=(1.0, 1.0))
        >>> noise.log_likelihood(tf.constant([0.0]), tf.constant([[1.0, 1.0]])).numpy().round(4)
        array([-0.6931], dtype=float32)
    """

    borders: tuple[float, ...] | None = None
    scale: float | None = None
    depth: tuple[float, ...] | None = None

    name: ClassVar[str] = "sort_bins"
    counts: ClassVar[bool] = True
    forms: ClassVar[Mapping[str, Form]] = {
        "borders": Form(_to_free_borders, _from_free_borders),
        "scale": POSITIVE,
    }

    def __post_init__(self) -> None:
        self._check_positive("scale", "depth")
        if self.borders is None:
            return
        borders = tuple(float(each) for each in self.borders)
        if not borders or not np.isfinite(borders).all() or (np.diff(borders) <= 0).any():
            raise ValueError(
                f"SortBins.borders: expected finite numbers that rise, got {self.borders!r}"
            )
        if self.depth is not None and len(self.depth) != len(borders) + 1:
            raise ValueError(
                f"SortBins.depth: expected {len(borders) + 1} numbers, one more than borders, got "
                f"{len(self.depth)}"
            )
        object.__setattr__(self, "borders", borders)

    @property
    def counted(self) -> Literal["bins"]:
        """The columns are counts of sorting bins."""
        return "bins"

    def levels(self, measured: np.ndarray) -> np.ndarray:
        """The mean bin of the reads of each sequence, float64 [N]; NaN without reads.

        A bin counts as the middle of its borders, an outer one as if it were as wide as its
        neighbour; reads are divided by the depth of their bin.
        """
        reads = np.nan_to_num(np.asarray(measured, np.float64))
        if self.depth is not None:
            reads = reads / np.asarray(self.depth)
        total = reads.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(total > 0, reads @ self._middles(reads.shape[1]) / total, np.nan)

    def _middles(self, bins: int) -> np.ndarray:
        if self.borders is None:
            return np.arange(bins, dtype=np.float64)
        borders = np.asarray(self.borders)
        step = np.diff(borders) if len(borders) > 1 else np.array([self.scale or 1.0])
        inner = (borders[1:] + borders[:-1]) / 2
        return np.concatenate([[borders[0] - step[0] / 2], inner, [borders[-1] + step[-1] / 2]])

    def check(self, measured: np.ndarray) -> None:
        """Raises ValueError for numbers that are no counts, or another number of bins."""
        check_counts(measured, self.name)
        bins = 1 if np.ndim(measured) == 1 else np.shape(measured)[1]
        known = self.borders and len(self.borders) + 1, self.depth and len(self.depth)
        for count in known:
            if count and count != bins:
                raise ValueError(
                    f"loss: expected counts of {count} bins, as the loss has, got {bins} columns; "
                    "name the columns of the bins in their order"
                )
        if bins < 2 or (self.borders is None and bins < 3):
            raise ValueError(
                f"loss: expected counts of 3 bins or more, got {bins} columns; with 2 bins, give "
                "the border between them"
            )

    def _begin(self, measured: np.ndarray) -> dict[str, Any]:
        bins = measured.shape[1]
        return {
            "borders": np.arange(bins - 1) + 0.5,
            "scale": spread_of(self.levels(measured))[1],
        }

    def _check_shapes(self, predicted: tf.TensorShape, measured: tf.TensorShape) -> None:
        if (
            predicted.rank != 1
            or measured.rank != 2
            or not predicted.is_compatible_with(measured[:1])
        ):
            raise ValueError(
                f"measured: expected counts [N, B] of B bins with predictions [N], got {measured} "
                f"with predictions {predicted}"
            )

    def _log_likelihood(
        self, predicted: tf.Tensor, measured: tf.Tensor, numbers: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        import tensorflow as tf

        _, reads = where_measured(tf.cast(measured, tf.float64))
        log_share = tf.cast(self._log_shares(predicted, numbers), tf.float64)
        bins = reads.shape[1]
        ones = tf.ones([bins], tf.float64)
        total = tf.linalg.matvec(reads, ones)
        # In float64: the logs of factorials have more digits than float32 before they cancel.
        combinations = tf.math.lgamma(total + 1) - tf.linalg.matvec(tf.math.lgamma(reads + 1), ones)
        return tf.cast(combinations + tf.linalg.matvec(reads * log_share, ones), tf.float32)

    def log_shares(self, predicted: np.ndarray) -> np.ndarray:
        """The log probabilities of the bins for reads of sequences with these predictions.

        Args:
            predicted: float [N].

        Returns:
            float64 [N, B].

        Raises:
            ValueError: a field is None.
        """
        import tensorflow as tf

        like = tf.constant(predicted, tf.float64)
        numbers = {field: self._number(field, None, like) for field in self.forms}
        return self._log_shares(like[:, tf.newaxis], numbers).numpy()

    def _sample(
        self,
        predicted: np.ndarray,
        random: np.random.Generator,
        numbers: Mapping[str, np.ndarray],
        reads: np.ndarray | None,
    ) -> np.ndarray:
        if reads is None:
            raise ValueError("reads: expected the number of reads of each sequence, got None")
        share = np.exp(self.log_shares(predicted))
        share /= share.sum(axis=1, keepdims=True)
        return random.multinomial(np.asarray(reads, np.int64), share).astype(np.float64)

    def _log_shares(self, predicted: tf.Tensor, numbers: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Log probabilities of the bins [N, B] for predictions [N, 1], without cancellation.

        F(b) - F(a) = F(b) F(-a) (1 - exp(a - b)) for the logistic function F.
        """
        import tensorflow as tf

        z = (numbers["borders"] - predicted) / numbers["scale"]
        below, above = -tf.nn.softplus(-z), -tf.nn.softplus(z)
        steps = (numbers["borders"][1:] - numbers["borders"][:-1]) / numbers["scale"]
        inner = below[:, 1:] + above[:, :-1] + tf.math.log(-tf.math.expm1(-steps))
        log_share = tf.concat([below[:, :1], inner, above[:, -1:]], axis=1)
        if self.depth is None:
            return log_share
        log_share += tf.math.log(tf.constant(self.depth, log_share.dtype))
        return log_share - tf.reduce_logsumexp(log_share, axis=1, keepdims=True)
