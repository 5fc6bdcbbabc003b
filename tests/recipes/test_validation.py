"""What `cisreg.train` holds out of data, or reads from another file, to validate with."""

from __future__ import annotations

import numpy as np
import pytest

import cisreg
from cisreg.data import Columns, Dataset, HoldOut
from cisreg.motifs import demo_motifs
from cisreg.recipes import read_recipe, train


def write(path, count, seed):
    random = np.random.default_rng(seed)
    rows = [
        f"{''.join(random.choice(list('ACGT'), 30 - row % 3))}\t{random.normal():.3f}\t{row % 5}\n"
        for row in range(count)
    ]
    path.write_text("promoter\tlevel\tplate\n" + "".join(rows))
    return path


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    return write(folder / "train.tsv", 60, 0), write(folder / "other.tsv", 25, 1)


def trained(data, validation):
    quick = read_recipe("quick").override(model={}, penalty={}, epochs=1)
    return train(data, demo_motifs(width=30), quick, validation=validation, progress=False)


def test_a_file_is_read_like_the_data(paths):
    columns = Columns("promoter", ("level",), extra=("plate",))
    files = cisreg.open_dataset(paths[0], columns=columns, side="right")
    result = trained(files, paths[1])
    expected = cisreg.open_dataset(
        paths[1], columns=Columns("promoter", ("level",)), length=30, side="right"
    ).load()
    np.testing.assert_array_equal(result.validation.sequence, expected.sequence)
    np.testing.assert_array_equal(result.validation.expression, expected.expression)
    assert len(result.training) == 60


def test_groups_and_folds_are_those_of_a_column(paths):
    columns = Columns("promoter", ("level",), extra=("plate",))
    files = cisreg.open_dataset(paths[0], columns=columns)
    result = trained(files, HoldOut(folds="plate", fold=3))
    assert (len(result.training), len(result.validation)) == (48, 12)
    data = files.load()
    assert isinstance(data, Dataset)
    result = trained(data, HoldOut(0.4, groups="plate"))
    assert len(result.validation) % 12 == 0
    assert len(result.training) + len(result.validation) == 60
