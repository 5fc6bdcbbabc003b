"""Tracks of occupancy: against the law, written out base by base in float64."""

from __future__ import annotations

import gzip
import io
import logging
import subprocess
import sys

import numpy as np
import pytest

from cisreg.genome import Portion, open_genome, tracks
from cisreg.genome.portions import split
from cisreg.genome.tracks import sequence_lengths, write_occupancy_tracks
from cisreg.motifs import MotifSet
from cisreg.sequences import decode

pyBigWig = pytest.importorskip("pyBigWig", reason="reads the files back")  # noqa: N816

LENGTHS = {"chr2": 700, "chr10": 90, "tiny": 3, "chr1": 401}
COMPLEMENT = np.array([3, 2, 1, 0])


class Genome:
    """Sequences in memory, in portions of any size; intervals of them if asked."""

    def __init__(self, codes, *, own=10**6, intervals=None, known=True):
        self.codes, self.own, self.passes = codes, own, 0
        self.names = tuple(codes) if known else None
        self.lengths = tuple(map(len, codes.values())) if known else None
        self.intervals = intervals or [(name, 0, len(each)) for name, each in codes.items()]

    def portions(self, *, overlap, own=None):
        self.passes += 1
        for name, start, end in self.intervals:
            codes = self.codes[name][start:end]
            whole = Portion(name, start, codes, len(codes), last=True)
            yield from split(whole, overlap=overlap, own=self.own)


@pytest.fixture(scope="module")
def codes():
    random = np.random.default_rng(0)
    drawn = {
        name: random.integers(0, 4, length).astype(np.uint8) for name, length in LENGTHS.items()
    }
    drawn["chr2"][300:320] = 4
    return drawn


@pytest.fixture(scope="module")
def motifs():
    random = np.random.default_rng(1)
    matrices = [random.normal(0, 2, (width, 4)) for width in (5, 8, 1)]
    return MotifSet.from_matrices(["Abf1", "Sox2/Oct4", "one"], matrices, width=10)


CONCENTRATION = np.array([-6.0, -9.5, -3.0])


def naive(codes, motifs, concentration, *, position, reduction, strands="both", floor=0.0):
    """The value at each base of one sequence, float64, of all motifs together."""
    unbound, expected = np.ones(len(codes)), np.zeros(len(codes))
    for matrix, log_concentration in zip(motifs.matrices(), concentration, strict=True):
        width = len(matrix)
        for start in range(len(codes) - width + 1):
            window = codes[start : start + width]
            if (window == 4).any():
                continue
            sites = {"forward": window, "reverse": COMPLEMENT[window][::-1]}
            for strand, site in sites.items():
                log_kd = matrix.astype(float)[np.arange(width), site].sum()
                bound = 1 / (1 + np.exp(log_kd - log_concentration))
                if bound < floor or strands not in ("both", strand):
                    continue
                first, end = {
                    "covered": (start, start + width),
                    "centre": (start + (width - 1) // 2, start + (width - 1) // 2 + 1),
                    "start": (start, start + 1),
                }[position]
                unbound[first:end] *= 1 - bound
                expected[first:end] += bound
    return 1 - unbound if reduction == "probability" else expected


def dense(path, name):
    """The values of a file at each base, 0 where it has none."""
    values = np.zeros(LENGTHS[name])
    if path.suffix == ".bw":
        with pyBigWig.open(str(path)) as file:
            assert file.chroms() == LENGTHS
            for start, end, value in file.intervals(name) or ():
                values[start:end] = value
        return values
    for line in path.read_text().splitlines():
        sequence, start, end, value = line.split("\t")
        if sequence == name:
            values[int(start) : int(end)] = np.float32(value)
    return values


@pytest.mark.parametrize("position", ["covered", "centre", "start"])
@pytest.mark.parametrize("reduction", ["probability", "expected"])
@pytest.mark.parametrize("strands", ["both", "forward", "reverse"])
def test_each_motif_has_the_values_of_the_law(
    codes, motifs, tmp_path, position, reduction, strands
):
    law = {"position": position, "reduction": reduction, "strands": strands}
    paths = write_occupancy_tracks(
        Genome(codes, own=64), motifs, CONCENTRATION, tmp_path / "tracks", floor=0, **law
    )
    assert [path.name for path in paths] == ["Abf1.bw", "Sox2%2FOct4.bw", "one.bw"]
    assert sorted(paths) == sorted((tmp_path / "tracks").iterdir())
    for number, path in enumerate(paths):
        for name, bases in codes.items():
            truth = naive(bases, motifs[[number]], CONCENTRATION[[number]], **law)
            np.testing.assert_allclose(dense(path, name), truth, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("position", ["covered", "centre"])
@pytest.mark.parametrize("reduction", ["probability", "expected"])
def test_the_total_is_that_of_all_motifs(codes, motifs, tmp_path, position, reduction):
    law = {"position": position, "reduction": reduction}
    path = tmp_path / "all.bedgraph"
    done = write_occupancy_tracks(
        Genome(codes, own=50), motifs, CONCENTRATION, path, total=True, floor=0, **law
    )
    assert done == [path]
    for name, bases in codes.items():
        truth = naive(bases, motifs, CONCENTRATION, **law)
        np.testing.assert_allclose(dense(path, name), truth, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("total", [False, True])
@pytest.mark.parametrize(("position", "most"), [("covered", 16), ("centre", 2), ("start", 2)])
def test_bases_under_many_saturated_sites(tmp_path, total, position, most):
    # At each strand of TATATA… every second window is the strongest site of TATATATA.
    repeat = {"chr2": np.tile(np.array([3, 0], np.uint8), 350)}
    matrix = np.where(np.arange(4) == np.tile([[3], [0]], (4, 1)), -50.0, -40.0)
    motifs = MotifSet.from_matrices(["TATATATA"], [matrix])
    law = {"position": position, "total": total, "floor": 0}
    for reduction, value in (("probability", 1), ("expected", most)):
        path = tmp_path / f"{reduction}.bedgraph"
        write_occupancy_tracks(Genome(repeat), motifs, 500, path, reduction=reduction, **law)
        assert (dense(path, "chr2")[20:-20] == value).all()


@pytest.mark.parametrize("floor", [0.01, 0.5])
def test_sites_below_the_floor_do_not_count(codes, motifs, tmp_path, floor):
    law = {"position": "covered", "reduction": "expected"}
    path = tmp_path / "Abf1.bw"
    write_occupancy_tracks(Genome(codes), motifs["Abf1"], -6, path, floor=floor, **law)
    exact = naive(codes["chr2"], motifs["Abf1"], [-6.0], **law)
    found = dense(path, "chr2")
    truth = naive(codes["chr2"], motifs["Abf1"], [-6.0], floor=floor, **law)
    np.testing.assert_allclose(found, truth, rtol=1e-5)
    assert found.max() > floor
    assert 0 < (exact - found).max() < floor * 2 * 5
    assert (found[found > 0] >= np.float32(floor)).all()


def test_portions_and_threads_change_no_byte(codes, motifs, tmp_path, monkeypatch):
    contents = set()
    for own, threads, sites in ((1, 1, 99), (37, 2, 10**6), (10**6, 1, 10**6), (10**6, 1, 7)):
        monkeypatch.setattr(tracks, "_SITES_AT_ONCE", sites)
        path = tmp_path / f"{own}-{sites}.bw"
        write_occupancy_tracks(
            *(Genome(codes, own=own), motifs, CONCENTRATION, path),
            total=True,
            floor=0.001,
            threads=threads,
        )
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_many_motifs_are_scanned_some_at_a_time(codes, motifs, tmp_path, monkeypatch):
    whole = write_occupancy_tracks(Genome(codes), motifs, CONCENTRATION, tmp_path / "whole")
    monkeypatch.setattr(tracks, "_FILES_AT_ONCE", 2)
    genome = Genome(codes)
    parts = write_occupancy_tracks(genome, motifs, CONCENTRATION, tmp_path / "parts")
    assert genome.passes == 2
    for one, other in zip(whole, parts, strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes()


def test_a_factor_that_is_absent_is_bound_nowhere(codes, motifs, tmp_path):
    concentration = [-np.inf, -9.5, -np.inf]
    for floor in (0, 0.01):
        paths = write_occupancy_tracks(
            Genome(codes), motifs, concentration, tmp_path / f"{floor}", floor=floor
        )
        assert not dense(paths[0], "chr2").any()
        assert dense(paths[1], "chr2").any()


def test_sites_lie_within_the_intervals(codes, motifs, tmp_path):
    path = tmp_path / "one.bw"
    intervals = [("chr2", 10, 60), ("chr2", 60, 100), ("chr1", 5, 9)]
    write_occupancy_tracks(
        Genome(codes, own=20, intervals=intervals), motifs["Abf1"], -6, path, floor=0
    )
    for name in ("chr2", "chr1"):
        truth = np.zeros(LENGTHS[name])
        for sequence, start, end in intervals:
            if sequence == name:
                truth[start:end] = naive(
                    codes[name][start:end],
                    *(motifs["Abf1"], [-6.0]),
                    position="covered",
                    reduction="probability",
                )
        np.testing.assert_allclose(dense(path, name), truth, rtol=1e-5, atol=1e-12)


def test_intervals_of_a_file_may_be_in_any_order(codes, motifs, tmp_path):
    fasta, bed = tmp_path / "genome.fa", tmp_path / "places.bed"
    records = [f">{name}\n{decode(each[np.newaxis])[0]}\n" for name, each in codes.items()]
    fasta.write_text("".join(records))
    rows = [("chr1", 5, 60), ("chr10", 0, 90), ("chr2", 330, 500), ("chr2", 10, 60)]
    contents = set()
    for order in (1, -1):
        bed.write_text("".join(f"{name}\t{start}\t{end}\n" for name, start, end in rows[::order]))
        path = tmp_path / f"{order}.bw"
        with open_genome(fasta, intervals=bed) as genome:
            write_occupancy_tracks(genome, motifs["Abf1"], -6, path, floor=0)
        contents.add(path.read_bytes())
    assert len(contents) == 1
    law = {"position": "covered", "reduction": "probability"}
    for name in ("chr2", "chr1"):
        truth = np.zeros(LENGTHS[name])
        for _, start, end in (row for row in rows if row[0] == name):
            truth[start:end] = naive(codes[name][start:end], motifs["Abf1"], [-6.0], **law)
        np.testing.assert_allclose(dense(path, name), truth, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize(
    ("intervals", "said"),
    [
        ([("chr2", 10, 60), ("chr2", 59, 100)], "begins at 59 in 'chr2', where another ends at 60"),
        ([("chr2", 50, 60), ("chr2", 10, 20)], "sort and merge"),
        ([("chr2", 1, 9), ("chr1", 1, 9), ("chr2", 20, 30)], "'chr2' again after 'chr1'"),
    ],
)
def test_intervals_that_show_a_base_twice_are_an_error(codes, motifs, tmp_path, intervals, said):
    genome = Genome(codes, own=20, intervals=intervals)
    with pytest.raises(ValueError, match=said):
        write_occupancy_tracks(genome, motifs, CONCENTRATION, tmp_path / "tracks")
    assert not any(tmp_path.rglob("*.*"))


def test_lengths_that_are_not_known_are_counted(codes, motifs, tmp_path):
    genome = Genome(codes, own=13, known=False)
    assert sequence_lengths(genome) == LENGTHS
    write_occupancy_tracks(genome, motifs["Abf1"], -6, tmp_path / "Abf1.bw")
    assert dense(tmp_path / "Abf1.bw", "chr2").any()


def test_two_sequences_of_one_name_are_an_error(codes, motifs, tmp_path):
    genome = Genome(codes)
    genome.names = ("chr2", "a", "chr2", "b")
    with pytest.raises(ValueError, match="distinct names, got 'chr2' twice"):
        write_occupancy_tracks(genome, motifs["Abf1"], -6, tmp_path / "Abf1.bw")


def test_earlier_files_stay_unless_they_may_be_replaced(codes, motifs, tmp_path):
    folder = tmp_path / "tracks"
    folder.mkdir()
    (folder / "one.bw").write_text("mine")
    (folder / "notes.txt").write_text("mine too")
    with pytest.raises(FileExistsError, match=r"one\.bw: expected a new file"):
        write_occupancy_tracks(Genome(codes), motifs, CONCENTRATION, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "one.bw"]
    write_occupancy_tracks(Genome(codes), motifs, CONCENTRATION, folder, overwrite=True)
    assert dense(folder / "one.bw", "chr2").any()
    assert (folder / "notes.txt").read_text() == "mine too"


def test_a_failure_leaves_the_earlier_tracks(codes, motifs, tmp_path, monkeypatch):
    folder = tmp_path / "tracks"
    paths = write_occupancy_tracks(Genome(codes), motifs, CONCENTRATION, folder)
    before = [path.read_bytes() for path in paths]

    monkeypatch.setattr(tracks, "_FILES_AT_ONCE", 2)
    genome = Genome(codes)
    portions = genome.portions

    def fail_in_the_second_pass(**sizes):
        if genome.passes:
            raise OSError("the disk is gone")
        return portions(**sizes)

    monkeypatch.setattr(genome, "portions", fail_in_the_second_pass)
    with pytest.raises(OSError, match="the disk is gone"):
        write_occupancy_tracks(genome, motifs, CONCENTRATION * 1.1, folder, overwrite=True)
    assert genome.passes == 1
    assert [path.read_bytes() for path in paths] == before
    assert sorted(folder.iterdir()) == sorted(paths)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"output": "a.bw"}, r"folder for the tracks of 3 motifs, got the file a\.bw"),
        ({"output": "a", "total": True}, r"file that ends in \.bw.* got a"),
        ({"output": "-", "format": "bigwig", "total": True}, "write bedGraph there"),
        ({"log_concentration": [1.0, 2.0]}, r"shape \[3\]"),
        ({"log_concentration": np.inf}, "finite or minus infinity"),
        ({"log_concentration": np.nan}, "finite or minus infinity"),
        ({"floor": 1}, "below 1, got 1"),
        ({"floor": -0.1}, "at least 0"),
        ({"floor": float("nan")}, "at least 0"),
        ({"position": "center"}, "position: expected"),
        ({"reduction": "sum"}, "reduction: expected"),
        ({"format": "wig"}, "format: expected"),
    ],
)
def test_arguments_that_mean_nothing_are_errors(
    codes, motifs, tmp_path, monkeypatch, arguments, said
):
    monkeypatch.chdir(tmp_path)
    given = {"log_concentration": CONCENTRATION, "output": "tracks"} | arguments
    with pytest.raises(ValueError, match=said):
        write_occupancy_tracks(Genome(codes), motifs, **given)
    assert not list(tmp_path.iterdir())


def test_what_was_chosen_is_logged(codes, motifs, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "cisreg.genome"):
        write_occupancy_tracks(Genome(codes), motifs, CONCENTRATION, tmp_path / "tracks")
    assert [record.getMessage() for record in caplog.records] == [
        "3 tracks of the probability of bound sites at the bases that they cover: sites with an "
        "occupancy below 0.01 count as unbound"
    ]


def test_scanning_for_tracks_needs_no_tensorflow():
    text = "import sys, cisreg.genome.tracks; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", text], check=True)


def test_bedgraph_has_the_digits_of_float32(tmp_path):
    file = io.BytesIO()
    writer = tracks_writer(file)
    value = np.random.default_rng(0).gamma(0.1, size=1000).astype(np.float32)
    start = np.arange(0, 3000, 3)
    writer.write("a", start, start + 2, value)
    lines = [line.split("\t") for line in file.getvalue().decode().splitlines()]
    assert {line[0] for line in lines} == {"a"}
    np.testing.assert_array_equal([int(line[1]) for line in lines], start)
    np.testing.assert_array_equal(np.array([line[3] for line in lines], np.float32), value)


def tracks_writer(file):
    from cisreg.genome.track_files import BedGraphWriter

    return BedGraphWriter(file, {"a": 3000})


def test_bedgraph_is_compressed_by_bgzip(codes, motifs, tmp_path):
    plain, compressed = tmp_path / "a.bedgraph", tmp_path / "a.bdg.gz"
    for path in (plain, compressed):
        write_occupancy_tracks(Genome(codes), motifs["Abf1"], -6, path, floor=0)
    assert gzip.decompress(compressed.read_bytes()) == plain.read_bytes()
    # The mark by which bgzip knows that a file is whole.
    assert compressed.read_bytes()[-28:-24] == b"\x1f\x8b\x08\x04"
    with pytest.raises(ValueError, match=r"bigWig without \.gz"):
        write_occupancy_tracks(Genome(codes), motifs["Abf1"], -6, tmp_path / "a.bw.gz")
