"""Recipes: reading, overriding, writing, and the error messages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cisreg.losses import Gaussian, NegativeBinomial, Penalty, SortBins
from cisreg.recipes import RECIPES, Recipe, format_recipe, read_recipe
from cisreg.training import Constant, CosineWarmup, ExponentialDecay, Stage, TriangularCycle

STAGE = '[[stage]]\ntrainable = ["activity"]\nepochs = 3\n'


def write(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "layers", [{}, {"positional_potentiation": True, "link": "logistic", "position_knots": 5}]
)
@pytest.mark.parametrize("name", RECIPES)
def test_recipes_that_come_along_make_models_and_stages(name, layers):
    recipe = read_recipe(name).override(model=layers)
    spec = recipe.spec(motif_count=3, sequence_length=110)
    assert {each for stage in recipe.stages_for(spec) for each in stage.trainable} == set(
        spec.parameter_shapes
    )


def test_every_option_survives_writing_and_reading(tmp_path):
    recipe = Recipe(
        stages=(
            Stage(("activity",), epochs=3, schedule=ExponentialDecay(0.3, epochs=2.5)),
            Stage(
                ("log_kd", "bias"),
                epochs=2,
                optimizer="sgd",
                momentum=0.5,
                nesterov=True,
                patience=4,
                schedule=TriangularCycle(low=0.2),
                penalty=Penalty(activity_l1=0.125),
                average_decay=0.99,
            ),
            Stage(("bias",), epochs=1, schedule=Constant()),
            Stage(("bias",), epochs=1, schedule=CosineWarmup()),
        ),
        model={
            **{"binding": "probability", "positional": True, "position_knots": 4},
            **{"pairs": [["a", "b"], ["b", "b"]], "pair_distance": 10, "pair_knots": 3},
        },
        motif_width=25,
        motif_flank=2,
        validation=0.25,
        penalty=Penalty(motif_pull=1e-5),
        loss=SortBins(borders=(0.25, 1.0), depth=(1.0, 2.0, 0.5)),
        precision="mixed_float16",
        standardize=False,
        variants=({"binding": "expected"}, {"position_knots": 5, "stranded": True}),
    )
    assert read_recipe(write(tmp_path, format_recipe(recipe))) == recipe


@pytest.mark.parametrize(
    ("table", "loss"),
    [
        ('name = "squared_error"', None),
        ('name = "gaussian"', Gaussian()),
        ('name = "negative_binomial"\nexposure = true', NegativeBinomial(exposure=True)),
        ('name = "sort_bins"\nborders = [1, 2.5]', SortBins(borders=(1.0, 2.5))),
    ],
)
def test_a_loss_has_a_name_and_what_is_given_of_its_numbers(tmp_path, table, loss):
    recipe = read_recipe(write(tmp_path, f"[loss]\n{table}\n{STAGE}"))
    assert recipe.loss == loss
    assert read_recipe(write(tmp_path, format_recipe(recipe))) == recipe


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('name = "cauchy"', "recipe.toml: loss: expected a name among squared_error, gaussian"),
        ("deviation = 1.0", "loss: expected a name among"),
        ('name = "gaussian"\nscale = 1.0', "loss gaussian: expected deviation, got scale"),
        ('name = "gaussian"\ndeviation = "a"', "expected a number for deviation, got 'a'"),
        ('name = "huber"\nthreshold = 0', "Huber.threshold: expected finite numbers above 0"),
        ('name = "squared_error"\nscale = 1.0', "loss: expected a name among"),
    ],
)
def test_losses_that_are_refused(tmp_path, table, message):
    with pytest.raises(ValueError, match=message):
        read_recipe(write(tmp_path, f"[loss]\n{table}\n{STAGE}"))


def test_stages_leave_out_what_a_model_lacks():
    stages = (
        Stage(("activity", "position_weight"), epochs=1, patience=2),
        Stage(("activity_difference",), epochs=1),
    )
    recipe = Recipe(stages)
    (stage,) = recipe.stages_for(recipe.spec(2, 50))
    assert (stage.trainable, stage.patience) == (("activity",), 2)
    (stage,) = recipe.stages_for(recipe.spec(2, 50), early_stopping=False)
    assert stage.patience is None
    with pytest.raises(ValueError, match="expected at least one that trains"):
        Recipe(stages[1:]).stages_for(recipe.spec(2, 50))


def test_override_replaces_only_what_is_given():
    recipe = read_recipe("default")
    assert recipe.override(model={}, penalty={}) == recipe
    other = recipe.override(
        model={"positional": False, "binding_limit": True},
        penalty={"activity_l1": 0.5},
        epochs=2,
        validation=0.0,
        motif_width=None,
    )
    assert other.model == {
        **{key: value for key, value in recipe.model.items() if key != "position_knots"},
        "positional": False,
        "binding_limit": True,
    }
    assert other.penalty.motif_pull == recipe.penalty.motif_pull
    assert other.penalty.activity_l1 == 0.5
    assert [stage.epochs for stage in other.stages] == [2] * len(recipe.stages)
    assert (other.validation, other.motif_width) == (0.0, recipe.motif_width)


def test_patience_is_that_of_the_last_stage():
    recipe = read_recipe("quick")
    first, last = recipe.override(patience=20).stages
    assert (first.patience, last.patience) == (None, 20)
    assert replace(last, patience=5) == recipe.stages[1]
    assert recipe.override(patience=None) == recipe


def test_members_take_turns_in_variants():
    turns = ({"stranded": False}, {"binding": "probability", "position_knots": 5})
    recipe = replace(read_recipe("default"), variants=turns)
    members = [recipe.member(number) for number in range(4)]
    assert [each.model["stranded"] for each in members] == [False, True, False, True]
    assert [each.model["position_knots"] for each in members] == [20, 5, 20, 5]
    assert [each.variants for each in members] == [()] * 4
    assert (members[1].stages, members[1].penalty) == (recipe.stages, recipe.penalty)
    plain = read_recipe("default")
    assert plain.member(3) == plain


def test_what_overrides_a_recipe_holds_for_all_its_variants():
    turns = ({"stranded": False}, {"binding": "probability", "stranded": True})
    recipe = replace(read_recipe("default"), variants=turns).override(model={"stranded": False})
    assert recipe.variants == ({}, {"binding": "probability"})
    assert not any(recipe.member(number).model["stranded"] for number in range(2))
    assert recipe.override(epochs=3).variants == recipe.variants


def test_zero_knots_are_free_weights():
    recipe = read_recipe("default").override(model={"position_knots": 0}, penalty={})
    assert recipe.spec(2, 50).parameter_shapes["position_weight"] == (2, 50, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("validation = = 1\n", "line 1"),
        ("valdation = 0.1\n" + STAGE, "expected validation, precision, .*got valdation"),
        ("validation = 1.5\n" + STAGE, "validation: expected a share"),
        ("[model]\nstrands = true\n" + STAGE, "model: expected .*stranded.* got strands"),
        ("[motifs]\nflank = -1\n" + STAGE, "motif_flank: expected 0 or more"),
        ("[penalty]\nmotif = 1\n" + STAGE, "penalty: expected .*motif_pull.* got motif"),
        (STAGE + "rate = 1\n", "stage 1: expected .*learning_rate.* got rate"),
        (STAGE + STAGE + "learning_rate = -1\n", "stage 2: Stage.learning_rate: expected"),
        (STAGE + 'schedule = "cosine"\n', "stage 1: expected a schedule"),
        (STAGE + 'schedule = { name = "cosine" }\n', "cosine_warmup.*got {'name': 'cosine'}"),
        (STAGE + 'schedule = { name = "constant", rate = 1 }\n', "stage 1, schedule.*got rate"),
        ('[[stage]]\ntrainable = ["activty"]\nepochs = 1\n', "stage 1: .*got activty"),
        ('[[stage]]\ntrainable = ["activity"]\n', "stage 1: expected epochs, got none"),
        ("", "stages: expected at least one"),
        ('[motifs]\nwidth = "a"\n' + STAGE, "motifs: width: expected an integer, got 'a'"),
        ("[motifs]\nflank = true\n" + STAGE, "motifs: flank: expected an integer, got True"),
        ("motifs = 3\n" + STAGE, "motifs: expected a table, got 3"),
        ("variant = 3\n" + STAGE, "variant: expected a list of tables.*, got 3"),
        (STAGE + "[[variant]]\nstrands = true\n", "variant 1: expected .*stranded.* got strands"),
        (
            STAGE + '[[variant]]\n[[variant]]\nstranded = "a"\n',
            "variant 2: stranded: expected true",
        ),
        (STAGE + "[[variant]]\nconstant_left = 3\n", "variant 1: .* got constant_left"),
        ("stage = 3\n", "stage: expected a list of tables.*, got 3"),
        ("stage = [3]\n", r"stage: expected a list of tables.*, got \[3\]"),
        ('[model]\npositional = "no"\n' + STAGE, "model: positional: expected true or false, got"),
        ("[model]\nposition_knots = 2.5\n" + STAGE, "model: position_knots: expected an integer"),
        ("[model]\nbinding = 1\n" + STAGE, "model: binding: expected text, got 1"),
        ("precision = 16\n" + STAGE, "precision: expected text, got 16"),
        ('precision = "half"\n' + STAGE, "precision: expected one of 'float32', .* got 'half'"),
        ('validation = "a"\n' + STAGE, "validation: expected a number, got 'a'"),
        ('[penalty]\nmotif_l2 = "a"\n' + STAGE, "penalty: motif_l2: expected a number, got 'a'"),
        (STAGE + 'learning_rate = "a"\n', "stage 1: learning_rate: expected a number, got 'a'"),
        ("[[stage]]\ntrainable = 3\nepochs = 1\n", "stage 1: trainable: expected a list of texts"),
        (
            STAGE + 'schedule = { name = "cosine_warmup", warmup = "a" }\n',
            "stage 1, schedule: warmup: expected a number, got 'a'",
        ),
    ],
)
def test_errors_name_file_and_place(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=f"^{path}: .*{message}"):
        read_recipe(path)


def test_neither_name_nor_file():
    with pytest.raises(FileNotFoundError, match="expected default, quick, best or the path"):
        read_recipe("defualt")


@pytest.mark.parametrize("source", [{}, None, 3])
def test_what_is_no_recipe_is_refused(source):
    with pytest.raises(TypeError, match="recipe: expected default, quick, best, the path of"):
        read_recipe(source)


def test_members_of_the_best_recipe_differ_in_their_link():
    recipe = read_recipe("best")
    links = [recipe.member(number).spec(3, 110).link for number in range(4)]
    assert links == ["logistic", "identity", "logistic", "identity"]
    for number in range(2):
        spec = recipe.member(number).spec(3, 110)
        trained = {each for stage in recipe.stages_for(spec) for each in stage.trainable}
        assert trained == set(spec.parameter_shapes)
    last = recipe.stages[-1]
    assert (recipe.stages[1].penalty.activity_l1, last.penalty) == (0.0, None)


def test_pairs_are_named_and_found_among_the_motifs():
    recipe = read_recipe("quick").override(model={"pairs": [["b", "a"]], "pair_distance": 30})
    with pytest.raises(ValueError, match="pair_distance=30 has pair_knots=11"):
        recipe.spec(2, 50, ["a", "b"])
    spec = recipe.override(model={"pair_knots": 11}).spec(2, 50, ["a", "b"])
    assert spec.pairs == ((1, 0),) and spec.parameter_shapes["pair_effect"] == (1, 2, 11)
    (_, last) = recipe.override(model={"pair_knots": 11}).stages_for(spec)
    assert "pair_effect" in last.trainable
    assert recipe.override(model={"pairs": []}).spec(2, 50).pairs == ()
    with pytest.raises(ValueError, match=r"names of motifs \(a, c\), got 'b'"):
        recipe.spec(2, 50, ["a", "c"])
    with pytest.raises(ValueError, match="expected a list of pairs of names"):
        recipe.override(model={"pairs": [[0, 1]]})
