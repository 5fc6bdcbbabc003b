"""Comparison of motifs, against all that can happen under its null hypothesis."""

from __future__ import annotations

import itertools
import logging
import math

import numpy as np
import pytest

from cisreg.motifs import MotifDetails, MotifSet, compare, demo_motifs, read_motifs


def probabilities(rng, width):
    return rng.dirichlet([0.4] * 4, width)


def motif_set(matrices, prefix="m"):
    details = [
        MotifDetails(matrix=tuple(map(tuple, each.tolist())), kind="probabilities")
        for each in matrices
    ]
    log_kd = [-np.log((each + 0.001) / 1.004 / 0.25) for each in matrices]
    names = [f"{prefix}{number}" for number in range(len(matrices))]
    return MotifSet.from_matrices(names, log_kd, width=12, details=details)


def by_definition(query, targets, strands, minimum_overlap):
    """The p-value of each target, by writing out every choice of columns that chance can make."""
    turned = [each[::-1, ::-1] for each in targets] if strands == "both" else []
    columns = [column for each in [*targets, *turned] for column in each]
    score = [[-math.dist(own, other) for other in columns] for own in query]
    middle = [np.median(row) for row in score]
    score = [[each - m for each in row] for row, m in zip(score, middle, strict=True)]
    extent = max(map(max, score)) - min(map(min, score))
    score = [[round(each / extent * 100) for each in row] for row in score]

    def sums(begin, end):
        return [sum(choice) for choice in itertools.product(*score[begin:end])]

    def alignments(width):
        least = min(minimum_overlap, width, len(query))
        for offset in range(1 - width, len(query)):
            begin, end = max(offset, 0), min(offset + width, len(query))
            if end - begin >= least:
                yield offset, begin, end

    result, first = [], 0
    for target in targets:
        best = []
        for start in [first] + ([first + len(columns) // 2] if turned else []):
            best += [
                sum(score[i][start + i - offset] for i in range(begin, end))
                for offset, begin, end in alignments(len(target))
            ]
        below = 1.0
        for _, begin, end in alignments(len(target)):
            chance = sums(begin, end)
            below *= (sum(each < max(best) for each in chance) / len(chance)) ** (1 + bool(turned))
        result.append(1 - below)
        first += len(target)
    return np.array(result)


@pytest.mark.parametrize("strands", ["both", "forward"])
@pytest.mark.parametrize("minimum_overlap", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_p_values_are_those_of_all_choices_of_columns(strands, minimum_overlap, width):
    rng = np.random.default_rng(width)
    targets = [probabilities(rng, each) for each in (2, 3, 1, 4)]
    query = probabilities(rng, width)
    table = compare(
        motif_set([query], "q"),
        motif_set(targets),
        strands=strands,
        minimum_overlap=minimum_overlap,
    )
    got = dict(zip(table["target"].to_pylist(), table["p_value"].to_pylist(), strict=True))
    expected = by_definition(query, targets, strands, minimum_overlap)
    np.testing.assert_allclose([got[f"m{n}"] for n in range(4)], expected, rtol=1e-12, atol=1e-15)


def test_q_values_are_those_of_benjamini_and_hochberg():
    rng = np.random.default_rng(0)
    targets = motif_set([probabilities(rng, 6) for _ in range(20)])
    table = compare(targets[:1], targets)
    p_value = table["p_value"].to_numpy()
    assert (np.diff(p_value) >= 0).all()
    expected = [
        min(1, min(p_value[later] * 20 / (later + 1) for later in range(rank, 20)))
        for rank in range(20)
    ]
    np.testing.assert_allclose(table["q_value"].to_numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(table["e_value"].to_numpy(), p_value * 20, rtol=1e-12)


def test_every_motif_finds_itself_and_its_reverse_complement():
    rng = np.random.default_rng(1)
    motifs = motif_set([probabilities(rng, width) for width in range(5, 13)] * 1)
    for queries, orientation in ((motifs, "+"), (motifs.reverse_complement(), "-")):
        table = compare(queries, motifs, best=1)
        assert table["query"].to_pylist() == table["target"].to_pylist() == list(motifs.names)
        assert table["orientation"].to_pylist() == [orientation] * len(motifs)
        assert table["offset"].to_pylist() == [0] * len(motifs)
        assert table["overlap"].to_pylist() == motifs.widths.tolist()
    alone = compare(motifs.reverse_complement(), motifs, best=1, strands="forward")
    assert set(alone["orientation"].to_pylist()) == {"+"}


@pytest.mark.parametrize(("begin", "end", "offset", "overlap"), [(2, 8, 2, 6), (0, 5, 0, 5)])
def test_offset_is_the_column_of_the_query_where_the_target_begins(begin, end, offset, overlap):
    rng = np.random.default_rng(2)
    whole = np.eye(4)[rng.integers(0, 4, 8)] * 0.9 + 0.025
    others = [probabilities(rng, 7) for _ in range(10)]
    part = whole[begin:end]
    row = compare(motif_set([whole], "q"), motif_set([part, *others]), best=1).to_pylist()[0]
    assert (row["target"], row["offset"], row["overlap"]) == ("m0", offset, overlap)
    row = compare(motif_set([part], "q"), motif_set([whole, *others]), best=1).to_pylist()[0]
    assert (row["target"], row["offset"], row["overlap"]) == ("m0", -offset, overlap)
    turned = motif_set([part[::-1, ::-1], *others])
    row = compare(motif_set([whole], "q"), turned, best=1).to_pylist()[0]
    assert (row["target"], row["offset"], row["orientation"]) == ("m0", offset, "-")


def test_limits_leave_out_what_is_beyond_them():
    motifs = demo_motifs()
    every = compare(motifs, motifs)
    assert len(every) == len(motifs) ** 2
    few = compare(motifs, motifs, p_value=0.01)
    assert few.to_pylist() == [row for row in every.to_pylist() if row["p_value"] <= 0.01]
    accepted = compare(motifs, motifs, q_value=0.05)
    assert accepted.to_pylist() == [row for row in every.to_pylist() if row["q_value"] <= 0.05]


def test_columns_that_are_all_alike_say_nothing():
    flat = motif_set([np.full((3, 4), 0.25)] * 2)
    assert compare(flat, flat)["p_value"].to_pylist() == [1.0] * 4


def test_few_targets_are_said_to_be_few(caplog):
    with caplog.at_level(logging.WARNING, "cisreg.motifs"):
        compare(demo_motifs(), demo_motifs())
    assert "compare with 50 motifs or more" in caplog.text


def test_numbers_that_are_only_compared_come_without_the_warning(caplog):
    with caplog.at_level(logging.WARNING, "cisreg.motifs"):
        quiet = compare(demo_motifs(), demo_motifs(), warn=False)
    assert not caplog.records
    assert quiet.equals(compare(demo_motifs(), demo_motifs()))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"strands": "reverse"}, "strands"),
        ({"minimum_overlap": 0}, "minimum_overlap: expected 1 or more"),
        ({"p_value": 0.0}, "p_value: expected a number above 0"),
        ({"q_value": 1.5}, "q_value: expected a number above 0 and up to 1, got 1.5"),
        ({"best": 0}, "best: expected 1 or more"),
    ],
)
def test_wrong_options_are_named(option, message):
    with pytest.raises(ValueError, match=message):
        compare(demo_motifs(), demo_motifs(), **option)


def test_motifs_of_jaspar_find_themselves():
    pytest.importorskip("pyjaspar")
    motifs = read_motifs("jaspar:2024:CORE")
    queries = motifs[::60]
    for turned, orientation in ((queries, "+"), (queries.reverse_complement(), "-")):
        rows = compare(turned, motifs, best=1).to_pylist()
        for row, details in zip(rows, queries.details, strict=True):
            # Some factors share one matrix, and some matrices are their own reverse complements.
            found = motifs[row["target"]].details[0]
            assert found.matrix == details.matrix
            palindrome = details.reverse_complement().matrix == details.matrix
            assert row["orientation"] == ("+" if palindrome else orientation)
            assert row["offset"] == 0 and row["overlap"] == len(details.matrix)
            assert row["q_value"] < 0.05
