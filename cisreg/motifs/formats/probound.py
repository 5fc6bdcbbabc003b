"""Models of ProBound and MotifCentral, in JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cisreg.motifs.bases import BASES
from cisreg.motifs.details import MotifDetails
from cisreg.motifs.formats.found import FoundMotif, Line, MotifText, NotTextError
from cisreg.motifs.formats.rows import base_letters
from cisreg.strict_json import parse_json


def is_json(lines: Sequence[Line]) -> bool:
    """Whether significant lines begin like an object, or a list of objects, of JSON.

    Example:
        >>> is_json([Line(1, '{"coefficients": {}}')]), is_json([Line(1, "[1 2 3]")])
        (True, False)
    """
    start = "".join(line.text for line in lines[:2])[:80].replace(" ", "")
    return start.startswith(("{", "[{"))


def read_probound(text: MotifText) -> Iterator[FoundMotif]:
    """The binding modes of models of ProBound; their coefficients are ln of relative affinities.

    A file holds one model, a list of models, or one model a line as ProBound writes its steps, of
    which the last is read. Binding modes without columns (non-specific binding) are not motifs.

    Raises:
        ValueError: other JSON, or a binding mode with coefficients of pairs of bases, which are
            more than a motif has; the message names the file.
    """
    content = "\n".join(line.text for line in text.lines)
    models = _parsed(text, content)
    for model in models:
        yield from _modes(text, model)


def _parsed(text: MotifText, content: str) -> list[Any]:
    lines = text.significant()
    try:
        if len(lines) > 1 and all(line.text.startswith('{"') for line in lines):
            return [parse_json(lines[-1].text)]
        model = parse_json(content)
    except (ValueError, RecursionError) as error:
        raise NotTextError(
            f"{text.name}: expected a model of ProBound in JSON, got other text ({error})"
        ) from None
    return model if isinstance(model, list) else [model]


def _modes(text: MotifText, model: Any) -> Iterator[FoundMotif]:
    try:
        letters = str(model.get("modelSettings", {}).get("letterOrder", BASES))
        modes = list(model["coefficients"]["bindingModes"])
        coefficients = [np.array(mode["mononucleotide"], np.float64) for mode in modes]
        pairs = [np.abs(np.array(mode.get("dinucleotide", []), np.float64)).sum() for mode in modes]
        factors = [
            str(each["gene_symbol"]) for each in model.get("metadata", {}).get("factors", [])
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise NotTextError(
            f"{text.name}: expected a model of ProBound, with coefficients, bindingModes and "
            f"mononucleotide, got other JSON ({error!r})"
        ) from None
    order = base_letters(list(letters))
    if order is None:
        raise ValueError(
            f"{text.name}: expected the letters A, C, G and T, got {letters[:40]!r}; other "
            "alphabets cannot be read"
        )
    numbers = [number for number, each in enumerate(coefficients, 1) if each.size]
    for number in numbers:
        yield _mode(text, order, coefficients[number - 1], pairs[number - 1], number, factors)


def _mode(
    text: MotifText,
    order: str,
    coefficients: np.ndarray,
    pairs: float,
    number: int,
    factors: Sequence[str],
) -> FoundMotif:
    """The motif of one binding mode, counted from 1."""
    place = f"{text.name}: binding mode {number}"
    if coefficients.ndim != 1 or coefficients.size % 4 or not np.isfinite(coefficients).all():
        raise ValueError(
            f"{place}: expected four finite coefficients for each column, got "
            f"{coefficients.size} in {coefficients.ndim} dimensions"
        )
    if pairs:
        raise ValueError(
            f"{place}: expected coefficients of single bases, got others of pairs of bases too, "
            "which a motif cannot hold; fit the model without dinucleotides"
        )
    matrix = coefficients.reshape(-1, 4)[:, [order.index(base) for base in BASES]]
    name = "_".join(factors) or None
    details = MotifDetails(description=f"binding mode {number}")
    return FoundMotif(matrix, place, name, kind="log_odds", unit="nats", details=details)
