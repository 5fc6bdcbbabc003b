"""Ensembles: their rows, their folders, and intervals against Student's formula."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from interpret_models import make_codes, make_model
from uncertain_models import linear

from cisreg.data import Dataset
from cisreg.losses import Poisson
from cisreg.recipes import Recipe
from cisreg.sequences import decode
from cisreg.storage import load_model
from cisreg.training import Stage
from cisreg.uncertainty import Ensemble, fit_ensemble, load_ensemble
from cisreg.uncertainty.member_training import _drawn, _families

RECIPE = Recipe(
    (Stage(("activity", "bias"), epochs=2, learning_rate=0.1, batch_size=50),),
    model={"potentiation": False},
    motif_width=8,
    validation=0.0,
)


def members(count=5):
    """Models whose activities differ."""
    model = make_model()
    random = np.random.default_rng(0)
    drawn = random.normal(2, 1, (count, 5)).astype(np.float32)
    return [replace(model, parameters={**model.parameters, "activity": each}) for each in drawn]


def test_intervals_are_those_of_student_for_one_more_draw():
    models = members()
    ensemble = Ensemble(tuple(models), "bootstrap")
    found = ensemble.parameters(0.9)
    place = [i for i, name in enumerate(found.parameter) if name == "activity"]
    values = np.stack([each.parameters["activity"] for each in models]).astype(float)
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) * np.sqrt(1.2)
    np.testing.assert_allclose(found.estimate[place], mean)
    np.testing.assert_allclose(found.upper[place], mean + 2.13185 * error, rtol=1e-5)
    np.testing.assert_allclose(found.lower[place], mean - 2.13185 * error, rtol=1e-5)
    bias = found.parameter.index("bias")
    assert (found.factor[bias], found.standard_error[bias]) == ("", 0)
    codes = make_codes()
    each = np.stack([model.predict(codes).expression for model in models]).astype(float)
    np.testing.assert_allclose(ensemble.predict(codes).expression, each.mean(axis=0))
    change = ensemble.difference(codes[:4], codes[4:8])
    np.testing.assert_allclose(
        change.standard_error, (each[:, 4:8] - each[:, :4]).std(axis=0, ddof=1) * np.sqrt(1.2)
    )
    np.testing.assert_array_equal(ensemble.expression(codes), each)
    ratio = ensemble.intervals_of(each[:, :3] / each[:, 3:6], 0.9)
    np.testing.assert_allclose(ratio.expression, (each[:, :3] / each[:, 3:6]).mean(axis=0))
    with pytest.raises(ValueError, match="values: expected"):
        ensemble.intervals_of(each[:2])
    assert set(ensemble.effects().parameter) == {"effect", "potentiation_effect"}
    table = ensemble.to_table().to_pydict()
    assert table["member"][:1] + table["member"][-1:] == [0, 4]
    assert table["factor"][-1] is None


def test_the_mean_and_each_member_are_compared_with_measurements():
    models, codes = members(), make_codes(30, seed=4)
    measured = np.random.default_rng(5).normal(size=(30, 2))
    found = Ensemble(tuple(models), "seeds").evaluate(Dataset(codes, measured))
    each = np.stack([model.predict(codes).expression for model in models]).astype(float)
    truth = measured.mean(axis=1)
    correlations = np.corrcoef(np.vstack([truth, each.mean(axis=0), each]))[0, 1:]
    np.testing.assert_allclose(
        [found.mean.pearson, *(m.pearson for m in found.members)], correlations, rtol=1e-5
    )
    assert np.isclose(found.mean.mean_squared_error, ((each.mean(axis=0) - truth) ** 2).mean())
    with pytest.raises(ValueError, match="dataset: expected 2 or more rows"):
        Ensemble(tuple(models), "seeds").evaluate(Dataset(codes[:1], measured[:1]))


def test_members_of_counts_are_compared_with_levels():
    noise = Poisson(library_size=(1e3, 2e3))
    models = [replace(each, noise=noise) for each in members(3)]
    codes = make_codes(30, seed=4)
    counts = np.random.default_rng(5).poisson(4.0, (30, 2)) * np.array([1.0, 100.0])
    found = Ensemble(tuple(models), "seeds").evaluate(Dataset(codes, counts))
    levels = (counts / (1e3, 2e3)).mean(axis=1)
    predicted = models[0].predict(codes).expression
    assert np.isclose(found.members[0].pearson, np.corrcoef(predicted, levels)[0, 1], rtol=1e-4)


def test_models_that_do_not_belong_together_are_refused():
    models = members(2)
    with pytest.raises(ValueError, match="models: expected 2 or more"):
        Ensemble((models[0],), "seeds")
    renamed = replace(models[1], motif_names=("a", *models[1].motif_names[1:]))
    with pytest.raises(ValueError, match=r"same motifs, outputs and length.* number 1"):
        Ensemble((models[0], renamed), "seeds")


def test_members_of_different_layers_share_their_predictions_alone():
    models = (make_model(), make_model(seed=1, stranded=True))
    ensemble, codes = Ensemble(models, "seeds"), make_codes()
    each = [model.predict(codes).expression.astype(float) for model in models]
    np.testing.assert_array_equal(ensemble.expression(codes), each)
    np.testing.assert_allclose(ensemble.predict(codes).expression, np.mean(each, axis=0))
    for numbers in (ensemble.parameters, ensemble.effects, ensemble.to_table):
        with pytest.raises(ValueError, match="expected members of the same layers"):
            numbers()
    assert "stranded=True" in ensemble._repr_html_()


def test_a_bootstrap_draws_whole_families():
    codes = np.random.default_rng(0).integers(0, 4, (200, 12), dtype=np.uint8)
    codes[150:] = 3 - codes[:50, ::-1]  # reverse complements
    data = Dataset(codes, np.zeros(200), extra={"plate": np.repeat(["a", "b", "c", "d"], 50)})
    families = _families(data, None)
    drawn = [_drawn(families, 0, number) for number in range(300)]
    times = np.stack([np.bincount(rows, minlength=200) for rows in drawn])
    assert (times[:, 150:] == times[:, :50]).all()
    # As many families as there are, each drawn 1 +- 1 times on average.
    assert (times[:, :150].sum(axis=1) == 150).all()
    assert abs(times[:, :150].var() - 149 / 150) < 0.05
    assert not np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(drawn[0], _drawn(families, 0, 0))
    plates = np.bincount(_drawn(_families(data, "plate"), 0, 0), minlength=200).reshape(4, 50)
    assert (plates == plates[:, :1]).all()
    with pytest.raises(ValueError, match="groups: expected a column among plate"):
        _families(data, "lane")


@pytest.fixture(scope="module")
def problem():
    truth, data = linear(count=150, motifs=2)
    return truth.motifs, data


def test_an_ensemble_is_kept_in_its_folder_and_grows(problem, tmp_path, monkeypatch):
    motifs, data = problem
    first = fit_ensemble(data, motifs, RECIPE, members=2, folder=tmp_path / "made")
    models = [load_model(tmp_path / "made" / f"member_{number}") for number in range(2)]
    for made, read in zip(first.models, models, strict=True):
        np.testing.assert_array_equal(made.parameters["activity"], read.parameters["activity"])
    assert not np.array_equal(*(each.parameters["activity"] for each in models))
    trained = []
    whole = importlib.import_module("cisreg.uncertainty.member_processes")
    train = whole.train_member
    monkeypatch.setattr(
        whole,
        "train_member",
        lambda task, folder: trained.append(task.number) or train(task, folder),
    )
    # The second member is lost, and there is to be a third.
    (tmp_path / "made" / "member_1" / "model.json").unlink()
    again = fit_ensemble(data, motifs, RECIPE, members=3, folder=tmp_path / "made")
    assert trained == [1, 2]
    np.testing.assert_array_equal(
        again.models[1].parameters["activity"], models[1].parameters["activity"]
    )
    assert len(load_ensemble(tmp_path / "made")) == 3
    for name, other in (
        ("data", (data[:100], motifs, RECIPE)),
        ("recipe", (data, motifs, RECIPE.override(epochs=1))),
        (
            "motifs",
            (
                data,
                replace(motifs, names=("a", "b")),
                RECIPE,
            ),
        ),
    ):
        with pytest.raises(ValueError, match=f"an ensemble of the same {name}"):
            fit_ensemble(*other, members=2, folder=tmp_path / "made")
    with pytest.raises(ValueError, match="an ensemble of the same seed"):
        fit_ensemble(data, motifs, RECIPE, members=2, seed=1, folder=tmp_path / "made")


@pytest.fixture
def without_training(monkeypatch):
    whole, model = importlib.import_module("cisreg.uncertainty.member_processes"), make_model()
    monkeypatch.setattr(whole, "train_member", lambda task, folder: model)


@pytest.mark.parametrize("resampling", ["bootstrap", "seeds"])
def test_an_ensemble_of_other_files_is_refused(problem, tmp_path, without_training, resampling):
    """Also with seeds, where the rows are read from the files during training."""
    motifs, data = problem
    for name, shift in (("one", 0), ("other", 1)):
        columns = {"sequence": decode(data.sequence), "expression": data.expression + shift}
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")

    def fit(name):
        options = {"members": 2, "resampling": resampling, "folder": tmp_path / "made"}
        fit_ensemble(tmp_path / name, motifs, RECIPE, **options)

    fit("one.parquet")
    fit("one.parquet")
    with pytest.raises(ValueError, match="an ensemble of the same data"):
        fit("other.parquet")


def test_an_ensemble_of_other_families_is_refused(problem, tmp_path, without_training):
    motifs, data = problem

    def fit(lanes):
        extra = {"lane": np.repeat(lanes, 75)}
        rows = Dataset(data.sequence, data.expression, extra=extra)
        fit_ensemble(rows, motifs, RECIPE, members=2, groups="lane", folder=tmp_path / "made")

    fit(["a", "b"])
    fit(["a", "b"])
    with pytest.raises(ValueError, match="an ensemble of the same families"):
        fit(["a", "a"])


def test_seeds_have_the_same_rows(problem, monkeypatch):
    motifs, data = problem
    ensemble = fit_ensemble(data, motifs, RECIPE, members=2, resampling="seeds")
    first, second = (each.parameters["activity"] for each in ensemble.models)
    assert not np.array_equal(first, second)
    assert np.abs(first - second).max() < 0.2 * np.abs(first).max()


@pytest.mark.slow
def test_processes_train_the_same_models(problem):
    motifs, data = problem
    one, two = (fit_ensemble(data, motifs, RECIPE, members=2, processes=count) for count in (1, 2))
    for first, second in zip(one.models, two.models, strict=True):
        np.testing.assert_array_equal(first.parameters["activity"], second.parameters["activity"])
    with pytest.raises(ValueError, match="processes: expected options that other processes"):
        fit_ensemble(data, motifs, RECIPE, members=2, processes=2, loss=lambda *_: 0)


def test_arguments_that_cannot_be_are_refused(problem, tmp_path):
    motifs, data = problem
    with pytest.raises(ValueError, match="members: expected 2 or more, got 1"):
        fit_ensemble(data, motifs, RECIPE, members=1)
    with pytest.raises(ValueError, match="processes: expected 1 or more, got 0"):
        fit_ensemble(data, motifs, RECIPE, processes=0)
    with pytest.raises(ValueError, match="resampling: expected"):
        fit_ensemble(data, motifs, RECIPE, resampling="jackknife")
    with pytest.raises(ValueError, match='groups: expected None with resampling "seeds"'):
        fit_ensemble(data, motifs, RECIPE, resampling="seeds", groups="lane")
    with pytest.raises(TypeError, match="output: expected only what all members share"):
        fit_ensemble(data, motifs, RECIPE, output=tmp_path)
    with pytest.raises(ValueError, match=r"expected a folder of cisreg.uncertainty.fit_ensemble"):
        load_ensemble(tmp_path)
    (tmp_path / "member_0").mkdir()
    with pytest.raises(ValueError, match=r"it holds member_0 and no ensemble.json"):
        fit_ensemble(data, motifs, RECIPE, members=2, folder=tmp_path)


def test_members_take_turns_in_the_variants_of_a_recipe(problem, tmp_path):
    motifs, data = problem
    recipe = replace(RECIPE, variants=({}, {"stranded": True}))
    made = fit_ensemble(data, motifs, recipe, members=3, resampling="seeds", folder=tmp_path / "a")
    assert [model.spec.stranded for model in made.models] == [False, True, False]
    alone = fit_ensemble(data, motifs, RECIPE, members=3, resampling="seeds")
    for number in (0, 2):
        np.testing.assert_array_equal(
            made.models[number].parameters["activity"], alone.models[number].parameters["activity"]
        )
    assert "variant" not in (tmp_path / "a" / "member_1" / "recipe.toml").read_text()
    np.testing.assert_array_equal(
        load_ensemble(tmp_path / "a").expression(data.sequence), made.expression(data.sequence)
    )
    with pytest.raises(ValueError, match="ensemble of the same recipe"):
        fit_ensemble(data, motifs, RECIPE, members=3, resampling="seeds", folder=tmp_path / "a")
