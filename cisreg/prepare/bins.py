"""The order of sorting bins, by the numbers in their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cisreg.names import join_fields
from cisreg.number_text import parse_integer

_NUMBER = re.compile("[0-9]+")
_BIN_NUMBER = re.compile(r"bins?[ _.-]*([0-9]+)", re.IGNORECASE)
_SEPARATORS = re.compile(r"[ _.-]+")


@dataclass(frozen=True)
class BinOrder:
    """Bins in the order of their values.

    Attributes:
        index: position of each bin in the list of names.
        numbers: number of each bin, or None if the order was given.
    """

    index: tuple[int, ...]
    numbers: tuple[int, ...] | None = None

    @property
    def missing(self) -> int | None:
        """The first missing number between those of the first and the last bin, or None."""
        if not self.numbers:
            return None
        there = set(self.numbers)
        between = range(self.numbers[0], self.numbers[-1])
        return next((each for each in between if each not in there), None)


def order_bins(names: Sequence[str], given: Sequence[str] | None = None) -> BinOrder:
    """The order of bins: as given, or by the numbers in their names.

    The number is the one after the word "bin" if every name has one, otherwise the only number in
    which the names differ. Blanks, "_", "-", "." and upper or lower case are ignored. Numbers are
    compared by value: bin2 comes before bin10.

    Args:
        names: of all bins, in the order of the input.
        given: names in the order of the values; bins that are not listed are left out. None: order
            by numbers.

    Returns:
        The order.

    Raises:
        ValueError: the names have no number that orders them and no order is given, or the given
            order has unknown or repeated names.

    Example:
        >>> order_bins(["S1_bin10_L001", "S2_bin1_L001", "S3_bin2_L001"]).index
        (1, 2, 0)
    """
    if given is not None:
        return _given_order(names, given)
    numbers = _bin_numbers(names) or _only_numbers(names)
    if numbers is None or len(set(numbers)) < len(numbers):
        raise ValueError(
            "bins: expected names that differ in one number, such as bin1, bin2, bin10, got "
            f"{', '.join(map(repr, names))}; confirm this order, or give another, with --bins "
            f"{join_fields(names, ',')!r}"
        )
    index = sorted(range(len(names)), key=numbers.__getitem__)
    return BinOrder(tuple(index), tuple(numbers[each] for each in index))


def _given_order(names: Sequence[str], given: Sequence[str]) -> BinOrder:
    known = join_fields(names, ",")
    for name in given:
        if list(names).count(name) != 1:
            there = "several bins of that name" if name in names else "no such bin"
            raise ValueError(
                f"bins: expected names among {known}, each once, got {name!r}: {there}"
            )
        if list(given).count(name) > 1:
            raise ValueError(f"bins: expected each name once, got {name!r} again")
    if len(given) < 2:
        raise ValueError(f"bins: expected two names or more among {known}, got {len(given)}")
    return BinOrder(tuple(list(names).index(name) for name in given))


def _number(digits: str) -> int:
    try:
        return parse_integer(digits)
    except ValueError as error:
        raise ValueError(f"bins: {error} in a name; rename the bin") from None


def _bin_numbers(names: Sequence[str]) -> list[int] | None:
    """The number after "bin" in each name; None if a name has none or several."""
    found = [_BIN_NUMBER.findall(name) for name in names]
    return [_number(each[0]) for each in found] if all(len(each) == 1 for each in found) else None


def _only_numbers(names: Sequence[str]) -> list[int] | None:
    """The only number in which the names differ; None if they differ in more than that."""
    texts = {_SEPARATORS.sub("", _NUMBER.sub("#", name)).lower() for name in names}
    numbers = [[_number(each) for each in _NUMBER.findall(name)] for name in names]
    if len(texts) > 1 or not numbers[0]:
        return None
    differing = [place for place in zip(*numbers, strict=True) if len(set(place)) > 1]
    return list(differing[0]) if len(differing) == 1 else None
