"""What a report doubts, and its statistics, against cases whose answer is known."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from interpret_models import make_bound_model, make_codes

from cisreg.data import Dataset
from cisreg.interpret.diagnosis import Diagnosis
from cisreg.interpret.findings import Finding
from cisreg.metrics import agreement
from cisreg.report.page.compare import error_difference
from cisreg.report.page.compute import _baseline, correlation_interval, example_rows
from cisreg.report.page.constant_parts import ConstantPart, constant_parts
from cisreg.report.page.content import Predicted
from cisreg.report.page.run import Run
from cisreg.report.page.verdict import calibration_slope, doubts_of, sentences_of, still_falling
from cisreg.report.page.words import predict_by_words, word_counts

RANDOM = np.random.default_rng(5)
MEASURED = RANDOM.normal(8, 2, 1000)
SOUND = Diagnosis((), pa.table({"factor": ["a"]}), 0)


def part(predicted, measured=MEASURED, role="held out", **along):
    metrics = agreement(predicted, measured)
    interval = correlation_interval(metrics.pearson, len(measured))
    return Predicted(role, role, predicted, measured, metrics, interval, along=along)


def near(noise, count=1000):
    """Predictions with this error, calibrated: measurements are those plus noise."""
    shrunk = 1 - noise**2 / 4
    return 8 + shrunk * (MEASURED[:count] - 8) + RANDOM.normal(0, noise * math.sqrt(shrunk), count)


GOOD = part(near(0.5))
RUN = Run("run", make_bound_model())


def phrases(predicted=(GOOD,), run=RUN, baseline=None, diagnosis=SOUND, constant=()):
    return [each.phrase for each in doubts_of(run, predicted, baseline, diagnosis, constant)]


def test_nothing_is_doubted_of_a_good_model():
    assert phrases() == []
    sentences = sentences_of(RUN, [GOOD], None, [])
    assert sentences[0].startswith("The model predicts well: on 1,000 sequences that were held out")
    assert sentences[2].startswith("Nothing that was checked speaks against it")


@pytest.mark.parametrize(
    ("noise", "word"), [(0.5, "well"), (1.2, "usefully"), (1.65, "weakly"), (1.98, "hardly")]
)
def test_words_follow_the_explained_variance(noise, word):
    assert word in sentences_of(RUN, [part(near(noise))], None, [])[0].partition(":")[0]


def test_predictions_worse_than_the_mean_are_called_so():
    worse = part(MEASURED[::-1].copy())
    assert "worse than the mean" in sentences_of(RUN, [worse], None, [])[0]


def test_equal_measurements_have_no_verdict():
    with np.errstate(all="ignore"):
        same = part(near(0.5), np.full(1000, 3.0))
    assert "cannot be said" in sentences_of(RUN, [same], None, [])[0]


CASES = {
    "its error is": lambda: phrases((part(near(1.2)), part(near(0.5), role="training"))),
    "it is judged by the sequences that it was trained on": lambda: phrases(
        (part(near(0.5), role="training"),)
    ),
    "only 50 sequences judge it": lambda: phrases((part(near(0.5, 50), MEASURED[:50]),)),
    "counts of three-letter words predict nearly as well": lambda: phrases(
        baseline=agreement(near(0.6), MEASURED)
    ),
    "counts of three-letter words predict better": lambda: phrases(
        baseline=agreement(near(0.3), MEASURED)
    ),
    "differences between its predictions are too strong": lambda: phrases(
        (part(8 + 1.5 * (near(0.5) - 8)),)
    ),
    "differences between its predictions are too weak": lambda: phrases(
        (part(8 + 0.6 * (near(0.5) - 8)),)
    ),
    "training was interrupted": lambda: phrases(run=changed(metadata={"interrupted": True})),
    "only 1 sequence judges it": lambda: phrases((part(MEASURED[:1], MEASURED[:1]),)),
    "no measured sequence was there to judge the model by": lambda: phrases(()),
    "Abf1 adds nearly the same everywhere": lambda: phrases(
        constant=[ConstantPart("Abf1", 3.0, 0.05)]
    ),
    "duplicates (diagnosis)": lambda: phrases(
        diagnosis=Diagnosis((Finding("duplicates", "warning", "Two."),), SOUND.factors, 0)
    ),
}


def changed(**parts):
    from dataclasses import replace

    return Run("run", replace(RUN.model, **parts))


@pytest.mark.parametrize("phrase", CASES)
def test_each_doubt_has_its_case(phrase):
    found = CASES[phrase]()
    assert [each for each in found if each.startswith(phrase)], found


def test_errors_that_depend_on_something_are_noticed():
    residual = GOOD.residual
    along = {"GC": residual + RANDOM.normal(0, 1, 1000), "length": RANDOM.normal(0, 1, 1000)}
    found = phrases((part(GOOD.predicted, **along),))
    assert found == ["its errors depend on GC"]


def test_the_gravest_doubt_is_said_first():
    notes = (Finding("dead factors", "note", "Some."), Finding("drift", "warning", "One."))
    diagnosis = Diagnosis(notes, SOUND.factors, 0)
    predicted = (part(near(1.2)), part(near(0.5), role="training"))
    doubts = doubts_of(RUN, predicted, None, diagnosis, ())
    assert doubts[0].phrase.startswith("its error is") and doubts[-1].phrase.startswith("dead")
    said = sentences_of(RUN, predicted, None, doubts)[2]
    assert said.startswith("What to doubt first: its error is") and "drift" in said
    alone = doubts_of(RUN, (GOOD,), None, Diagnosis(notes[:1], SOUND.factors, 0), ())
    assert sentences_of(RUN, [GOOD], None, alone)[2].startswith("Nothing grave was found")


def test_a_loss_that_still_falls():
    history = {"stage": [1] * 20, "loss": [1.0] * 20}
    falling = Run("run", RUN.model, history | {"validation_loss": np.linspace(2, 1, 20).tolist()})
    assert still_falling(falling) > 0.03
    flat = Run("run", RUN.model, history | {"validation_loss": [1.0] * 20})
    assert still_falling(flat) == 0
    assert phrases(run=falling) == ["its loss was still falling"]


def test_intervals_of_r_hold_the_truth_as_often_as_they_say():
    """2,000 samples of 40 pairs with r = 0.6; the share has a standard error of 0.5 %."""
    random = np.random.default_rng(1)
    first = random.normal(size=(2000, 40))
    second = 0.6 * first + 0.8 * random.normal(size=(2000, 40))
    held = 0
    for x, y in zip(first, second, strict=True):
        low, high = correlation_interval(np.corrcoef(x, y)[0, 1], 40)
        held += low <= 0.6 <= high
    assert 0.93 < held / 2000 < 0.97
    assert all(math.isnan(each) for each in correlation_interval(0.5, 3))


def test_intervals_of_the_difference_hold_the_truth_as_often_as_they_say():
    random = np.random.default_rng(2)
    held = 0
    for _ in range(1000):
        first, second = random.normal(0, 1.0, 200), random.normal(0, 1.2, 200)
        _, low, high = error_difference(np.zeros(200), first, second)
        held += low <= 1.2**2 - 1 <= high
    assert 0.92 < held / 1000 < 0.98


def test_slope_is_that_of_a_line():
    slope = np.polyfit(GOOD.predicted, GOOD.measured, 1)[0]
    assert calibration_slope(GOOD) == pytest.approx(slope, rel=1e-9)


def test_examples_are_the_best_the_worst_and_another():
    every = np.arange(GOOD.count)
    rows = example_rows(GOOD, every)
    error = np.abs(GOOD.residual)
    assert rows["worst"] == error.argmax()
    upper = GOOD.measured >= np.median(GOOD.measured)
    assert upper[rows["best"]] and error[rows["best"]] == error[upper].min()
    assert len(set(rows.values())) == 3 and rows == example_rows(GOOD, every)
    others = np.setdiff1d(every, list(rows.values()))
    assert not {*rows.values()} & {*example_rows(GOOD, others).values()}


def test_words_are_counted_where_all_bases_are_known():
    texts = ["ACGTTTTA", "NNACGNAC", "GG"]
    codes = np.full((3, 8), 4, np.uint8)
    for row, text in enumerate(texts):
        codes[row, : len(text)] = ["ACGTN".index(base) for base in text]
    counts = word_counts(codes)
    for number in range(64):
        word = "".join("ACGT"[number // 4**power % 4] for power in (2, 1, 0))
        for row, text in enumerate(texts):
            expected = sum(text[place : place + 3] == word for place in range(len(text)))
            assert counts[row, number] == expected, (word, text)


def test_expression_by_words_is_found_again():
    codes = RANDOM.integers(0, 4, (600, 60), dtype=np.uint8)
    expression = word_counts(codes) @ RANDOM.normal(0, 1, 64) + 5
    predicted = predict_by_words(codes[:400], expression[:400], codes[400:], np.ones(400))
    assert agreement(predicted, expression[400:]).r_squared > 0.999


def test_a_row_that_weighs_three_times_is_fitted_as_three():
    codes = RANDOM.integers(0, 4, (200, 60), dtype=np.uint8)
    expression, weight = RANDOM.normal(0, 1, 200), RANDOM.integers(1, 4, 200)
    once = predict_by_words(codes, expression, codes, weight.astype(float))
    rows = np.repeat(np.arange(200), weight)
    often = predict_by_words(codes[rows], expression[rows], codes, np.ones(len(rows)))
    np.testing.assert_allclose(once, often, atol=1e-8)


def test_the_baseline_is_fitted_to_rows_by_their_weight():
    codes = RANDOM.integers(0, 4, (900, 60), dtype=np.uint8)
    expression = word_counts(codes) @ RANDOM.normal(0, 1, 64) + 5
    measured, weight = expression.copy(), np.ones(600, np.float32)
    measured[:300], weight[:150], weight[150:300] = 1000 * RANDOM.normal(0, 1, 300), 0, 1e-12
    training = Dataset(codes[:600], measured[:600], weight)
    judged = Dataset(codes[600:], expression[600:])
    found = SimpleNamespace(
        of=lambda name: SimpleNamespace(data=training), judged=SimpleNamespace(data=judged)
    )
    assert _baseline(found).r_squared > 0.99


def test_a_factor_that_adds_the_same_everywhere_is_found():
    model = make_bound_model()
    codes = make_codes(60, unknown=False)
    data = Dataset(codes, np.zeros(len(codes), np.float32))
    # A site in every sequence, as of a primer: the strongest one of the second factor.
    log_kd = model.parameters["log_kd"]
    log_kd[:, :, 1] = np.where(log_kd[:, :, 1] != 0, 6.0, 0.0)
    own = np.flatnonzero(log_kd[:, 0, 1])
    log_kd[own, 0, 1] = -6.0
    # All of its columns must fit; one that does not leaves it unbound.
    model.parameters["log_concentration"][1] = 12 - 6 * len(own)
    codes[:, :6] = 0
    rest = codes[:, 6:]
    rest[(rest == 0) | (rest == 3)] = 1
    model.parameters["activity"][:] = 1.0
    found = {each.factor: each for each in constant_parts(model, data, spread=1.0)}
    assert "Reb1" in found and found["Reb1"].variation < 0.25
    codes[::2, :6] = 1
    assert "Reb1" not in {each.factor for each in constant_parts(model, data, spread=1.0)}
