"""`cisreg explain mutations`, and heat maps of mutations."""

from __future__ import annotations

import matplotlib.image
import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from interpret_models import LENGTH, MOTIFS, NAMES, make_codes, make_model
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.interpret import mutagenesis
from cisreg.report import plot_dependency, plot_mutations
from cisreg.sequences import decode
from cisreg.storage import save_model

CODES = make_codes(5, unknown=False)[3:]


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def files(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("mutations")
    save_model(folder / "model", model)
    records = (f">promoter {i}\n{text}\n" for i, text in enumerate(decode(CODES)))
    (folder / "promoters.fasta").write_text("".join(records).replace("promoter ", "promoter"))
    return folder


def run(*words, command="mutations"):
    result = CliRunner().invoke(app, ["explain", command, *map(str, words)])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_table_and_the_plot_are_written(files, model):
    table, plot = files / "mutations.tsv", files / "mutations.png"
    arguments = files / "model", files / "promoters.fasta"
    run(*arguments, "--output", table, "--plot", plot, "--deletions", "--insertions")
    rows = pyarrow.csv.read_csv(table, parse_options=pyarrow.csv.ParseOptions(delimiter="\t"))
    expected = mutagenesis(model, CODES, deletions=True, insertions=True).to_table()
    assert len(rows) == len(expected) == 2 * (3 * LENGTH + LENGTH + 4 * (LENGTH + 1))
    assert set(rows["sequence"].to_pylist()) == {"promoter0", "promoter1"}
    np.testing.assert_allclose(rows["effect"], expected["effect"], rtol=1e-5)
    assert matplotlib.image.imread(plot).std() > 0.05


def test_the_strongest_are_shown_and_factors_are_written(files, model):
    arguments = files / "model", files / "promoters.fasta"
    shown = run(*arguments)
    effect = mutagenesis(model, CODES).effect
    strongest = effect.flat[np.abs(effect).argmax()]
    assert f"{strongest:+.4g}" in shown
    table = files / "factors.tsv"
    run(*arguments, "--by-factor", "--output", table)
    rows = pyarrow.csv.read_csv(table, parse_options=pyarrow.csv.ParseOptions(delimiter="\t"))
    assert len(rows) == 2 * 3 * LENGTH * (MOTIFS + 1)
    assert rows["factor"][: MOTIFS + 1].to_pylist() == [*NAMES, "accessibility"]
    result = CliRunner().invoke(app, ["explain", "mutations", *map(str, arguments), "--by-factor"])
    assert result.exit_code != 0


def double_mutants(model, codes):
    """Epistasis of all pairs by predicting every mutant, by (position, base) twice."""
    single, codes = {}, codes.copy()
    places = [(p, b) for p in range(LENGTH) for b in range(4) if codes[p] != b]
    pairs = [(one, two) for one in places for two in places if one[0] < two[0]]

    def mutant(*changes):
        changed = codes.copy()
        for position, base in changes:
            changed[position] = base
        return changed

    predicted = model.predict(
        np.stack([codes, *(mutant(each) for each in places), *(mutant(*pair) for pair in pairs)])
    ).expression.astype(float)
    single = dict(zip(places, predicted[1:] - predicted[0], strict=False))
    both = dict(zip(pairs, predicted[1 + len(places) :] - predicted[0], strict=True))
    return {pair: (both[pair], both[pair] - single[pair[0]] - single[pair[1]]) for pair in pairs}


def test_pairs_are_those_of_every_double_mutant(files, model, tmp_path):
    table, plot = tmp_path / "pairs.parquet", tmp_path / "pairs.png"
    arguments = files / "model", files / "promoters.fasta"
    run(*arguments, "--output", table, "--plot", plot, command="pairs")
    truth = [double_mutants(model, codes) for codes in CODES]
    rows = pyarrow.parquet.read_table(table).to_pylist()
    assert len(rows) == sum(map(len, truth))
    scale = max(abs(value) for each in truth for pair in each.values() for value in pair)
    for row in rows[:: len(rows) // 500]:
        one, two = ((row[f"position_{n}"], "ACGT".index(row[f"alternative_{n}"])) for n in (1, 2))
        expected = truth[int(row["sequence"].removeprefix("promoter"))][one, two]
        np.testing.assert_allclose((row["effect"], row["epistasis"]), expected, atol=2e-5 * scale)
    assert matplotlib.image.imread(plot).std() > 0.05
    maps = tmp_path / "maps.parquet"
    run(*arguments, "--positions", "--output", maps, command="pairs")
    places = pyarrow.parquet.read_table(maps).to_pylist()
    assert len(places) == 2 * LENGTH * (LENGTH - 1) // 2
    first = max(
        abs(epistasis)
        for (one, two), (_, epistasis) in truth[0].items()
        if (one[0], two[0]) == (places[3]["position_1"], places[3]["position_2"])
    )
    np.testing.assert_allclose(places[3]["epistasis"], first, atol=2e-5 * scale)


def test_the_largest_epistasis_is_shown(files, model):
    shown = run(files / "model", files / "promoters.fasta", command="pairs")
    epistasis = [pair[1] for codes in CODES for pair in double_mutants(model, codes).values()]
    largest = max(epistasis, key=abs)
    first = next(line for line in shown.splitlines() if line.startswith("promoter"))
    assert float(first.split("\t")[-1]) == pytest.approx(largest, rel=1e-3)
    assert f"{len(epistasis):,} pairs of 2 sequences; the 20 of the largest" in shown


def test_dependency_maps_are_refused_where_there_are_none_or_too_many(tmp_path):
    for count in (0, 13):
        with pytest.raises(ValueError, match=f"maps: expected 1 to 12 sequences, got {count}"):
            plot_dependency(tmp_path / "a.png", np.zeros((count, 5, 5)))


def test_plots_refuse_what_cannot_be_drawn(tmp_path, model):
    unknown = np.full((1, LENGTH), 4, np.uint8)
    with pytest.raises(ValueError, match="expected sequences with known bases, 0 has none"):
        plot_mutations(tmp_path / "a.png", mutagenesis(model, unknown))
    with pytest.raises(ValueError, match="rows: expected 1 to 12 sequences, got 0"):
        plot_mutations(tmp_path / "a.png", mutagenesis(model, CODES), rows=())
    assert not list(tmp_path.iterdir())
