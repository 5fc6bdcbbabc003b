"""Runs and pages that the tests of reports share: a small one, with names that try to act."""

from __future__ import annotations

import numpy as np
import pytest
from report_cases import evil_motifs

import cisreg
from cisreg.motifs import demo_motifs
from cisreg.sequences import decode


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    """A table of measured sequences with names and plates."""
    simulated = cisreg.simulate(demo_motifs(width=20), sequence_count=700, seed=3)
    path = tmp_path_factory.mktemp("report data") / "measured.tsv"
    lines = ["name\tsequence\texpression\tplate"]
    for place, text in enumerate(decode(simulated.sequence)):
        # Some sequences are shorter than others.
        text = text.strip("N")[place % 5 :]
        number = simulated.expression[place]
        lines.append(f"<b>{place}</b>\t{text}\t{number:.6g}\tplate <i>{place % 3}</i>")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def trained(table, tmp_path_factory):
    """A run in a folder, and what `train` returned."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    recipe = cisreg.read_recipe("default").override(epochs=12, motif_width=20)
    result = cisreg.train(
        str(table), evil_motifs(), recipe, output=folder, validation=0.3, progress=False
    )
    return folder, result


@pytest.fixture(scope="session")
def other_run(trained, tmp_path_factory):
    """A run of the same data whose model is a little worse."""
    folder, result = trained
    other = tmp_path_factory.mktemp("runs") / "second"
    parameters = dict(result.model.parameters)
    parameters["activity"] = (0.5 * parameters["activity"]).astype(np.float32)
    changed = cisreg.Model(
        result.model.spec,
        parameters,
        result.model.motif_names,
        metadata=result.model.metadata,
        initial_motifs=result.model.initial_motifs,
        column_range=result.model.column_range,
        table_columns=result.model.table_columns,
    )
    cisreg.save_model(other, changed)
    (other / "recipe.toml").write_bytes((folder / "recipe.toml").read_bytes())
    return other


@pytest.fixture(scope="session")
def page(trained, tmp_path_factory):
    """The page of the run, and what `write_report` returned."""
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    from cisreg.report import write_report

    path = tmp_path_factory.mktemp("pages") / "report.html"
    return path, write_report(path, trained[0])


@pytest.fixture(scope="session")
def comparison(trained, other_run, tmp_path_factory):
    """The page of two runs, and what `write_report` returned."""
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    from cisreg.report import write_report

    path = tmp_path_factory.mktemp("pages") / "comparison.html"
    return path, write_report(path, trained[0], other_run)
