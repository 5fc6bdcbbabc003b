"""Validation data of `cisreg.train`: held out of the data, or read from a different file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cisreg
from cisreg.data import Columns, Dataset, HoldOut, split
from cisreg.motifs import demo_motifs
from cisreg.recipes import read_recipe, train
from cisreg.training.feeds import make_feed


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


def table(path):
    lines = [line.split("\t") for line in path.read_text().splitlines()[1:]]
    sequence, level, plate = zip(*lines, strict=True)
    values = {"sequence": list(sequence), "expression": [float(each) for each in level]}
    return values | {"plate": list(plate)}


def test_tables_in_memory_have_groups_and_folds_and_are_validated_with(paths):
    data, other = table(paths[0]), table(paths[1])
    result = trained(data, HoldOut(folds="plate", fold=3))
    assert (len(result.training), len(result.validation)) == (48, 12)
    result = trained(data, other)
    assert (len(result.training), len(result.validation)) == (60, 25)
    assert result.validation.sequence.shape == (25, 30)


def test_the_column_of_a_hold_out_is_read_from_a_path(paths, tmp_path):
    path = tmp_path / "usual.tsv"
    path.write_text(paths[0].read_text().replace("promoter\tlevel", "sequence\texpression"))
    result = trained(path, HoldOut(0.4, groups="plate"))
    assert len(result.validation) % 12 == 0


@pytest.mark.parametrize("how", [HoldOut(0.4, groups=2), HoldOut(folds=2, fold=3)])
@pytest.mark.parametrize("kind", ["text", "parquet", "frame"])
def test_the_column_of_a_hold_out_may_be_a_position(paths, tmp_path, kind, how):
    data = table(paths[0])
    if kind == "text":
        path = tmp_path / "usual.tsv"
        path.write_text(paths[0].read_text().replace("promoter\tlevel", "sequence\texpression"))
        data = path
    elif kind == "parquet":
        pq.write_table(pa.table(data), tmp_path / "x.parquet")
        data = tmp_path / "x.parquet"
    changed = "folds" if how.groups is None else "groups"
    by_name = replace(how, **{changed: "plate"})
    expected = trained(data, by_name).validation
    assert trained(data, how).validation.fingerprint() == expected.fingerprint()


def test_a_position_is_refused_for_data_that_is_open(paths):
    columns = Columns("promoter", ("level",), extra=("plate",))
    files = cisreg.open_dataset(paths[0], columns=columns)
    for data in (files, files.load()):
        with pytest.raises(ValueError, match=r"name of a column among plate, .* the position 2"):
            trained(data, HoldOut(0.4, groups=2))


def test_a_streaming_run_goes_on_with_the_same_column_alone(paths, tmp_path):
    columns = table(paths[0])
    columns["second"] = [2 * each for each in columns["expression"]]
    pq.write_table(pa.table(columns), tmp_path / "x.parquet", row_group_size=20)
    quick = read_recipe("quick").override(model={}, penalty={}, epochs=1)
    quick = replace(quick, validation=0.0)

    def run(expression, **options):
        columns = Columns(expression=expression)
        data = cisreg.open_dataset(tmp_path / "x.parquet", columns=columns)
        options |= {"output": tmp_path / "model", "cache": "none", "progress": False}
        return train(data, demo_motifs(width=30), quick, **options)

    run("expression")
    with pytest.raises(ValueError, match="training set"):
        run("second", resume=True)


@pytest.mark.parametrize("cache", ["host", "none"])
@pytest.mark.parametrize("how", [HoldOut(0.4, groups="plate"), HoldOut(folds="plate", fold="1")])
def test_rows_of_files_without_a_group_or_fold_are_refused(paths, tmp_path, cache, how):
    columns = table(paths[0])
    columns["plate"][7] = None
    pq.write_table(pa.table(columns), tmp_path / "x.parquet", row_group_size=20)
    files = cisreg.open_dataset(tmp_path / "x.parquet", columns=Columns(extra=("plate",)))
    quick = read_recipe("quick").override(model={}, penalty={}, epochs=1)
    with pytest.raises(ValueError, match="expected a value in every row"):
        train(files, demo_motifs(width=30), quick, validation=how, cache=cache, progress=False)


def test_what_cannot_be_validated_with_is_named(paths):
    with pytest.raises(TypeError, match="frame: expected a pandas"):
        trained(table(paths[0]), [1, 2])
    with pytest.raises(TypeError, match=r"validation: expected a share, .* got dict"):
        make_feed(Dataset.from_frame(table(paths[0])), {"a": 1}, seed=0)


@pytest.mark.parametrize("way", ["files", "dataset", "part", "frame", "arrays"])
def test_a_model_knows_how_its_data_were_read(paths, way):
    columns = Columns("promoter", ("level",))
    files = cisreg.open_dataset(paths[0], columns=columns, side="right")
    data = cisreg.read_dataset(paths[0], columns=columns, side="right")
    texts = [text.rstrip("N") for text in cisreg.decode(data.sequence)]
    frame = {"promoter": texts, "level": data.expression, "plate": np.arange(60)}
    given = {
        "files": files,
        "dataset": data,
        "part": data[:50].take(np.arange(50)),
        "frame": Dataset.from_frame(frame, "promoter", "level", side="right"),
        "arrays": Dataset(cisreg.encode(texts, side="right"), data.expression),
    }[way]
    model = trained(given, None).model
    assert model.padding_side == "right"
    np.testing.assert_array_equal(model.encode(texts), data.sequence)
    if way != "arrays":
        assert model.table_columns["sequence"] == "promoter"
        assert model.table_columns["expression"] == ["level"]


def test_a_file_is_read_like_a_dataset(paths):
    columns = Columns("promoter", ("level",), name="plate")
    data = cisreg.read_dataset(paths[0], columns=columns, side="right")
    other = cisreg.read_dataset(paths[1], 30, columns=Columns("promoter", "level"), side="right")
    found = trained(data, paths[1]).validation
    np.testing.assert_array_equal(found.sequence, other.sequence)
    np.testing.assert_array_equal(found.expression, other.expression)


def test_rows_held_out_by_folds_are_said(paths, caplog):
    data = cisreg.read_dataset(paths[0], columns=Columns("promoter", "level", extra=("plate",)))
    with caplog.at_level("INFO", "cisreg.data"):
        trained(data, HoldOut(folds="plate", fold=3))
    assert "held out: 12 of 60 rows (20.0 %)" in caplog.text


def test_lists_of_paths_are_data_as_one_path_is(paths, tmp_path):
    usual = []
    for path in paths:
        text = path.read_text().replace("promoter\tlevel", "sequence\texpression")
        usual.append(tmp_path / path.name)
        usual[-1].write_text(text)
    result = trained(usual, None)
    assert len(result.training) + len(result.validation) == 85
    assert len(trained(usual[0], [str(each) for each in usual]).validation) == 85


@pytest.mark.parametrize("seed", [-1, "a", 1.5, True, None])
def test_seeds_that_are_none_are_named(paths, seed):
    data = Dataset.from_frame(table(paths[0]))
    with pytest.raises(ValueError, match="seed: expected an integer of 0 or more, got"):
        split(data, 0.1, seed)
    with pytest.raises(ValueError, match="seed: expected an integer of 0 or more, got"):
        split(data, 0.1, seed, groups=data.expression)


@pytest.mark.parametrize("motifs", [np.zeros((30, 4, 2)), [np.zeros((30, 4))], None, 5])
def test_motifs_that_are_none_are_named(paths, motifs):
    with pytest.raises(TypeError, match="motifs: expected a MotifSet, or the path"):
        train(table(paths[0]), motifs, "quick", progress=False)


def test_a_file_in_the_place_of_the_output_folder_is_named(paths, tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(ValueError, match=r"taken: expected a folder, .* got a file"):
        train(table(paths[0]), demo_motifs(width=30), "quick", output=tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"
