"""Information content, base by base."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_data import shared_data

from cisreg.motifs import (
    counts_to_probabilities,
    information_content,
    log_kd_to_probabilities,
    read_pkdm,
)

YEAST = [0.31, 0.19, 0.19, 0.31]


def oracle(column, background, pseudocount):
    return sum(
        p * math.log((p + pseudocount) / b, 2)
        for p, b in zip(column, background, strict=True)
        if p > 0
    )


@given(
    st.lists(
        st.lists(st.integers(0, 100), min_size=4, max_size=4).filter(any), min_size=1, max_size=8
    ),
    st.sampled_from([[0.25] * 4, YEAST]),
    st.sampled_from([0, 0.001, 0.3]),
)
def test_information_of_each_column(counts, background, pseudocount):
    probabilities = counts_to_probabilities(counts)
    result = information_content(probabilities, background=background, pseudocount=pseudocount)
    expected = [oracle(column, background, pseudocount) for column in probabilities.tolist()]
    np.testing.assert_allclose(result, expected, atol=1e-12)


def test_certainty_is_2_bits_and_the_background_none():
    assert information_content([[1, 0, 0, 0], [0.25] * 4]).tolist() == [2, 0]
    assert abs(information_content([YEAST], background=YEAST)[0]) < 1e-15
    # The original adds its pseudocount only inside the logarithm.
    assert information_content([[1, 0, 0, 0]], pseudocount=0.001)[0] == math.log2(1.001 / 0.25)


def test_the_shape_is_that_of_the_columns():
    assert information_content(np.full((2, 3, 4), 0.25)).shape == (2, 3)
    assert information_content([1, 0, 0, 0]).shape == ()


def test_real_motifs():
    path = shared_data("gpra_example") / "motifs" / "YDR026C_696.pkdm"
    probabilities = log_kd_to_probabilities(read_pkdm(path), convention="pkdm")
    columns = information_content(probabilities)
    expected = [oracle(column, [0.25] * 4, 0) for column in probabilities.tolist()]
    np.testing.assert_allclose(columns, expected, rtol=1e-12)
    # Its six columns are almost certain: close to 2 bits.
    assert ((columns > 1.9) & (columns < 2)).all()


def test_errors():
    with pytest.raises(ValueError, match="probabilities: expected probabilities that sum to 1"):
        information_content([[3, 1, 0, 0]])
    with pytest.raises(ValueError, match="background: expected"):
        information_content([[1, 0, 0, 0]], background=[1, 0, 0, 0])
    with pytest.raises(ValueError, match="pseudocount: expected"):
        information_content([[1, 0, 0, 0]], pseudocount=-0.1)
