"""`train`: accepted and refused arguments, and what the model keeps."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from cisreg.data import Dataset
from cisreg.interpret import factor_effects
from cisreg.motifs import MotifSet, demo_motifs, write_motifs
from cisreg.recipes import RECIPES, format_recipe, read_recipe, train
from cisreg.sequences import decode
from cisreg.storage import Model, load_model
from cisreg.training import Stage
from cisreg.writing import open_table


class Loaded(NamedTuple):
    model: Model


def test_parameters_are_checked_before_an_earlier_run_is_deleted(tmp_path):
    earlier = [tmp_path / name for name in ("model.json", "recipe.toml", "checkpoint/x")]
    (tmp_path / "checkpoint").mkdir()
    for path in earlier:
        path.write_text("earlier")
    motifs = demo_motifs(width=30)
    dataset = Dataset(np.eye(10, 40, dtype=np.uint8), np.ones(10, np.float32))
    wrong = np.full(len(motifs), np.nan, np.float32)
    with pytest.raises(ValueError, match="log_concentration"):
        train(*(dataset, motifs, "quick"), output=tmp_path, overwrite=True, log_concentration=wrong)
    assert [path.read_text() for path in earlier] == ["earlier"] * len(earlier)


def test_the_model_keeps_its_motifs_as_they_started_and_as_they_are(tmp_path):
    random = np.random.default_rng(0)
    motifs = demo_motifs(width=30)
    dataset = Dataset(
        random.integers(0, 4, (60, 40), dtype=np.uint8), random.normal(size=60).astype(np.float32)
    )
    recipe = read_recipe("default").override(epochs=3)
    trained = train(dataset, motifs, recipe, output=tmp_path / "first").model
    loaded = load_model(tmp_path / "first")
    for model in (trained, loaded):
        np.testing.assert_array_equal(model.initial_motifs.log_kd, motifs.log_kd)
        np.testing.assert_array_equal(model.initial_motifs.widths, motifs.widths)
        np.testing.assert_array_equal(model.column_range, motifs.column_range(recipe.motif_flank))
        assert model.motifs.names == motifs.names
        assert (model.motifs.log_kd != motifs.log_kd).any()
    start = {"log_kd": trained.parameters["log_kd"]}
    second = train(dataset, motifs, recipe, output=tmp_path / "second", start=start).model
    np.testing.assert_array_equal(second.initial_motifs.log_kd, trained.parameters["log_kd"])


HEADER = ("sequence", "expression")
SHORT = read_recipe("quick").override(epochs=1)


@pytest.fixture(scope="module")
def motifs():
    return demo_motifs(width=30)


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    sequence = random.integers(0, 4, (60, 40), dtype=np.uint8)
    return Dataset(sequence, random.normal(300, 20, size=60).astype(np.float32))


@pytest.fixture(scope="module")
def trained(motifs, dataset):
    """Trained in memory, without a folder."""
    return train(dataset, motifs, SHORT)


def same(first, second):
    for name, value in first.model.parameters.items():
        np.testing.assert_array_equal(value, second.model.parameters[name], name)


def test_paths_do_as_well(tmp_path, motifs, dataset, trained):
    table, recipe = tmp_path / "table.tsv", tmp_path / "recipe.toml"
    rows = zip(decode(dataset.sequence), dataset.expression.tolist(), strict=True)
    table.write_text("".join(f"{text}\t{value}\n" for text, value in [HEADER, *rows]))
    recipe.write_text(format_recipe(SHORT))
    list_file = write_motifs(tmp_path / "motifs", motifs)
    by_path = train(str(table), list_file, recipe)
    assert by_path.model.motif_names == trained.model.motif_names
    assert by_path.model.metadata["padding_side"] == "left"
    np.testing.assert_allclose(
        by_path.model.parameters["activity"], trained.model.parameters["activity"], rtol=1e-3
    )


def test_a_frame_does_as_well(motifs, dataset, trained):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"expression": dataset.expression, "sequence": decode(dataset.sequence)},
        index=range(100, 160),
    )
    same(train(frame, motifs, SHORT), trained)
    same(train({name: frame[name] for name in frame}, motifs, SHORT), trained)


def test_a_folder_changes_nothing_but_that_it_is_filled(tmp_path, motifs, dataset, trained):
    same(train(dataset, motifs, SHORT, output=tmp_path / "model"), trained)
    files = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"model.json", "recipe.toml", "metrics.jsonl", "factors.tsv", "checkpoint"} <= files


@pytest.mark.parametrize("validation", [0.3, 0])
def test_a_folder_has_a_table_of_what_each_factor_does(tmp_path, motifs, dataset, validation):
    recipe = SHORT.override(validation=validation)
    done = train(dataset, motifs, recipe, output=tmp_path / "model")
    sequences = done.training if done.validation is None else done.validation
    with open_table(tmp_path / "expected.tsv") as write:
        table = factor_effects(done.model, sequences.sequence).to_table()
        write({name: table[name].combine_chunks() for name in table.column_names})
    expected = (tmp_path / "expected.tsv").read_text()
    assert (tmp_path / "model" / "factors.tsv").read_text() == expected
    assert (done.validation is None) == (validation == 0)


def test_the_model_says_in_which_unit_it_was_trained(trained, dataset):
    unit = trained.model.metadata["standard_unit"]
    training = trained.training.expression.astype(np.float64)
    assert unit["scale"] == pytest.approx(training.std() / 4.37, rel=1e-6)
    assert unit["shift"] == pytest.approx(training.mean() - 8.93 * unit["scale"], rel=1e-6)
    assert trained.model.metadata["measured_range"] == [training.min(), training.max()]
    assert trained.model.metadata["seed"] == 0


def test_a_folder_in_use_is_neither_replaced_nor_resumed_unasked(tmp_path, motifs, dataset):
    folder = tmp_path / "model"
    first = train(dataset, motifs, SHORT, output=folder)
    with pytest.raises(ValueError, match=r"model: expected a new folder, .* holds recipe.toml"):
        train(dataset, motifs, SHORT, output=folder, seed=1)
    same(train(dataset, motifs, SHORT, output=folder, resume=True), first)
    other = train(dataset, motifs, SHORT, output=folder, seed=1, overwrite=True)
    same(Loaded(load_model(folder)), other)


@pytest.mark.parametrize("name", ["resume", "tensorboard", "profile"])
def test_what_wants_a_folder_says_so(motifs, dataset, name):
    with pytest.raises(ValueError, match=f"output: expected a folder with {name}"):
        train(dataset, motifs, SHORT, **{name: True})


def test_motifs_are_placed_in_the_columns_of_the_recipe_unless_they_are_wider(dataset):
    trained = train(dataset, demo_motifs(width=24), SHORT)
    same_of(trained.model.initial_motifs, demo_motifs(width=30))
    wide = MotifSet.from_matrices(["wide"], [np.eye(4)[[0, 1] * 17] - 0.5], width=34)
    with pytest.raises(ValueError, match=r"motifs: expected 30 columns at most.* got 34; change"):
        train(dataset, wide, SHORT)


def same_of(motifs, others):
    assert motifs.names == others.names
    np.testing.assert_array_equal(motifs.log_kd, others.log_kd)
    np.testing.assert_array_equal(motifs.first_column, others.first_column)


def test_a_validation_set_wins_over_the_share_of_the_recipe(motifs, dataset):
    rest, held_out = dataset[10:], dataset[:10]
    trained = train(rest, motifs, SHORT, validation=held_out)
    assert (len(trained.training), len(trained.validation)) == (50, 10)
    without = replace(SHORT, validation=0.0)
    assert train(dataset, motifs, without).validation is None
    assert len(train(rest, motifs, without, validation=held_out).validation) == 10


def test_what_is_given_is_in_the_unit_of_the_measurements(motifs, dataset):
    spec = SHORT.spec(len(motifs), 40)
    held = replace(SHORT, stages=(Stage(("potentiation",), epochs=1, learning_rate=1e-9),))
    start = {"activity": np.full(16, 3.0, np.float32), "bias": np.float32(0.0)}
    trained = train(dataset, motifs, held, start=start).model
    assert spec == trained.spec
    np.testing.assert_allclose(trained.parameters["activity"], 3.0, rtol=1e-5)
    np.testing.assert_allclose(trained.parameters["bias"], 0.0, atol=1e-3)


@pytest.mark.parametrize(
    ("layers", "name"),
    [
        ({"positional": True}, "position_weight"),
        ({"positional": True, "position_knots": 4}, "position_weight"),
        ({"stranded": True}, "activity_difference"),
        ({"positional_potentiation": True}, "potentiation_position_weight"),
        ({"link": "logistic"}, "link_ceiling"),
        ({"binding_limit": True}, "log_binding_limit"),
        ({"accessibility_activity": True}, "accessibility_activity"),
        ({}, "potentiation"),
    ],
)
def test_a_layer_that_no_stage_trains_is_said(motifs, dataset, caplog, layers, name):
    stage = Stage(("activity", "bias", "potentiation_bias"), epochs=1)
    recipe = replace(SHORT, model=layers, stages=(stage,))
    train(dataset, motifs, recipe)
    assert any(f"no stage trains {name}, so that the" in each for each in caplog.messages)
    caplog.clear()
    others = {"potentiation", *(["link_floor"] if "link" in layers else [])}
    every = Stage(tuple({*stage.trainable, name, *others}), epochs=1)
    train(dataset, motifs, replace(recipe, stages=(every,)))
    assert not [each for each in caplog.messages if "no stage trains" in each]


def test_an_exponential_of_squared_errors_and_unused_variants_are_said(motifs, dataset, caplog):
    recipe = replace(SHORT, model={"link": "exponential"}, variants=({},))
    with caplog.at_level(logging.INFO, logger="cisreg.training"):
        train(dataset, motifs, recipe)
    assert "expected a noise model of counts" in caplog.text
    assert "its 1 variants are for members of an ensemble" in caplog.text


def test_layers_that_are_held_as_they_were_given_are_not_said(motifs, dataset, caplog):
    stage = Stage(("bias", "potentiation", "potentiation_bias", "activity"), epochs=1)
    recipe = replace(SHORT, model={"stranded": True}, stages=(stage,))
    given = np.arange(16, dtype=np.float32)
    train(dataset, motifs, recipe, start={"activity_difference": given})
    assert not [each for each in caplog.messages if "no stage trains" in each]


def test_the_recipes_that_come_with_cisreg_train_all_that_they_declare():
    for name in RECIPES:
        recipe = read_recipe(name)
        spec = recipe.spec(2, 50)
        trained = {each for stage in recipe.stages_for(spec) for each in stage.trainable}
        assert trained == set(spec.parameter_shapes)


def test_what_a_training_shows(trained):
    text = repr(trained)
    assert len(text) < 400
    assert "FitResult(2 epochs" in text
    assert "<table>" in trained._repr_html_()
    table = trained.fit.to_table()
    assert table["total_epoch"].to_pylist() == [1, 2]
    assert table["validation_r"].to_pylist() == [each.validation_r for each in trained.fit.history]


def test_a_history_is_a_frame(trained):
    pytest.importorskip("pandas")
    frame = trained.fit.to_frame()
    assert list(frame["stage"]) == [1, 2]
    assert frame["validation_loss"].iloc[-1] == trained.fit.history[-1].validation_loss
