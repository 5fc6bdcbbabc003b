"""Constant ends that a recipe gives, or that are found in the sequences."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import numpy as np
import pytest

import cisreg
from cisreg.data import Dataset
from cisreg.motifs import demo_motifs
from cisreg.recipes import Recipe, format_recipe, read_recipe, train
from cisreg.recipes.ends import settle_ends
from cisreg.storage import load_model
from cisreg.training import Stage

LEFT, RIGHT = "GATTACAGG", "CCATGG"


def library(left=LEFT, right=RIGHT, count=200):
    random = np.random.default_rng(0)
    middles = ["".join(random.choice(list("ACGT"), 24 + number % 5)) for number in range(count)]
    return cisreg.encode([left + middle + right for middle in middles])


def recipe(**model):
    return Recipe((Stage(("activity", "bias"), epochs=1),), model=model)


@pytest.mark.parametrize(
    ("asked", "bases"),
    [
        ({}, (9, 6)),
        ({"constant_ends": "trim"}, (9, 6)),
        ({"constant_left": 3}, (3, 6)),
        ({"constant_left": 0, "constant_right": 0}, (0, 0)),
        ({"constant_left": "gattaca"}, (7, 6)),
        ({"constant_right": "ATGG", "constant_left": 0}, (0, 4)),
    ],
)
def test_ends_are_those_that_are_named_or_else_those_of_the_sequences(asked, bases):
    settled, kept = settle_ends(recipe(**asked), library())
    spec = settled.spec(2, 50)
    assert (spec.constant_left, spec.constant_right) == bases
    assert spec.constant_ends == asked.get("constant_ends", "context")
    for side, whole, count in zip(("left", "right"), (LEFT, RIGHT), bases, strict=True):
        part = whole[:count] if side == "left" else whole[len(whole) - count :]
        expected = {"bases": count, "sequence": part} if count else None
        assert kept.get(side) == expected
    # Settling the recipe a second time changes nothing.
    assert settle_ends(settled, library())[0] == settled


def test_sequences_without_such_ends_leave_the_recipe_as_it_is():
    plain = recipe()
    assert settle_ends(plain, library("", "")) == (plain, {})


def test_kept_ends_are_no_ends(caplog):
    keep = recipe(constant_ends="keep")
    with caplog.at_level(logging.INFO, "cisreg.recipes"):
        assert settle_ends(keep, library()) == (keep, {})
    assert "begin with GATTACAGG" in caplog.text


def test_an_automatic_choice_says_how_to_turn_it_off(caplog):
    with caplog.at_level(logging.INFO, "cisreg.recipes"):
        settle_ends(recipe(), library())
    (message,) = caplog.messages
    assert message.startswith("constant ends of 9 and 6 bases")
    assert "begin with GATTACAGG (9 bases)" in message
    assert "--constant-ends keep" in message
    caplog.clear()
    with caplog.at_level(logging.INFO, "cisreg.recipes"):
        settle_ends(recipe(constant_left=9, constant_right=6), library())
    (message,) = caplog.messages
    assert message.startswith("constant ends of 9 and 6 bases")
    assert "--constant-ends" not in message


def test_more_bases_than_are_constant_are_warned_of(caplog):
    with caplog.at_level(logging.WARNING, "cisreg.recipes"):
        settle_ends(recipe(constant_left=12), library())
    assert "constant_left is 12 bases, of which the sequences share 9 only" in caplog.text


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"constant_left": "TTTTT"}, "with, got TTTTT, which 0.0% do; nearly all have GATTACAGG"),
        ({"constant_right": "CCATGGA"}, "sequences end with, got CCATGGA"),
    ],
)
def test_bases_that_the_sequences_do_not_have_are_refused(asked, message):
    with pytest.raises(ValueError, match=message):
        settle_ends(recipe(**asked), library())


@pytest.mark.parametrize("value", ["", "ACGN", 1.5, True, "12"])
def test_what_is_neither_a_number_nor_bases_is_refused(value):
    with pytest.raises(ValueError, match="constant_left: expected a number of bases, or the"):
        recipe(constant_left=value)


def test_named_ends_survive_writing_and_reading(tmp_path):
    named = recipe(constant_left="ACGT", constant_right=7, constant_ends="trim")
    path = tmp_path / "recipe.toml"
    path.write_text(format_recipe(named))
    assert read_recipe(path) == named


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    codes = library()
    data = Dataset(codes, np.random.default_rng(0).normal(size=len(codes)).astype(np.float32))
    quick = read_recipe("quick").override(model={}, penalty={}, epochs=1)
    return {
        how: train(data, demo_motifs(width=30), quick, output=folder / how, constant_ends=how)
        for how in ("context", "keep")
    }, folder


def test_a_model_keeps_its_ends_and_columns_and_predicts_with_them(runs):
    models, folder = runs
    model = load_model(folder / "context")
    assert (model.spec.constant_left, model.spec.constant_right) == (9, 6)
    assert model.metadata["constant_ends"]["left"] == {"bases": 9, "sequence": LEFT}
    assert "constant_left = 9" in (folder / "context" / "recipe.toml").read_text()
    assert (
        json.loads((folder / "keep" / "model.json").read_text())["metadata"]["constant_ends"] == {}
    )
    codes = library(count=40)
    expected = cisreg.predict(
        model.spec, model.parameters, codes, column_range=model.column_range
    ).expression
    np.testing.assert_allclose(model.predict(codes).expression, expected, rtol=1e-5, atol=1e-6)
    # With different columns, different windows would count.
    wrong = cisreg.predict(model.spec, model.parameters, codes).expression
    assert np.abs(wrong - expected).max() > 1e-4
    validation = models["context"].validation
    last = models["context"].fit.history[-1]
    predicted = model.predict(validation).expression
    assert last.validation_loss == pytest.approx(
        float(np.mean((predicted - validation.expression) ** 2)), rel=1e-4
    )


def test_ends_that_are_not_in_an_old_format_are_not_exported(runs, tmp_path):
    models, _ = runs
    from cisreg.legacy import export_model

    with pytest.raises(ValueError, match="constant_ends: expected a model in which every window"):
        export_model(tmp_path / "old", models["context"].model)
    assert export_model(tmp_path / "old", models["keep"].model)
    assert replace(models["keep"].model.spec, constant_ends="context").constant_left == 0


def written(path, texts):
    values = np.random.default_rng(0).normal(size=len(texts))
    rows = zip(texts, values, strict=True)
    path.write_text("sequence\texpression\n" + "".join(f"{s}\t{v:.3f}\n" for s, v in rows))
    return path


@pytest.mark.parametrize(
    "read",
    [
        lambda files: files,
        lambda files: files.load(),
        lambda files: files.load()[:],
        lambda files: cisreg.Dataset.from_frame(
            cisreg.open_dataset(files.local_paths[0]).load().to_table(),
            length=files.length,
            side=files.side,
        ),
    ],
    ids=["files", "memory", "part", "frame"],
)
def test_sequences_trimmed_at_a_constant_end_are_refused(tmp_path, read):
    texts = [text.strip("N") for text in cisreg.decode(library())]
    longest = max(map(len, texts))
    path = written(tmp_path / "train.tsv", texts)
    quick = read_recipe("quick").override(model={}, penalty={}, epochs=1)

    def run(length, side="left", **options):
        files = cisreg.open_dataset(path, length=length, side=side)
        return train(read(files), demo_motifs(width=30), quick, **options).model.spec

    with pytest.raises(ValueError, match=r"trimmed on the left.*where "):
        run(longest - 3, constant_left=9)
    # On the trimmed side, no constant end is assumed unless given; the other side is complete.
    spec = run(longest - 3)
    assert (spec.constant_left, spec.constant_right) == (0, 6)
    spec = run(longest - 3, side="right")
    assert (spec.constant_left, spec.constant_right) == (9, 0)
    assert run(longest).constant_left == 9


def test_sequences_without_the_ends_of_the_training_are_warned_of_once(runs, caplog):
    model = load_model(runs[1] / "context")
    texts = [text.strip("N") for text in cisreg.decode(library(left="", count=60))]
    with caplog.at_level(logging.WARNING, "cisreg.data"):
        model.predict(texts)
        model.predict(texts)
    warned = [
        each
        for each in caplog.messages
        if "a constant end of the sequences that the model was trained" in each
    ]
    assert len(warned) == 1
    assert warned[0].startswith("0.0 % of the sequences begin with GATTACAGG")


def test_sequences_too_long_for_a_model_with_ends_are_warned_of(runs, caplog):
    model = load_model(runs[1] / "context")
    texts = [LEFT + "ACGT" * 10 + RIGHT, LEFT + "ACGT" * 6 + RIGHT]
    with caplog.at_level(logging.WARNING, "cisreg.model"):
        model.predict(texts)
    assert "1 sequences are longer than the model's 43 bases and were trimmed" in caplog.text


@pytest.mark.parametrize(("trimmed", "bases"), [("left", LEFT), ("right", RIGHT)])
def test_a_constant_end_where_sequences_are_trimmed_is_said(caplog, trimmed, bases):
    with caplog.at_level(logging.WARNING, "cisreg.recipes"):
        settled, _ = settle_ends(recipe(), library(), trimmed)
    (message,) = caplog.messages
    assert f"with {bases} ({len(bases)} bases), but longer sequences are trimmed there" in message
    assert f"constant_{trimmed}" not in settled.model
    caplog.clear()
    settle_ends(recipe(constant_ends="keep"), library(), trimmed)
    settle_ends(recipe(), library("", ""), trimmed)
    assert not caplog.messages
