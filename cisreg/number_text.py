"""Numbers written as text: the one way in which cisreg reads them, wherever a user writes them.

Python's float() and int() also accept 1_0 (as 10), blanks around the digits, the digits of other
scripts, "nan" and "infinity". A mistyped number would be used as a different one without a word.
"""

from __future__ import annotations

import math
import re
import sys

LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_SHOWN = 60
# More than this many digits, leading zeros included, are beyond every use; Python refuses to read
# more than 4,300, and takes quadratic time.
_MOST_DIGITS = 300


def is_float(text: str) -> bool:
    """Whether text is a finite number in the digits 0 to 9, as `parse_float` reads it.

    Example:
        >>> [is_float(text) for text in ("-1.5e3", ".5", "1_0", "nan", " 1", "1e999")]
        [True, True, False, False, False, False]
    """
    return _FLOAT.fullmatch(text) is not None and math.isfinite(float(text))


def parse_float(text: str, *, largest: float = sys.float_info.max) -> float:
    """The number that a text is.

    Args:
        text: digits 0 to 9 with an optional sign, decimal point and exponent; nothing around them.
        largest: the largest absolute value that is accepted, such as LARGEST_FLOAT32.

    Raises:
        ValueError: the text is anything else, or too large.

    Example:
        >>> parse_float("-1.5e3")
        -1500.0
    """
    value = float(text) if is_float(text) else math.inf
    if abs(value) > largest:
        raise ValueError(f"expected a finite number such as 5, -0.5 or 1e-3, got {shown(text)}")
    return value


def is_integer(text: str) -> bool:
    """Whether text is a whole number in the digits 0 to 9, with or without a sign.

    Example:
        >>> [is_integer(text) for text in ("-15", "1.0", "1_0", "٣")]
        [True, False, False, False]
    """
    return len(text) <= _MOST_DIGITS and _INTEGER.fullmatch(text) is not None


def parse_integer(text: str) -> int:
    """The whole number that a text is.

    Args:
        text: digits 0 to 9 with an optional sign, 300 at most; nothing around them.

    Raises:
        ValueError: the text is anything else.

    Example:
        >>> parse_integer("-15")
        -15
    """
    if not is_integer(text):
        raise ValueError(f"expected a whole number such as 5, got {shown(text)}")
    return int(text)


def shown(text: str) -> str:
    """A text in quotes as errors show it, shortened if it is long.

    Example:
        >>> shown("1_0"), len(shown("9" * 5000))
        ("'1_0'", 63)
    """
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
