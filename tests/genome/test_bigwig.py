"""bigWig files: what other libraries read of them, and that they depend on the values alone."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from cisreg.genome.bigwig import BigWigWriter

pyBigWig = pytest.importorskip("pyBigWig", reason="reads the files back")  # noqa: N816
pybigtools = pytest.importorskip("pybigtools", reason="reads the files back")

GENOMES = {
    "chromosomes": ({"chr2": 400_000, "chr10": 90_001, "chr1": 7}, 9_000),
    "many scaffolds": ({f"scaffold_{number}": 60 for number in range(66_000)}, 1),
    "one value": ({"a": 1_000_000}, 1),
    "a dense track": ({"a": 40_000}, 20_000),
}


def random_runs(random, length, count):
    edges = np.sort(random.choice(length + 1, 2 * min(count, length // 2), replace=False))
    value = random.gamma(0.3, size=len(edges) // 2).astype(np.float32)
    return edges[::2], edges[1::2], value


def written(genome, runs, at_once=10**9):
    file = io.BytesIO()
    writer = BigWigWriter(file, genome)
    for name, columns in runs.items():
        for first in range(0, len(columns[0]), at_once):
            writer.write(name, *(each[first : first + at_once] for each in columns))
    writer.close()
    return file.getvalue()


@pytest.fixture(scope="module", params=GENOMES.values(), ids=GENOMES)
def case(request, tmp_path_factory):
    genome, count = request.param
    random = np.random.default_rng(0)
    runs = {name: random_runs(random, length, count) for name, length in genome.items()}
    path = tmp_path_factory.mktemp("case") / "track.bw"
    path.write_bytes(written(genome, runs))
    return genome, runs, path


def test_pybigwig_reads_every_run_back(case):
    genome, runs, path = case
    with pyBigWig.open(str(path)) as file:
        assert file.isBigWig()
        assert file.chroms() == genome
        for name in list(genome)[:: max(len(genome) // 50, 1)]:
            start, end, value = runs[name]
            expected = list(zip(start.tolist(), end.tolist(), value.tolist(), strict=True))
            assert list(file.intervals(name) or ()) == expected
        check_header(file.header(), runs)


def check_header(header, runs):
    start, end, value = map(np.concatenate, zip(*runs.values(), strict=True))
    bases, value = (end - start).astype(float), value.astype(float)
    assert header["nBasesCovered"] == bases.sum()
    # It shows whole numbers.
    assert header["sumData"] == int(bases @ value)
    assert header["sumSquared"] == int(bases @ value**2)
    assert header["maxVal"] == int(value.max())


def test_pybigtools_reads_every_run_back(case):
    genome, runs, path = case
    with pybigtools.open(str(path)) as file:
        assert file.chroms() == genome
        for name in list(genome)[:: max(len(genome) // 50, 1)]:
            start, end, value = runs[name]
            expected = list(zip(start.tolist(), end.tolist(), value.tolist(), strict=True))
            assert list(file.records(name)) == expected
        bases = sum(
            float((end - start) @ value.astype(float)) for start, end, value in runs.values()
        )
        assert file.info()["summary"]["sum"] == pytest.approx(bases, rel=1e-12)


def test_summaries_are_those_of_their_bins(tmp_path):
    genome = {"b": 400_000, "a": 123_456}
    random = np.random.default_rng(1)
    runs = {name: random_runs(random, length, 9_000) for name, length in genome.items()}
    path = tmp_path / "track.bw"
    path.write_bytes(written(genome, runs))
    with pybigtools.open(str(path)) as file:
        levels = file.zooms()
        assert len(levels) >= 5
        for name, length in genome.items():
            dense = np.full(length, np.nan)
            for start, end, value in zip(*runs[name], strict=True):
                dense[start:end] = value
            for bases in levels:
                check_level(list(file.zoom_records(bases, name)), dense, bases)


def check_level(records, dense, bases):
    seen = np.zeros(len(dense), bool)
    for start, end, summary in records:
        inside = dense[start:end]
        inside = inside[np.isfinite(inside)]
        assert start % bases == 0
        assert end == min(start + bases, len(dense))
        assert summary["bases_covered"] == len(inside) > 0
        assert summary["min_val"] == inside.min()
        assert summary["max_val"] == inside.max()
        assert summary["sum"] == pytest.approx(inside.sum(), rel=1e-5)
        assert summary["sum_squares"] == pytest.approx((inside**2).sum(), rel=1e-5)
        seen[start:end] = True
    # Bins without a record have no value.
    assert np.isnan(dense[~seen]).all()


def test_wide_bins_agree_with_the_values_where_they_end_with_them(tmp_path):
    runs = {"a": random_runs(np.random.default_rng(2), 2**20, 60_000)}
    path = tmp_path / "track.bw"
    path.write_bytes(written({"a": 2**20}, runs))
    with pyBigWig.open(str(path)) as file:
        for kind in ("mean", "max", "min", "coverage"):
            fast = file.stats("a", type=kind, nBins=16)
            exact = file.stats("a", type=kind, nBins=16, exact=True)
            np.testing.assert_allclose(fast, exact, rtol=1e-5)


def test_names_are_sorted_for_readers_that_halve():
    names = [f"chr{number}" for number in range(300)]
    content = written(dict.fromkeys(names, 10), {})
    (place,) = struct.unpack_from("<Q", content, 8)
    size = len("chr299")
    leaves = place + 32 + 4 + 2 * (size + 8)
    # Two leaves: one of 256 names, and one with the others.
    at = [leaves + 4 + k * (size + 8) + 4 * (k >= 256) for k in range(300)]
    found = [content[place : place + size].rstrip(b"\0").decode() for place in at]
    assert found == sorted(names)


@pytest.mark.parametrize("at_once", [1, 7, 1024, 1025])
def test_the_bytes_do_not_depend_on_the_calls(at_once):
    genome = {"b": 30_000, "none here": 100, "a": 20_000}
    random = np.random.default_rng(3)
    runs = {name: random_runs(random, genome[name], 1_500) for name in ("b", "a")}
    assert written(genome, runs, at_once) == written(genome, runs)


def test_a_track_without_values_is_whole(tmp_path):
    path = tmp_path / "track.bw"
    path.write_bytes(written({"chr1": 10}, {}))
    with pyBigWig.open(str(path)) as file:
        assert file.chroms() == {"chr1": 10}
        assert file.header()["nBasesCovered"] == 0
        assert not file.intervals("chr1")
    with pybigtools.open(str(path)) as file:
        assert list(file.records("chr1")) == []


@pytest.mark.parametrize(
    ("sequence", "start", "end", "value", "said"),
    [
        ("b", [5, 4], [6, 7], [1, 1], "ascending order"),
        ("b", [1, 4], [5, 6], [1, 1], "do not overlap"),
        ("b", [5], [5], [1], "5 to 5 behind 1"),
        ("b", [-1], [5], [1], "-1 to 5"),
        ("b", [95], [101], [1], "the 100 bases of 'b', got 95 to 101"),
        ("b", [1], [2], [np.inf], "finite"),
        ("b", [1], [2], [1e39], "finite"),
        ("c", [1], [2], [1], "those in the header, got 'c'"),
        ("a", [1], [2], [1], "order of the header, got 'a'"),
    ],
)
def test_what_the_format_cannot_hold_is_an_error(sequence, start, end, value, said):
    writer = BigWigWriter(io.BytesIO(), {"a": 100, "b": 100})
    writer.write("b", np.array([0]), np.array([1]), np.array([1.0]))
    with pytest.raises(ValueError, match=said):
        writer.write(sequence, *map(np.array, (start, end, value)))


def test_runs_of_two_calls_do_not_overlap():
    writer = BigWigWriter(io.BytesIO(), {"a": 100})
    writer.write("a", np.array([0]), np.array([10]), np.array([1.0]))
    with pytest.raises(ValueError, match="do not overlap"):
        writer.write("a", np.array([9]), np.array([12]), np.array([1.0]))


@pytest.mark.parametrize(("genome", "said"), [({}, "at least one"), ({"a": 2**32}, "bedGraph")])
def test_a_genome_that_the_format_cannot_hold_is_an_error(genome, said):
    with pytest.raises(ValueError, match=said):
        BigWigWriter(io.BytesIO(), genome)
