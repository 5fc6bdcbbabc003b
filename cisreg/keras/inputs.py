"""What Keras hands to a layer, as base codes; inputs of Keras are float32 by default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from cisreg.contract import require
from cisreg.occupancy_checks import UNKNOWN
from cisreg.sequence_codes import SequenceCodes, sequence_codes
from cisreg.sequences import Side
from cisreg.xla import traces_for_xla

# Stands for a number that is no code; the operation refuses it where nothing else can be asked.
_NO_CODE = 255
_INPUTS = "expected base codes [N, L], soft sequences [N, L, 4] or text [N]"
_EXPECTED = "sequence: expected base codes as whole numbers from 0 to 4, got "


def is_text(sequence: Any) -> bool:
    """Whether a tensor, or one of Keras that stands for it, holds sequences as text."""
    return sequence.dtype in (tf.string, "string")


def check_sequence_shape(owner: str, shape: Sequence[int | None]) -> None:
    """Raises ValueError for a shape that no input of a layer has; `owner` is its name."""
    if not 1 <= len(shape) <= 3 or (len(shape) == 3 and shape[2] not in (4, None)):
        raise ValueError(f"{owner}: {_INPUTS}, got shape {tuple(shape)}")


def codes_or_soft(owner: str, sequence: tf.Tensor) -> tf.Tensor:
    """Integer codes [N, L], or soft sequences [N, L, 4], of numbers that Keras handed over.

    Args:
        owner: name of the layer, for errors.
        sequence: integers or floating-point numbers.

    Raises:
        ValueError: the rank fits neither.
        tf.errors.InvalidArgumentError: as `codes_of_floats`.

    Example:
        >>> codes_or_soft("layer", tf.constant([[0.0, 4.0]])).dtype.name
        'uint8'
    """
    rank = sequence.shape.rank
    if rank == 1:
        raise ValueError(
            f"{owner}: {_INPUTS}, got {sequence.dtype.name} of shape {sequence.shape}; a "
            'Sequential model of text begins with keras.Input((), dtype="string")'
        )
    return codes_of_floats(sequence) if sequence.dtype.is_floating and rank == 2 else sequence


def codes_of_floats(sequence: tf.Tensor) -> tf.Tensor:
    """Base codes that came as floating-point numbers, as uint8.

    Args:
        sequence: floating-point [N, L].

    Returns:
        uint8 [N, L]. Numbers that are no code become 255, which the operation refuses: a check of
        its own has no effect in a program that XLA compiles.

    Raises:
        tf.errors.InvalidArgumentError: a number that is not 0, 1, 2, 3 or 4.

    Example:
        >>> codes_of_floats(tf.constant([[0.0, 4.0]])).numpy()
        array([[0, 4]], dtype=uint8)
    """
    is_code = tf.equal(sequence, tf.round(sequence)) & (sequence >= 0) & (sequence <= UNKNOWN)
    # One number that is none: NaN, if there is one, or the largest.
    lowest = sequence.dtype.min
    other = tf.reduce_max(tf.where(is_code, tf.constant(lowest, sequence.dtype), sequence))
    checks = require(tf.reduce_all(is_code), lambda: [_EXPECTED, other])
    with tf.control_dependencies(checks):
        codes = tf.cast(tf.where(is_code, sequence, tf.zeros_like(sequence)), tf.uint8)
        return tf.where(is_code, codes, tf.constant(_NO_CODE, tf.uint8))


def apply_mask(owner: str, sequence: tf.Tensor, mask: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """The sequences with the bases that a mask leaves out as unknown, and their lengths.

    A sequence ends behind the last base that the mask keeps.

    Args:
        owner: name of the layer, for errors.
        sequence: base codes [N, L], or [N, L, 4].
        mask: bool [N, L], true for bases.

    Returns:
        (sequence, int32 [N]).

    Raises:
        ValueError: a mask of another shape.
        tf.errors.InvalidArgumentError: the same, where a graph does not know the shape.

    Example:
        >>> codes, mask = tf.constant([[0, 1, 2]]), tf.constant([[False, True, False]])
        >>> apply_mask("layer", codes, mask)[1].numpy()
        array([2], dtype=int32)
    """
    mask = tf.cast(mask, tf.bool)
    expected = f"{owner}: expected a mask [N, L], one for each base of sequences of shape "
    if not mask.shape.is_compatible_with(sequence.shape[:2]):
        raise ValueError(f"{expected}{sequence.shape}, got shape {mask.shape}")
    sizes, shape = tf.shape(mask), tf.shape(sequence)[:2]
    checks = require(tf.reduce_all(sizes == shape), lambda: [expected, shape, ", got ", sizes])
    with tf.control_dependencies(checks):
        mask = tf.ensure_shape(tf.identity(mask), sequence.shape[:2])
    behind = tf.range(1, tf.shape(mask)[1] + 1)
    length = tf.reduce_max(tf.where(mask, behind, 0), axis=1, keepdims=True)[:, 0]
    if sequence.shape.rank == 3:
        return tf.where(mask[:, :, tf.newaxis], sequence, tf.zeros_like(sequence)), length
    return tf.where(mask, sequence, tf.constant(UNKNOWN, sequence.dtype)), length


def codes_of_text(
    owner: str, text: tf.Tensor, length: int | tf.Tensor | None, side: Side = "right"
) -> SequenceCodes:
    """Base codes of text, and the lengths of the sequences.

    Args:
        owner: name of the layer, for errors.
        text: strings [N] or [N, 1].
        length: L; None: that of the longest.
        side: where shorter sequences are padded and longer ones trimmed.

    Raises:
        ValueError: in a program that XLA compiles.
        tf.errors.InvalidArgumentError: a letter that is no code of a nucleotide.

    Example:
        >>> codes_of_text("layer", tf.constant([["AC"], ["T"]]), None).codes.numpy().tolist()
        [[0, 1], [3, 4]]
    """
    if traces_for_xla():
        raise ValueError(
            f"{owner}: expected base codes under jit_compile=True, got text, which XLA does not "
            "have; compile the model with jit_compile=False, or make codes of text before it, with "
            "cisreg.sequence_codes"
        )
    if text.shape.rank == 2:
        text = tf.ensure_shape(text, [None, 1])[:, 0]
    return sequence_codes(text, length, side=side)


def model_codes(owner: str, sequence: tf.Tensor, length: int, side: Side) -> tf.Tensor:
    """The input of a model for sequences of `length` bases: codes [N, L], or soft [N, L, 4].

    Args:
        owner: name of the model, for errors.
        sequence: codes of any dtype, soft sequences, or text [N] or [N, 1].
        length: L; text is padded and trimmed to it.
        side: "left" or "right", where text is padded and trimmed.
    """
    if is_text(sequence):
        return codes_of_text(owner, sequence, length, side).codes
    return codes_or_soft(owner, sequence)
