"""Pairs of promoters a few mutations apart, and how their differences are compared."""

from __future__ import annotations

import numpy as np
import pytest
from interpret_models import LENGTH, make_codes, make_model

from benchmarks.interpret.differences import Pairs, compare, find_pairs, measure
from cisreg.storage import load_model, save_model


def test_pairs_are_those_that_differ_in_few_positions():
    random = np.random.default_rng(0)
    codes = random.integers(0, 2, (40, 8), dtype=np.uint8)
    codes[7] = codes[3]
    found = {(a, b): n for a, b, n in zip(*find_pairs(codes, 3), strict=True)}
    expected = {}
    for a in range(40):
        for b in range(a + 1, 40):
            apart = sum(int(x != y) for x, y in zip(codes[a], codes[b], strict=True))
            if 1 <= apart <= 3:
                expected[a, b] = apart
    assert found == expected
    assert (3, 7) not in found


def test_differences_are_the_second_minus_the_first():
    predicted, measured = np.array([0.0, 1.0, 5.0, 2.0]), np.array([0.0, 2.0, 9.0, 4.5])
    pairs = Pairs(np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([1, 1, 1]))
    row = compare("a", predicted, measured, pairs)
    was, now = [1.0, 5.0, 4.0], [2.0, 9.0, 7.0]
    assert row["r"] == pytest.approx(np.corrcoef(was, now)[0, 1])
    both = np.corrcoef([*was, -1.0, -5.0, -4.0], [*now, -2.0, -9.0, -7.0])[0, 1]
    assert row["r_both_orders"] == pytest.approx(both)
    assert row["slope"] == pytest.approx((2 + 45 + 28) / (1 + 25 + 16))
    assert row["r_of_sequences"] == pytest.approx(np.corrcoef([0, 1, 5], [0, 2, 9])[0, 1])
    # Deviations from the means 2 and 11 / 3: their products over the squares of the first.
    assert row["slope_of_sequences"] == pytest.approx((22 / 3 + 5 / 3 + 16) / 14)


def test_the_mean_of_several_models_is_compared_too(tmp_path):
    codes = np.repeat(make_codes(6, unknown=False), 2, axis=0)
    codes[::2, 3] = (codes[::2, 3] + 1) % 4
    text = ["".join("ACGT"[base] for base in row) for row in codes]
    models = [tmp_path / str(seed) for seed in range(2)]
    for seed, folder in enumerate(models):
        save_model(folder, make_model(seed))
    mean = np.mean([load_model(each).predict(text).expression for each in models], axis=0)
    table = tmp_path / "table.tsv"
    lines = [f"{each}\t{value!r}" for each, value in zip(text, mean.tolist(), strict=True)]
    table.write_text("\n".join(["sequence\texpression", *lines]) + "\n")
    rows = measure(models, table, LENGTH // 4)
    assert [row["model"] for row in rows] == [*map(str, models), "mean of 2"]
    assert rows[-1]["r"] == pytest.approx(1.0, abs=1e-6)
    assert max(rows[0]["r"], rows[1]["r"]) < rows[-1]["r"] - 1e-6
