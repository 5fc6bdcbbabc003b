"""Designs: the best of all sequences, the constraints, and the same result every time."""

from __future__ import annotations

import itertools

import interpret_models
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

import cisreg
from cisreg.interpret import Beam, Constraints, Genetic, design, read_out, scan_model
from cisreg.model import predict
from cisreg.sequences import decode, encode
from cisreg.spec import ModelSpec
from cisreg.start import init_parameters
from cisreg.trained_model import Model

LENGTH, WIDTH, MOTIFS = 6, 4, 3
METHODS = ("greedy", "beam", "genetic")


def tiny_model(seed, length=LENGTH, **layers):
    random = np.random.default_rng(seed)
    spec = ModelSpec(motif_count=MOTIFS, motif_width=WIDTH, sequence_length=length, **layers)
    log_kd = random.normal(0, 2, (WIDTH, 4, MOTIFS)).astype(np.float32)
    parameters = init_parameters(spec, log_kd, np.full(MOTIFS, -2.0, np.float32), seed=seed)
    for name, value in parameters.items():
        if name not in ("log_kd", "log_concentration"):
            parameters[name] = (value + random.normal(0, 1, value.shape)).astype(np.float32)
    return Model(spec, parameters, ("Abf1", "Reb1", "Rap1"))


def every_sequence(length=LENGTH):
    return np.array(list(itertools.product(range(4), repeat=length)), np.uint8)


def exact(model, codes):
    return read_out(model, scan_model(model, codes)).expression


def score(expression, target):
    if target == "max":
        return expression
    return -expression if target == "min" else -np.abs(expression - target)


def gap_to_the_best(model, target, **options):
    """How far the best design is from the best of all sequences, as a share of the range."""
    everything = exact(model, every_sequence())
    wanted = target if isinstance(target, str) else float(np.quantile(everything, target))
    found = design(model, target=wanted, **options)
    best, worst = score(everything, wanted).max(), score(everything, wanted).min()
    gap = (best - score(found.expression, wanted).max()) / (best - worst)
    assert gap >= -1e-9
    return gap


# A greedy search is local: among 20 starts one comes close to the best.
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("target", ["max", "min", 0.25])
@pytest.mark.parametrize("seed", range(3))
def test_the_best_of_all_sequences_is_found(method, target, seed):
    starts = 20 if method == "greedy" else 4
    gap = gap_to_the_best(
        tiny_model(seed), target, start=starts, method=method, seed=seed, steps=40
    )
    most = 1e-9 if isinstance(target, str) else 0.001
    assert gap <= (0.01 if method == "greedy" else most)


@pytest.mark.parametrize("kind", interpret_models.KINDS)
def test_the_expression_of_a_design_is_that_of_the_model(kind):
    model = interpret_models.make_model(**interpret_models.KINDS[kind])
    start = interpret_models.make_codes(2, unknown=False)
    found = design(model, start, "max", steps=3)
    predicted = predict(
        *(model.spec, model.parameters, found.codes), column_range=model.column_range
    )
    assert np.allclose(found.expression, predicted.expression, rtol=1e-5, atol=1e-5)
    assert (found.expression >= found.start_expression).all()
    assert np.array_equal(encode(found.sequence), found.codes)


def by_hand(model, codes, target, protected):
    """The greedy search, of one sequence."""
    while True:
        children = [codes]
        for place, base in itertools.product(range(len(codes)), range(4)):
            if not protected[place]:
                children.append(codes.copy())
                children[-1][place] = base
        values = score(exact(model, np.stack(children)), target)
        if values.argmax() == 0:
            return codes
        codes = children[values.argmax()]


@pytest.mark.parametrize("target", ["max", "min", 1.5])
def test_greedy_search_is_what_one_does_by_hand(target):
    model = interpret_models.make_model(seed=3)
    start = interpret_models.make_codes(3, unknown=False)
    protected = np.zeros(interpret_models.LENGTH, bool)
    protected[5:12] = True
    found = design(model, start, target, constraints=Constraints(protect=[(5, 12)]))
    expected = [by_hand(model, row, target, protected) for row in start]
    assert np.array_equal(found.codes, expected)


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_gives_the_same_designs_whatever_else_is_designed(method):
    model = interpret_models.make_model(seed=1)
    options = {"method": method, "seed": 5, "steps": 8}
    first = design(model, 4, "max", **options, threads=1)
    again = design(model, 4, "max", **options, threads=2)
    assert first.sequence == again.sequence
    assert design(model, 2, "max", **options).sequence == first.sequence[:2]
    assert design(model, 4, "max", **{**options, "seed": 6}).sequence != first.sequence


def share_of_gc(text):
    return sum(base in "GC" for base in text) / len(text)


def longest_run(text):
    return max(len(list(group)) for _, group in itertools.groupby(text))


@pytest.mark.parametrize("method", METHODS)
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=some.integers(0, 1000),
    target=some.sampled_from(["max", "min", 2.0]),
    low=some.sampled_from([0.2, 0.4]),
    word=some.sampled_from(["GGTCTC", "TGA", "RCGY", "ac"]),
    run=some.sampled_from([2, 3]),
    changes=some.sampled_from([1, 4, 12]),
)
def test_every_constraint_holds_in_every_design(method, seed, target, low, word, run, changes):
    model = interpret_models.make_model(seed=2, constant_left=3, constant_right=2)
    random = np.random.default_rng(seed)
    starts = decode(random.integers(0, 4, (2, interpret_models.LENGTH), np.uint8))
    limits = Constraints(gc=(low, 0.6), forbid=[word], longest_run=run, protect=[(8, 10)])
    try:
        admitted = design(
            model, starts, "max", constraints=limits, steps=0, repair_starts=True, seed=seed
        ).sequence
    except ValueError as error:
        # A run or a word may begin or end in protected bases.
        assert "what remains" in str(error)
        return
    limits = cisreg.interpret.Constraints(**{**vars(limits), "changes": changes})
    found = design(model, admitted, target, method=method, constraints=limits, steps=5, seed=seed)
    for text, start in zip(found.sequence, found.start_sequence, strict=True):
        assert (text[:3], text[8:10], text[-2:]) == (start[:3], start[8:10], start[-2:])
        variable = text[3:8] + text[10:-2]
        assert low - 1e-9 <= share_of_gc(variable) <= 0.6 + 1e-9
        assert sum(a != b for a, b in zip(text, start, strict=True)) <= changes
        assert not new_words(text, word.upper(), (3, 8, 10, 22))
        assert longest_run(text[3:8]) <= run
        assert longest_run(text[10:-2]) <= run


def new_words(text, word, limits):
    """Where a word is, on either strand, except where only protected bases have it."""
    letters = {"R": "AG", "Y": "CT"}
    reverse = word.translate(str.maketrans("ACGTRY", "TGCAYR"))[::-1]
    found = []
    for begin in range(len(text) - len(word) + 1):
        part = range(begin, begin + len(word))
        if not any(limits[0] <= p < limits[1] or limits[2] <= p < limits[3] for p in part):
            continue
        for each in (word, reverse):
            if all(text[p] in letters.get(c, c) for p, c in zip(part, each, strict=True)):
                found.append(begin)
    return found


@pytest.mark.parametrize("method", METHODS)
def test_a_forbidden_factor_has_no_site(method):
    model = interpret_models.make_model(seed=4)
    limits = Constraints(forbid_factors={"Reb1": 0.9}, gc=(0.3, 0.7), gc_of="all")
    free = design(model, 3, "max", method=method, steps=6, seed=1)
    found = design(model, 3, "max", method=method, constraints=limits, steps=6, seed=1)

    def strongest(designs):
        factor = model.motif_names.index("Reb1")
        own = cisreg.scan(designs.codes, model.motifs[["Reb1"]], np.inf)
        log_concentration = model.parameters["log_concentration"][factor]
        return 1 / (1 + np.exp(own.log_kd.min() - log_concentration))

    assert strongest(found) < 0.9 <= strongest(free)


@pytest.mark.parametrize("method", METHODS)
def test_changes_are_those_between_start_and_design(method):
    model = interpret_models.make_model(seed=1)
    found = design(
        model, ["ACGTACGTTACG", "TTGACCATTGACCATGACCATAGA"], "max", method=method, steps=4
    )
    for start, text, changes in zip(
        found.start_sequence, found.sequence, found.changes, strict=True
    ):
        assert len(text) == len(start)
        edited = list(start)
        for change in changes:
            place = int(change[1:-1])
            assert edited[place] == change[0]
            edited[place] = change[-1]
        assert "".join(edited) == text
    assert found.to_table()["change_count"].to_pylist() == [len(each) for each in found.changes]


def test_n_becomes_random_bases_and_lower_case_letters_can_stay():
    model = interpret_models.make_model(seed=1)
    start = "acgtNNNNNNNNNNNNNNNNNNgg"
    limits = Constraints(protect_lower_case=True)
    found = design(model, [start, start], "max", constraints=limits)
    assert all(text.startswith("ACGT") and text.endswith("GG") for text in found.sequence)
    assert found.start_sequence[0] != found.start_sequence[1]
    assert not any("N" in text for text in found.sequence + found.start_sequence)


def test_random_starts_have_the_constant_ends_of_training():
    ends = {"left": {"bases": 3, "sequence": "TGC"}, "right": {"bases": 4, "sequence": "GGTT"}}
    model = interpret_models.make_model(constant_left=3, constant_right=4)
    with pytest.raises(ValueError, match="bases of its constant left end"):
        design(model, 2)
    model = Model(
        *(model.spec, model.parameters, model.motif_names, {"constant_ends": ends}),
        column_range=model.column_range,
    )
    found = design(model, 5, "max", composition=(0.0, 0.5, 0.5, 0.0))
    assert all(text[:3] == "TGC" and text[-4:] == "GGTT" for text in found.sequence)
    assert all(set(text[3:-4]) == {"C", "G"} for text in found.start_sequence)


def test_several_designs_of_one_start_are_distinct_and_the_best_comes_first():
    model = interpret_models.make_model(seed=1)
    for method in (Beam(width=6), Genetic(population=20)):
        found = design(model, 2, "max", method=method, count=3, steps=6)
        assert len(set(found.sequence)) == len(found) == 6
        assert found.start == ("random 0",) * 3 + ("random 1",) * 3
        best = found.expression.reshape(2, 3)
        assert (np.diff(best, axis=1) <= 0).all()


def test_the_way_ends_at_the_best_design_and_never_gets_worse():
    model = interpret_models.make_model(seed=1)
    for method in METHODS:
        found = design(model, 2, "min", method=method, steps=6)
        for steps, last, first in zip(
            found.steps, found.expression, found.start_expression, strict=True
        ):
            expression = np.array([step.expression for step in steps])
            assert (np.diff(expression) <= 0).all()
            assert (np.diff([step.evaluations for step in steps]) > 0).all()
            assert expression[-1] == pytest.approx(last, rel=1e-5, abs=1e-5)
            assert steps[0].evaluations > 1 or expression[0] == pytest.approx(first)


def impossible():
    yield {"gc": (0.9, 0.2)}, "gc: expected two shares from 0 to 1"
    yield {"gc": (0.46, 0.49)}, "gc: expected shares that 24 bases can have"
    yield {"gc": (0.9, 1.0), "gc_of": "all", "protect": [(0, 10)]}, "3 of them protected G or C"
    yield {"forbid": ["N"]}, "a word that some sequences lack"
    yield {"forbid": ["W", "S"]}, "no W on either strand; no S on either strand"
    yield {"forbid": ["ecori"]}, "did you mean EcoRI"
    yield {"forbid": ["GAX"]}, "the name of an enzyme"
    yield {"longest_run": 0}, "longest_run: expected 1 or more"
    yield {"changes": -1}, "changes: expected 0 or more"
    yield {"forbid_factors": {"Reb7": 0.2}}, "forbid_factors: expected factors of the model"
    yield {"forbid_factors": {"Reb1": 1.0}}, "above 0 and below 1"
    yield {"protect": [(0, 24)]}, "protect: expected variable bases"
    yield {"protect": [(20, 30)]}, "in a sequence of 24, got 20:30"
    yield {"gc": (0.9, 0.95), "changes": 1}, "at most 1 changed bases"


@pytest.mark.parametrize(("options", "message"), list(impossible()))
def test_impossible_constraints_are_named(options, message):
    model = interpret_models.make_model()
    start = ["ACTTACGTTAATACATATTACGTA"]
    with pytest.raises(ValueError, match=message) as caught:
        design(model, start, "max", constraints=Constraints(**options), repair_starts=True)
    if "no W" in message:
        assert "what remains" in str(caught.value)


def test_a_start_that_breaks_a_constraint_is_an_error_or_repaired():
    model = interpret_models.make_model()
    start = ["ACGTGAATTCGTACGGTCTCACGT", "ACGTACGTACGTACGTACGTACGT"]
    limits = Constraints(forbid=["EcoRI", "GGTCTC"], changes=8)
    with pytest.raises(ValueError, match=r"1 of 2 .*EcoRI \(GAATTC\).*GGTCTC"):
        design(model, start, "max", constraints=limits)
    found = design(model, start, "max", constraints=limits, repair_starts=True)
    assert found.start_sequence == tuple(start)
    assert all("GAATTC" not in text and "GGTCTC" not in text for text in found.sequence)
    assert (found.change_count <= 8).all()


def test_what_lies_in_protected_bases_alone_does_not_count():
    model = interpret_models.make_model()
    start = ["GAATTCAAAACGTACGTACGTCGT"]
    limits = {"forbid": ["GAATTC"], "longest_run": 3, "protect": [(0, 10)]}
    found = design(model, start, "max", constraints=Constraints(**limits))
    assert found.sequence[0].startswith("GAATTCAAAA")
    with pytest.raises(ValueError, match="GAATTC"):
        design(model, start, "max", constraints=Constraints(**{**limits, "protect": [(0, 5)]}))


def test_what_training_saw_tells_extrapolation():
    model = interpret_models.make_model(seed=3)
    codes = interpret_models.make_codes(200, unknown=False)
    measured = exact(model, codes)
    data = cisreg.Dataset(codes, measured)
    best, worst = codes[[measured.argmax()]], codes[[measured.argmin()]]
    for start in (best, worst):
        at_rest = design(model, start, "max", steps=0, training=data)
        assert at_rest.extrapolation == ("",)
    found = design(model, best, "max", training=data)
    assert "is above" in found.extrapolation[0] and "measured" in found.extrapolation[0]
    assert "binds" in found.extrapolation[0]
    assert found.to_table()["extrapolation"].to_pylist() == [True]
    low = design(model, worst, "min", training=data)
    assert "is below" in low.extrapolation[0]
    # A row of weight 0 was not seen.
    counts = (measured < np.quantile(measured, 0.9)).astype(np.float32)
    fewer = cisreg.Dataset(codes, measured, counts)
    at_rest = design(model, best, "max", steps=0, training=fewer)
    assert "is above" in at_rest.extrapolation[0] and "measured" in at_rest.extrapolation[0]


def test_the_range_of_measurements_that_a_model_keeps_is_used(caplog):
    model = interpret_models.make_model(seed=1)
    unknown = design(model, 1, "max")
    assert unknown.extrapolation is None
    assert unknown.to_table()["extrapolation"].to_pylist() == [None]
    assert "does not say" in caplog.text
    model.metadata["measured_range"] = [-100.0, float(unknown.expression[0]) - 1]
    assert "is above" in design(model, 1, "max").extrapolation[0]
    model.metadata["measured_range"] = [-100.0, float(unknown.expression[0])]
    assert design(model, 1, "max").extrapolation == ("",)


def wrong():
    yield {"target": "most"}, 'target: expected "max", "min" or an expression'
    yield {"target": float("nan")}, "target: expected a finite"
    yield {"method": "best"}, "method: expected one of greedy, beam, genetic, gradient"
    yield {"count": 2}, "count: expected 1, since a greedy search"
    yield {"count": 11, "method": "beam"}, "count: expected 10 at most"
    yield {"steps": -1}, "steps: expected 0 or more"
    yield {"start": 0}, "start: expected sequences, or 1 or more"
    yield {"start": []}, "start: expected at least one sequence"
    yield {"start": ["ACGR"]}, "got 'R' in sequence 0 at position 3"
    yield {"start": np.full((1, 24), 4, np.uint8)}, "start: expected bases, got none"
    yield {"composition": (0.5, 0.5, 0.5, 0.5)}, "composition: expected"
    yield {"constraints": Constraints(protect_lower_case=True)}, "starts as text"


@pytest.mark.parametrize(("options", "message"), list(wrong()))
def test_wrong_arguments_are_named(options, message):
    options = {"start": 1, "target": "max", **options}
    with pytest.raises(ValueError, match=message):
        design(interpret_models.make_model(), **options)
