"""Training in mixed precision: what it learns, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from shared_data import shared_data
from tiny_model import SPEC, STAGES, fit_tiny, make_dataset

from cisreg.data import read_dataset
from cisreg.losses import mean_squared_error
from cisreg.metrics import pearson_correlation
from cisreg.model import init_parameters, predict
from cisreg.motifs import read_motifs, strongest_site_log_concentration
from cisreg.recipes import read_recipe
from cisreg.training import NonFiniteLossError, Stage, fit

MIXED = ["mixed_bfloat16", "mixed_float16"]


def test_another_precision_is_another_run(tmp_path):
    fit_tiny(stages=STAGES[:1], checkpoint_directory=tmp_path)
    with pytest.raises(ValueError, match="it was made with another precision;"):
        fit_tiny(
            stages=STAGES[:1],
            checkpoint_directory=tmp_path,
            resume=True,
            precision="mixed_bfloat16",
        )


def test_precision_is_one_of_three():
    with pytest.raises(ValueError, match=r"precision: expected one of .*got 'float16'"):
        fit_tiny(precision="float16")


def test_parameters_and_validation_are_float32():
    result = fit_tiny(precision="mixed_bfloat16")
    assert {value.dtype for value in result.parameters.values()} == {np.dtype(np.float32)}
    dataset = make_dataset()
    last = fit_tiny(
        precision="mixed_bfloat16", validation=dataset, stages=[replace(STAGES[0], epochs=1)]
    )
    expression = predict(
        SPEC, last.parameters, dataset.sequence, implementation="standard"
    ).expression
    expected = float(mean_squared_error(expression, dataset.expression))
    assert last.history[-1].validation_loss == pytest.approx(expected, rel=1e-6)
    assert last.history[-1].loss_scale is None


def test_a_loss_that_overflows_ends_a_run_with_the_reason():
    stage = Stage(("activity", "bias"), epochs=2, learning_rate=1e38, optimizer="sgd")
    with pytest.raises(NonFiniteLossError, match=r"stage 1, epoch 1"):
        fit_tiny(stages=[stage], precision="mixed_float16")


@pytest.mark.parametrize("precision", MIXED)
def test_plain_operations_learn_the_same_in_16_bits(precision):
    """The standard operations really compute in these dtypes."""
    dataset, test = make_dataset(400), make_dataset(300, seed=9)
    stages = [
        replace(STAGES[0], epochs=12),
        replace(STAGES[1], epochs=12, optimizer="adam", momentum=0.0, patience=None),
    ]
    r, bias = {}, {}
    for name in ("float32", precision):
        parameters = fit_tiny(dataset, stages, validation=None, precision=name).parameters
        expression = predict(SPEC, parameters, test.sequence, implementation="standard")[0]
        r[name] = pearson_correlation(expression.numpy(), test.expression)
        bias[name] = parameters["bias"]
    assert bias[precision] != bias["float32"]
    assert r["float32"] > 0.9
    assert abs(r[precision] - r["float32"]) < 0.005


@pytest.fixture(scope="module")
def promoters():
    """A short training on real promoters: a function from the precision to r on other promoters."""
    folder = shared_data("gpra_example")
    motifs = read_motifs(folder / "motif_list.txt", width=30)
    training = read_dataset(folder / "train.tsv.gz", 110).take(np.arange(4000))
    test = read_dataset(folder / "test.tsv.gz", 110)
    recipe = read_recipe("quick").override(model={}, penalty={}, epochs=8)
    spec = recipe.spec(len(motifs), 110)
    start = init_parameters(spec, motifs.log_kd, strongest_site_log_concentration(motifs))

    stages = [replace(stage, patience=None) for stage in recipe.stages_for(spec)]

    def r(precision):
        result = fit(
            *(spec, start, training, stages),
            penalty=recipe.penalty,
            column_range=motifs.column_range(1),
            progress=False,
            precision=precision,
        )
        expression = predict(spec, result.parameters, test.sequence).expression.numpy()
        return pearson_correlation(expression, test.expression)

    return r


def test_the_same_r_on_real_promoters(promoters):
    in_float32 = promoters("float32")
    assert in_float32 > 0.75
    for precision in MIXED:
        assert abs(promoters(precision) - in_float32) < 0.005, precision
