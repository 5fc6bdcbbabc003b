"""TOML that a parser would pass on."""

from __future__ import annotations

import pytest

from cisreg.strict_toml import parse_toml


def test_whole_numbers_have_64_bits_wherever_they_stand():
    text = f"a = [{2**63 - 1}]\n[b]\nc = {-(2**63)}\n"
    assert parse_toml(text) == {"a": [2**63 - 1], "b": {"c": -(2**63)}}
    for large in (str(2**63), str(-(2**63) - 1), "0x" + "f" * 5000):
        for place in ("a = {}", "[b]\nc = {}", "[[d]]\ne = [{{f = [{}]}}]"):
            with pytest.raises(ValueError, match="expected whole numbers of 64 bits, got one of"):
                parse_toml(place.format(large))


@pytest.mark.parametrize("text", ["a", "a = 1\na = 2", "a = " + "1" * 5000])
def test_what_is_no_toml(text):
    with pytest.raises(ValueError):
        parse_toml(text)
