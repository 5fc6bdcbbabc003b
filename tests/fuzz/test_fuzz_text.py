"""Damaged recipes, motifs, lists and tables: read, or the error names the file (and line)."""

from __future__ import annotations

import numpy as np
from fuzz.damage import damaged, fuzz, reads_or_says
from hypothesis import example, given
from hypothesis import strategies as st

from cisreg.losses import read_mean_standard_deviation
from cisreg.motifs import read_log_concentration, read_motifs, read_pkdm
from cisreg.recipes import Recipe, read_recipe
from cisreg.run_folder import recipe_of_run

RECIPE = b"""# Two stages.
validation = 0.1
precision = "float32"
[motifs]
width = 20
flank = 2
[model]
stranded = true
positional = true
position_knots = 5
binding = "probability"
[penalty]
motif_pull = 1e-3
[[stage]]
trainable = ["activity", "bias"]
epochs = 3
learning_rate = 0.04
schedule = { name = "cosine_warmup", warmup = 1.0, final = 0.2 }
average_decay = 0.9
[[stage]]
trainable = ["log_kd"]
epochs = 2
optimizer = "rmsprop"
momentum = 0.5
patience = 3
penalty = { motif_l2 = 0.5 }
"""
PKDM = b"#Abf1\nA\t-1\t2\t0.25\nT\t2\t2\t1e-3\nG\t1\t2\t-7\nC\t0\t-2\t3\n"
OTHER_PKDM = b"A\t1\nC\t1\nG\t1\nT\t-1\n"
NAMES = ("Abf1", "Reb1", "Rap1")
LIST = b"Abf1.pkdm\n# and\nReb1.pkdm\t-4\n\nRap1.pkdm\n"
CONCENTRATIONS = b"motifs/Abf1.pkdm\t-9.5\nReb1\t-12\n# third\nRap1\t1e-3\n"
REPLACING = b'{"folders": ["replaced-01234567"], "parameters": "%s", "begun": true}' % (b"0a" * 32)
TABLE = b"".join(b"%d\t%d.5\n" % (mean, mean) for mean in range(18))


@fuzz
@given(damaged(RECIPE))
@example(b"validation = " + b"[" * 20_000)
@example(b"\xff")
def test_damaged_recipes(tmp_path, content):
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    recipe = reads_or_says(path, lambda: read_recipe(path))
    assert recipe is None or isinstance(recipe, Recipe)


@fuzz
@given(damaged(PKDM))
def test_damaged_motifs(tmp_path, content):
    path = tmp_path / "Abf1.pkdm"
    path.write_bytes(content)
    matrix = reads_or_says(path, lambda: read_pkdm(path))
    if matrix is not None:
        assert matrix.shape[1] == 4
        assert np.isfinite(matrix.astype(np.float32)).all()
    motifs = reads_or_says(path, lambda: read_motifs(path, width=10))
    assert (motifs is None) == (matrix is None)


@fuzz
@given(damaged(LIST))
@example(b"A" * 5000 + b".pkdm")
def test_damaged_lists_of_motifs(tmp_path, content):
    for name in NAMES:
        (tmp_path / f"{name}.pkdm").write_bytes(OTHER_PKDM)
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    motifs = reads_or_says(path, lambda: read_motifs(path, width=3))
    assert motifs is None or set(motifs.names) <= set(NAMES)


@fuzz
@given(damaged(CONCENTRATIONS), st.booleans())
def test_damaged_log_concentrations(tmp_path, content, with_default):
    path = tmp_path / "log_concentration.tsv"
    path.write_bytes(content)
    default = dict.fromkeys(NAMES, -5.0) if with_default else None
    values = reads_or_says(path, lambda: read_log_concentration(path, NAMES, default=default))
    if values is not None:
        assert values.shape == (3,)
        assert np.isfinite(values).all()


@fuzz
@given(damaged(TABLE))
@example(TABLE + b"18\t\xff\n")
def test_damaged_tables_of_mean_and_standard_deviation(tmp_path, content):
    path = tmp_path / "mean_sd.txt"
    path.write_bytes(content)
    table = reads_or_says(path, lambda: read_mean_standard_deviation(path))
    if table is not None:
        assert np.isfinite(table).all()
        assert (table[:, 1] > 0).all()


@fuzz
@given(damaged(REPLACING))
@example(b"[" * 20_000)
def test_damaged_records_of_replaced_runs(tmp_path, content):
    path = tmp_path / "replacing.json"
    path.write_bytes(content)
    (tmp_path / "recipe.toml").touch()
    found = reads_or_says(path, lambda: recipe_of_run(tmp_path))
    assert found in (None, tmp_path / "recipe.toml")
