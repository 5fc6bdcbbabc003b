"""`cisreg explain marginalize`, `ablate` and `space`: the tables and plots that they write."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from experiment_models import half_open_model
from interpret_models import NAMES, make_codes
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.cli.explain.experiment_options import whole_numbers
from cisreg.interpret import ablate, marginalize, random_backgrounds, space
from cisreg.motifs import demo_motifs
from cisreg.report import plot_marginalization, plot_spacing
from cisreg.sequences import decode
from cisreg.spec import ModelSpec
from cisreg.start import init_parameters
from cisreg.storage import save_model
from cisreg.trained_model import Model

ENDS = {"left": {"bases": 3, "sequence": "ACG"}, "right": {"bases": 4, "sequence": "TTTT"}}
MODEL = dataclasses.replace(
    half_open_model(positional=True, stranded=True, constant_left=3, constant_right=4),
    metadata={"constant_ends": ENDS},
)
CODES = make_codes(5, unknown=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiments")
    save_model(folder / "model", MODEL)
    lines = [f">{name} x\n{text}\n" for name, text in zip("abcde", decode(CODES), strict=True)]
    (folder / "sequences.fa").write_text("".join(lines))
    return folder


def run(*words, code=0):
    result = CliRunner().invoke(app, ["explain", *map(str, words)])
    assert result.exit_code == code, result.output
    return result


def read(path):
    return pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(delimiter="\t"))


def assert_same(table, expected):
    assert table.column_names == expected.column_names
    for name in expected.column_names:
        values, truth = table[name].to_pylist(), expected[name].to_pylist()
        if isinstance(truth[0], float):
            np.testing.assert_allclose(values, truth, rtol=1e-12)
        else:
            assert values == truth


def test_marginalize_writes_the_table_of_the_function(folder, tmp_path):
    words = ["--motif", "Reb1", "--motif", "ACNT", "--position", "4:6", "--position", "9"]
    path, plot = tmp_path / "table.tsv", tmp_path / "plot.png"
    result = run(
        *("marginalize", folder / "model", folder / "sequences.fa", *words),
        *("--strand", "both", "--output", path, "--plot", plot),
    )
    expected = marginalize(MODEL, CODES, ["Reb1", "ACNT"], [4, 5, 6, 9], strand="both")
    assert_same(read(path), expected.to_table())
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert (
        f"16 rows written to {path}" in result.output and f"Plot written to {plot}" in result.output
    )


def test_marginalize_by_sequence_keeps_names(folder, tmp_path):
    path = tmp_path / "table.parquet"
    run(
        *("marginalize", folder / "model", folder / "sequences.fa", "--motif", "Reb1"),
        *("--by-sequence", "--output", path),
    )
    table = pyarrow.parquet.read_table(path)
    assert table["sequence"].to_pylist() == list("abcde")
    np.testing.assert_array_equal(table["effect"], marginalize(MODEL, CODES, "Reb1").effect[:, 0])


def test_marginalize_of_all_factors_everywhere_in_random_sequences(folder, tmp_path):
    path = tmp_path / "table.tsv"
    run(
        *("marginalize", folder / "model", "--random", 3, "--composition", "0.4,0.1,0.1,0.4"),
        *("--seed", 5, "--position", "all", "--output", path),
    )
    codes = random_backgrounds(MODEL, 3, composition=[0.4, 0.1, 0.1, 0.4], seed=5)
    expected = marginalize(MODEL, codes, start="all")
    assert set(expected.motif) == set(NAMES)
    assert_same(read(path), expected.to_table())


def test_ablate_shows_or_writes_the_table_of_the_function(folder, tmp_path):
    path = tmp_path / "table.tsv"
    shown = run(
        *("ablate", folder / "model", folder / "sequences.fa", "--start", 4, "--end", 15),
        *("--shuffles", 3, "--seed", 2),
    )
    table = ablate(MODEL, CODES, 4, 15, 3, seed=2).to_table()
    lines = shown.stdout.splitlines()
    assert lines[0].split("\t") == [name.replace("_", " ") for name in table.column_names]
    assert [line.split("\t")[0] for line in lines[1:6]] == list("abcde")
    assert lines[1].split("\t")[4] == f"{table['effect'][0].as_py():.4g}"
    run(
        *("ablate", folder / "model", folder / "sequences.fa", "--factor", "Rap1"),
        *("--occupancy", 0.05, "--output", path),
    )
    expected = ablate(MODEL, CODES, factor="Rap1", occupancy=0.05)
    assert expected.sites.sum()
    assert read(path)["sequence"].to_pylist() == list("abcde")
    assert_same(read(path).drop(["sequence"]), expected.to_table().drop(["sequence"]))


def test_space_writes_the_table_of_the_function(folder, tmp_path):
    path, plot = tmp_path / "table.tsv", tmp_path / "plot.svg"
    run(
        *("space", folder / "model", folder / "sequences.fa", "--motif", "Rap1"),
        *("--motif", "ACGT", "--distance", "0:4", "--position", 4),
        *("--output", path, "--plot", plot),
    )
    assert_same(read(path), space(MODEL, CODES, ["Rap1", "ACGT"], range(5), 4).to_table())
    assert "<svg" in plot.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["marginalize"], "expected SEQUENCES or --random COUNT"),
        (["marginalize", "x.fa", "--random", "3"], "expected SEQUENCES or --random COUNT"),
        (["marginalize", "x.fa", "--composition", "1,0,0,0"], "expected --random beside it"),
        (["space", "--random", "3", "--motif", "A"], "expected --motif twice, and --distance"),
    ],
)
def test_options_that_do_not_fit_are_refused(folder, words, message):
    result = run(words[0], folder / "model", *words[1:], code=2)
    assert message in " ".join(result.output.replace("│", " ").split())


def test_errors_of_the_functions_are_messages(folder, tmp_path):
    output = run("marginalize", folder / "model", "--random", 3, "--motif", "Reb2", code=1).output
    assert "did you mean 'Reb1'" in output
    output = run("marginalize", folder / "model", "--random", 3, "--position", "0", code=1).output
    assert "--change-ends" in output
    output = run("ablate", folder / "model", "--random", 3, code=1).output
    assert "expected a part (start and end) or a factor" in output
    words = ["marginalize", folder / "model", "--random", 3]
    assert "expected a name that ends in" in run(*words, "--plot", "x.jpg", code=1).output
    assert "expected a name that ends in" in run(*words, "--output", "x.xls", code=1).output
    path = tmp_path / "table.tsv"
    path.write_text("kept")
    output = run("ablate", folder / "model", "--random", 3, "--output", path, code=1).output
    assert "--overwrite" in output and path.read_text() == "kept"


def test_numbers_and_ranges():
    assert whole_numbers("--distance", ["3", "10:12", "5:5"]) == [3, 10, 11, 12, 5]
    for text in ("x", "1:", ":3", "1.5", "1-3"):
        with pytest.raises(ValueError, match="--distance: expected a number, or FROM:TO"):
            whole_numbers("--distance", [text])
    with pytest.raises(ValueError, match="TO not below FROM"):
        whole_numbers("--distance", ["3:2"])


@pytest.mark.parametrize(
    "result",
    [
        marginalize(MODEL, CODES, strand="both"),
        marginalize(MODEL, CODES, "Reb1"),
        marginalize(MODEL, CODES, ["ACGT", "TAC", "A", "C", "G", "T", "AC"], "all"),
        marginalize(MODEL, CODES, list(NAMES[:4]), "all", strand="both"),
        marginalize(MODEL, CODES[:1], "ACGT", [4, 8]),
    ],
    ids=["points", "a point", "heat map", "panels", "one sequence"],
)
def test_every_kind_of_plot_is_drawn(result, tmp_path):
    plot_marginalization(tmp_path / "plot.png", result)
    assert (tmp_path / "plot.png").stat().st_size > 5000
    with pytest.raises(FileExistsError):
        plot_marginalization(tmp_path / "plot.png", result)


def test_a_plot_of_distances_shows_each_orientation(tmp_path):
    found = space(MODEL, CODES, ["ACGT", "GGAC"], [3, 1, 2], orientations=["++", "--"])
    plot_spacing(tmp_path / "plot.svg", found)
    assert "<svg" in (tmp_path / "plot.svg").read_text()
    with pytest.raises(ValueError, match="expected a name that ends in"):
        plot_spacing(tmp_path / "plot.jpg", found)


def test_the_lines_of_the_page_run(tmp_path, monkeypatch):
    file = Path(__file__).parents[2] / "docs" / "howto" / "experiments.md"
    code = re.search(r"```python\n(.*?)```", file.read_text(encoding="utf-8"), re.DOTALL)
    names = ("Reb1", "Rap1")
    spec = ModelSpec(motif_count=2, motif_width=7, sequence_length=110)
    motifs = demo_motifs(width=7)[list(names)]
    parameters = init_parameters(spec, motifs.log_kd, motifs.lowest_log_kd())
    save_model(tmp_path / "model", Model(spec, parameters, names))
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    exec(compile(code[1], file.name, "exec"), found)
    assert found["pairs"].interaction.shape == (100, 4 * 51)
    assert found["found"].after.shape == (100, 1)
    assert (tmp_path / "pairs.png").exists()
