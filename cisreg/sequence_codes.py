"""Base codes of text inside TensorFlow: in a graph, a `tf.data` pipeline or a SavedModel.

In standard operations, so that a saved graph needs nothing else: 0.6 ms for 1,024 sequences of 110
bases on one core, a small part of what their occupancies take.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import tensorflow as tf

from cisreg.arguments import as_integers
from cisreg.autograph import as_written
from cisreg.contract import require
from cisreg.occupancy_checks import UNKNOWN
from cisreg.sequences import NUCLEOTIDES, Side, check_side
from cisreg.xla import traces_for_xla

_MOST = 2**31 - 2


class SequenceCodes(NamedTuple):
    """What `sequence_codes` returns.

    Attributes:
        codes: uint8 [N, L].
        length: int32 [N], how many bases of the sequence each row has: L at most.
    """

    codes: tf.Tensor
    length: tf.Tensor


@as_written
def sequence_codes(
    text: Any,
    length: int | tf.Tensor | None = None,
    *,
    side: Side = "right",
    unknown: Literal["error", "allow"] = "error",
    name: str | None = None,
) -> SequenceCodes:
    """Base codes of a tensor of text; `cisreg.encode` for programs in TensorFlow.

    Letters may be in upper or lower case, and U counts as T. N and the other ambiguous letters of
    IUPAC become code 4, an unknown base. Blanks and ends of lines around a sequence are dropped.

    Unlike `cisreg.encode`, this pads on the right unless `side` says otherwise, since only then
    `occupancy(codes, ..., length=length)` gives every sequence what it would have alone. Models of
    `cisreg.train` are made for sequences that are padded on the left.

    Args:
        text: tf.string [N]. Not under jit_compile, since XLA has no text: call it before.
        length: L, the length of every row; None for the length of the longest sequence. Give a
            number where a graph must know L.
        side: where sequences are padded with code 4 or trimmed.
        unknown: what to do with letters that are not nucleotide codes: "error", or "allow", which
            makes unknown bases of them.
        name: of the operations in a graph.

    Returns:
        SequenceCodes(codes, length).

    Raises:
        ValueError: no text, a rank that is not 1, a length that is negative or no whole number, a
            wrong `side` or `unknown`, or a function with jit_compile=True.
        tf.errors.InvalidArgumentError: a letter that is not a nucleotide code; the message shows
            the row.

    Example:
        >>> codes, length = cisreg.sequence_codes(tf.constant(["ACGT", "gu"]))
        >>> codes.numpy().tolist(), length.numpy().tolist()
        ([[0, 1, 2, 3], [2, 3, 4, 4]], [4, 2])
    """
    check_side(side)
    if unknown not in ("error", "allow"):
        raise ValueError(f'unknown: expected "error" or "allow", got {unknown!r}')
    if traces_for_xla():
        # XLA would refuse the text itself, and TensorFlow abort in what it compiles next.
        raise ValueError(
            "text: expected a function without jit_compile=True, since XLA has no text; call "
            "sequence_codes before, and give codes and lengths to the compiled function"
        )
    with tf.name_scope(name or "sequence_codes"):
        text = tf.strings.strip(_text(text))
        if unknown == "error":
            text = _without_foreign(text)
        else:
            # One byte for each letter, also for letters outside ASCII.
            text = tf.strings.regex_replace(text, r"[^\x00-\x7F]", "?")
        bases = tf.strings.length(text)
        size = _size(bases, length)
        kept = tf.minimum(bases, size)
        if side == "left":
            text = tf.strings.substr(text, bases - kept, kept)
            blank = tf.fill(tf.shape(text), tf.strings.reduce_join(tf.fill([size], "N")))
            text = tf.strings.join(
                [tf.strings.substr(blank, tf.zeros_like(kept), size - kept), text]
            )
        # The operation wants at least one byte. Bytes behind the text are 0, which is no letter.
        letters = tf.io.decode_raw(text, tf.uint8, fixed_length=tf.maximum(size, 1))[:, :size]
        if isinstance(length, (int, np.integer)):
            letters = tf.ensure_shape(letters, [None, int(length)])
        return SequenceCodes(tf.gather(_code_table(), tf.cast(letters, tf.int32)), kept)


def _text(text: Any) -> tf.Tensor:
    if isinstance(text, (tf.RaggedTensor, tf.SparseTensor)):
        raise ValueError(f"text: expected tf.string [N], got a {type(text).__name__}")
    try:
        tensor = tf.convert_to_tensor(text)
    except (ValueError, TypeError) as error:
        raise ValueError(f"text: expected tf.string [N], got none: {error}") from error
    if tensor.dtype != tf.string or tensor.shape.rank not in (1, None):
        got = f"{tensor.dtype.name} of shape {tensor.shape}"
        raise ValueError(f"text: expected tf.string [N], a batch of sequences, got {got}")
    if tensor.shape.rank is None:
        with tf.control_dependencies(
            require(
                tf.equal(tf.rank(tensor), 1),
                lambda: ["text: expected tf.string [N], got shape ", tf.shape(tensor)],
            )
        ):
            count = tf.size(tensor)
        tensor = tf.reshape(tensor, [count])
    return tensor


def _without_foreign(text: tf.Tensor) -> tf.Tensor:
    letters = NUCLEOTIDES + NUCLEOTIDES.lower()
    good = tf.strings.regex_full_match(text, f"[{letters}]*")

    def message() -> list[Any]:
        row = tf.argmax(tf.cast(tf.concat([~good, [True]], 0), tf.int32), output_type=tf.int32)
        shown = tf.strings.regex_replace(tf.concat([text, [""]], 0)[row], f"^[{letters}]*", "")
        return [
            f"text: expected the nucleotide codes {NUCLEOTIDES}, got ",
            *(tf.strings.substr(shown, 0, 12), " in row ", row),
            "; correct it, or take such letters for unknown bases with unknown=allow",
        ]

    with tf.control_dependencies(require(tf.reduce_all(good), message)):
        return tf.identity(text)


def _size(bases: tf.Tensor, length: int | tf.Tensor | None) -> tf.Tensor:
    if length is None:
        return tf.reduce_max(tf.concat([bases, [0]], 0))
    expected = f"length: expected 0 to {_MOST} bases, or None, got "
    if isinstance(length, (int, np.integer)) and not 0 <= length <= _MOST:
        raise ValueError(f"{expected}{length}")
    size = as_integers("length", length)
    if size.shape.rank not in (0, None):
        raise ValueError(
            f"length: expected one number for all sequences, or None, got shape {size.shape}"
        )
    allowed = (size >= 0) & (size <= _MOST)
    with tf.control_dependencies(require(allowed, lambda: [expected, size])):
        return tf.identity(size)


def _code_table() -> tf.Tensor:
    """The code of each byte, uint8 [256]."""
    table = np.full(256, UNKNOWN, np.uint8)
    for code, letters in enumerate(("Aa", "Cc", "Gg", "TtUu")):
        table[list(letters.encode())] = code
    return tf.constant(table)
