"""A diagnosis names each fault that is planted in a sound model, and warns of nothing else."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pyarrow.csv
import pytest
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.interpret.diagnosis import diagnose_model
from cisreg.interpret.diagnosis_checks import (
    CONSTANT_VARIATION,
    MOSTLY_ENDS,
    SATURATED_SLOPE,
    WEAK_SLOPE,
)
from cisreg.interpret.diagnosis_measures import measure
from cisreg.interpret.findings import Finding, listed
from cisreg.model import predict
from cisreg.motifs import MotifSet, demo_motifs, random_motifs
from cisreg.sequences import decode
from cisreg.spec import ModelSpec
from cisreg.start import STANDARD_DEVIATION, STANDARD_MEAN, init_parameters
from cisreg.storage import save_model
from cisreg.trained_model import Model

MOTIFS = demo_motifs(width=14)[
    ["Abf1", "Reb1", "Rap1", "Mcm1", "Mbp1", "Msn2", "Swi4", "TBP", "Ste12", "Gcn4"]
]
LENGTH, COUNT = 50, 400
CODES = np.random.default_rng(0).integers(0, 4, (COUNT, LENGTH), dtype=np.uint8)
TEXT = decode(CODES)
RUNNER = CliRunner()


def in_the_unit_of(model, codes=CODES):
    """The model as if it had been trained on what it predicts for these sequences."""
    values = np.asarray(predict(model.spec, model.parameters, codes)[0], np.float64)
    scale = float(values.std()) / STANDARD_DEVIATION
    shift = float(values.mean()) - scale * STANDARD_MEAN
    return replace(
        model, metadata={**model.metadata, "standard_unit": {"scale": scale, "shift": shift}}
    )


def make_sound(motifs=MOTIFS, **layers):
    """A model whose factors all act; their strongest sites are bound 9 times of 10."""
    random = np.random.default_rng(1)
    layers = {"constant_ends": "keep"} | layers
    spec = ModelSpec(len(motifs), motifs.width, layers.pop("length", LENGTH), **layers)
    parameters = init_parameters(spec, motifs.log_kd, motifs.lowest_log_kd() + 2.2)
    parameters["activity"] = random.choice([-2.0, 2.0, 3.0], len(motifs)).astype(np.float32)
    parameters["potentiation"] = random.choice([-1.0, 1.5], len(motifs)).astype(np.float32)
    return Model(
        spec,
        parameters,
        motifs.names,
        initial_motifs=motifs,
        column_range=motifs.column_range(flank=0),
    )


SOUND = in_the_unit_of(make_sound())


def changed(model, factor, **values):
    """The model with other parameters of one factor."""
    place = model.motif_names.index(factor)
    parameters = dict(model.parameters)
    for name, value in values.items():
        parameters[name] = parameters[name].copy()
        parameters[name][..., place] = value
    return replace(model, parameters=parameters)


def by_check(found):
    return {each.check: each for each in found.findings}


def warned(found):
    return {each.check: each.factors for each in found.warnings}


def test_a_sound_model_has_no_warning():
    for sequences in (None, TEXT):
        found = diagnose_model(SOUND, sequences)
        assert found.warnings == (), found.warnings
    states = {each.check: each.state for each in found.findings}
    assert states.pop("similar motifs", "note") == "note"
    assert set(states.values()) == {"ok"}
    assert set(states) >= {
        *("dead factors", "accessibility", "constant binding", "saturated sites"),
        *("weak binding", "extremes", "drift", "constant ends", "extrapolation"),
    }


def test_without_sequences_it_says_what_was_not_checked():
    found = diagnose_model(SOUND)
    assert found.count == 0
    assert "No sequences were given" in by_check(found)["sequences"].sentence
    assert "accessibility" not in by_check(found)


@pytest.mark.parametrize("sequences", [None, TEXT])
def test_a_dead_factor_is_named(sequences):
    dead = changed(SOUND, "Reb1", activity=0.0, potentiation=0.0)
    finding = by_check(diagnose_model(dead, sequences))["dead factors"]
    assert (finding.state, finding.factors) == ("note", ("Reb1",))
    # A factor that only opens chromatin has an effect.
    opener = changed(SOUND, "Reb1", activity=0.0)
    assert by_check(diagnose_model(opener, sequences))["dead factors"].state == "ok"


def test_a_factor_that_is_never_bound_is_dead():
    absent = changed(SOUND, "Reb1", log_concentration=-np.inf)
    for sequences in (None, TEXT):
        finding = by_check(diagnose_model(absent, sequences))["dead factors"]
        assert finding.factors == ("Reb1",)


def test_a_model_that_predicts_a_constant_is_a_warning():
    zero = {"activity": 0.0, "potentiation": 0.0}
    parameters = SOUND.parameters | {
        name: np.full_like(SOUND.parameters[name], value) for name, value in zero.items()
    }
    found = diagnose_model(replace(SOUND, parameters=parameters), TEXT)
    assert "predicts a constant" in by_check(found)["dead factors"].sentence
    assert warned(found)["dead factors"] == () or len(warned(found)["dead factors"]) == len(MOTIFS)


def test_importance_is_that_of_predictions_without_the_factor():
    measures = measure(SOUND, CODES)
    for factor in ("Reb1", "Abf1"):
        place = MOTIFS.names.index(factor)
        without = changed(SOUND, factor, log_concentration=-np.inf)
        first, second = (
            np.asarray(predict(model.spec, model.parameters, CODES)[0], np.float64)
            for model in (SOUND, without)
        )
        expected = np.abs(first - second).mean()
        np.testing.assert_allclose(measures.importance[place], expected, rtol=1e-4)


def with_twin(model, factor, twin):
    """The model with the motif and concentration of one factor in the place of another one."""
    place, other = (model.motif_names.index(name) for name in (factor, twin))
    parameters = dict(model.parameters)
    for name in ("log_kd", "log_concentration"):
        parameters[name] = parameters[name].copy()
        parameters[name][..., other] = parameters[name][..., place]
    column_range = model.column_range.copy()
    column_range[:, other] = column_range[:, place]
    return replace(model, parameters=parameters, column_range=column_range, initial_motifs=None)


def test_duplicates_are_named_by_binding_and_by_motif():
    twins = with_twin(SOUND, "Reb1", "Abf1")
    found = diagnose_model(twins, TEXT)
    assert set(warned(found)["duplicates"]) == {"Reb1", "Abf1"}
    assert by_check(found)["duplicates"].number == pytest.approx(1.0)
    # Without sequences the motifs still say it, unless one of the two is dead.
    alike = by_check(diagnose_model(twins))["similar motifs"]
    assert {"Reb1", "Abf1"} <= set(alike.factors)
    dead = changed(twins, "Abf1", activity=0.0, potentiation=0.0)
    assert "duplicates" not in warned(diagnose_model(dead, TEXT))


def test_saturated_accessibility_is_a_warning():
    parameters = SOUND.parameters | {"potentiation_bias": np.float32(12)}
    finding = by_check(diagnose_model(replace(SOUND, parameters=parameters), TEXT))["accessibility"]
    assert finding.state == "warning"
    # Neither near 0 nor near 1, but the same everywhere.
    flat = SOUND.parameters | {"potentiation": np.zeros_like(SOUND.parameters["potentiation"])}
    finding = by_check(diagnose_model(replace(SOUND, parameters=flat), TEXT))["accessibility"]
    assert finding.state == "warning"
    assert finding.number == 0


def test_sites_that_are_always_bound_are_a_warning():
    place = MOTIFS.names.index("Reb1")
    highest = SOUND.parameters["log_kd"].max(axis=1).sum(axis=0)[place]
    full = in_the_unit_of(changed(SOUND, "Reb1", log_concentration=highest + 5))
    found = by_check(diagnose_model(full, TEXT))
    assert found["saturated sites"].state == "warning"
    assert found["saturated sites"].factors == ("Reb1",)
    assert found["saturated sites"].number < SATURATED_SLOPE
    # All windows are bound in all sequences.
    assert found["constant binding"].factors == ("Reb1",)
    assert found["constant binding"].number < CONSTANT_VARIATION


def test_the_slope_is_one_where_sites_are_rarely_bound():
    place = MOTIFS.names.index("Reb1")
    low = SOUND.parameters["log_concentration"][place] - 9
    weak = changed(SOUND, "Reb1", log_concentration=low, activity=3000.0)
    finding = by_check(diagnose_model(weak, TEXT))["weak binding"]
    assert (finding.state, finding.factors) == ("note", ("Reb1",))
    assert WEAK_SLOPE < finding.number <= 1.001
    # The slope of log Σ p is 1 - Σ p² / Σ p.
    slope = measure(SOUND, CODES[:50]).slope
    p = site_probabilities(SOUND, CODES[:50])
    np.testing.assert_allclose(slope, 1 - (p**2).sum(axis=(0, 1)) / p.sum(axis=(0, 1)), atol=2e-3)


def site_probabilities(model, codes):
    """Occupancy of every site, [N, sites, M], site by site."""
    log_kd = model.parameters["log_kd"].astype(np.float64)
    width = len(log_kd)
    padded = np.pad(codes, ((0, 0), ((width - 1) // 2, width)), constant_values=4)
    with_unknown = np.concatenate([log_kd, np.zeros_like(log_kd[:, :1])], axis=1)
    energies = []
    for strand in (with_unknown, with_unknown[::-1, [3, 2, 1, 0, 4]]):
        for begin in range(codes.shape[1]):
            window = padded[:, begin : begin + width]
            energies.append(sum(strand[w, window[:, w]] for w in range(width)))
    x = model.parameters["log_concentration"] - np.stack(energies, axis=1)
    return 1 / (1 + np.exp(-x))


def test_an_effect_beyond_all_measurements_is_a_warning():
    found = diagnose_model(changed(SOUND, "Rap1", activity=500.0))
    assert warned(found) == {"extreme effects": ("Rap1",)}


def test_a_base_that_forbids_a_site_is_a_warning():
    first = int(SOUND.column_range[0, MOTIFS.names.index("Rap1")])
    log_kd = SOUND.parameters["log_kd"][..., MOTIFS.names.index("Rap1")].copy()
    log_kd[first, log_kd[first].argmax()] += 20
    finding = by_check(diagnose_model(changed(SOUND, "Rap1", log_kd=log_kd)))["extreme motifs"]
    assert (finding.state, finding.factors) == ("warning", ("Rap1",))
    assert finding.number == pytest.approx(float(np.ptp(log_kd, axis=1).max()))


def test_a_parameter_far_from_the_others_is_a_note():
    motifs = random_motifs(60, width=10, seed=0)
    model = changed(make_sound(motifs), motifs.names[7], potentiation=40.0)
    finding = by_check(diagnose_model(model))["extremes"]
    assert (finding.state, finding.factors) == ("note", (motifs.names[7],))
    assert "potentiation" in finding.sentence


def test_a_motif_that_became_another_one_is_a_warning(caplog):
    place, other = MOTIFS.names.index("Reb1"), MOTIFS.names.index("Abf1")
    twin = with_twin(SOUND, "Abf1", "Reb1")
    log_kd, column_range = MOTIFS.log_kd.copy(), twin.column_range
    start = MotifSet(MOTIFS.names, log_kd, MOTIFS.first_column, MOTIFS.widths)
    drifted = replace(twin, initial_motifs=start)
    found = diagnose_model(drifted)
    assert warned(found)["drift"] == ("Reb1",)
    assert "Abf1" in by_check(found)["drift"].sentence
    # The checks reckon with rough p-values of few motifs, which say nothing to the user.
    assert caplog.messages == []
    row = found.factors.to_pylist()[place]
    begin, end = column_range[:, place]
    now, before = (
        np.exp(-each[begin:end])
        for each in (twin.parameters["log_kd"][..., place], log_kd[..., place])
    )
    now, before = (each / each.sum(axis=1, keepdims=True) for each in (now, before))
    expected = np.sqrt(((now - before) ** 2).sum(axis=1)).mean()
    assert row["distance"] == pytest.approx(expected, rel=1e-5)
    assert row["strongest_site"] == found.factors.to_pylist()[other]["strongest_site"]
    # A dead factor is not read, wherever it went.
    dead = changed(drifted, "Reb1", activity=0.0, potentiation=0.0)
    assert "drift" not in warned(diagnose_model(dead))


def test_a_motif_that_moved_far_within_itself_is_a_note():
    place = MOTIFS.names.index("Abf1")
    begin = int(MOTIFS.first_column[place])
    log_kd = MOTIFS.log_kd[..., place].copy()
    strong = np.flatnonzero(np.ptp(log_kd, axis=1) > 2)[-3:]
    log_kd[strong] = log_kd[strong][:, [1, 2, 3, 0]]
    finding = by_check(diagnose_model(changed(SOUND, "Abf1", log_kd=log_kd)))["drift"]
    assert begin <= strong[0]
    assert (finding.state, finding.factors) == ("note", ("Abf1",))


def test_motifs_are_looked_up_in_a_database():
    found = diagnose_model(SOUND, database=MOTIFS)
    assert by_check(found)["database"].state == "ok"
    rows = found.factors.to_pylist()
    assert [row["nearest"] for row in rows] == list(MOTIFS.names)
    assert [row["nearest_at_start"] for row in rows] == list(MOTIFS.names)
    twin = replace(with_twin(SOUND, "Abf1", "Reb1"), initial_motifs=MOTIFS)
    finding = by_check(diagnose_model(twin, database=MOTIFS))["database"]
    assert (finding.state, finding.factors) == ("note", ("Reb1",))
    other = np.zeros_like(MOTIFS.log_kd[..., 0])
    place = MOTIFS.names.index("Reb1")
    own = slice(MOTIFS.first_column[place], MOTIFS.first_column[place] + MOTIFS.widths[place])
    other[own] = random_motifs(1, width=own.stop - own.start, seed=3).log_kd[..., 0]
    lost = diagnose_model(changed(SOUND, "Reb1", log_kd=other), database=MOTIFS)
    assert warned(lost)["database"] == ("Reb1",)


def with_ends(left, right):
    codes = CODES.copy()
    for text, columns in ((left, slice(0, len(left))), (right, slice(LENGTH - len(right), LENGTH))):
        codes[:, columns] = ["ACGT".index(base) for base in text]
    return codes


def test_constant_ends_that_the_model_does_not_know_are_a_warning():
    codes = with_ends("TTACCCGGTA", "GGAACCTT")
    unsaid = make_sound(constant_ends="context")
    assert by_check(diagnose_model(unsaid))["constant ends"].state == "note"
    for model in (unsaid, SOUND):
        finding = by_check(diagnose_model(model, codes))["constant ends"]
        assert finding.state == "warning"
        assert "--constant-left 10 --constant-right 8" in finding.sentence
    told = make_sound(constant_left=10, constant_right=8, constant_ends="context")
    ends = {"left": {"bases": 10, "sequence": "TTACCCGGTA"}}
    told = replace(told, metadata={"constant_ends": ends})
    assert by_check(diagnose_model(told, codes))["constant ends"].state == "ok"
    missing = by_check(diagnose_model(told, CODES))["constant ends"]
    assert missing.state == "warning"
    assert "add the ends of the construct" in missing.sentence


def test_a_site_across_a_constant_end_acts_as_a_constant():
    # The site of Rap1 but for its last base, which the motif hardly reads any more.
    place = MOTIFS.names.index("Rap1")
    site = MOTIFS.strongest_site()[place].replace("N", "A")
    codes = with_ends(site[:-1], "")
    told = make_sound(constant_left=len(site) - 1, constant_ends="context")
    log_kd = told.parameters["log_kd"][..., place].copy()
    last = MOTIFS.first_column[place] + MOTIFS.widths[place] - 1
    log_kd[last] = log_kd[last].min() + np.array([0.0, 0.02, 0.0, 0.02])
    told = in_the_unit_of(changed(told, "Rap1", log_kd=log_kd), codes)
    finding = by_check(diagnose_model(told, codes))["constant binding"]
    assert (finding.state, finding.factors) == ("warning", ("Rap1",))
    assert "by bases of the constant ends" in finding.sentence
    assert measure(told, codes).share_of_ends[place] > MOSTLY_ENDS
    assert by_check(diagnose_model(SOUND, CODES))["constant binding"].state == "ok"


def test_predictions_beyond_the_training_set_are_a_warning():
    metadata = {"standard_unit": {"scale": 0.01, "shift": 0.0}}
    found = diagnose_model(replace(SOUND, metadata=metadata), TEXT)
    assert by_check(found)["extrapolation"].state == "warning"
    unknown = by_check(diagnose_model(replace(SOUND, metadata={}), TEXT))["extrapolation"]
    assert unknown.state == "note"


def test_predictions_are_compared_with_the_range_of_the_measurements_where_it_is_known():
    predicted = SOUND.predict(TEXT).expression
    low, high = float(predicted.min()), float(predicted.max())
    within = {**SOUND.metadata, "measured_range": [low, high]}
    found = by_check(diagnose_model(replace(SOUND, metadata=within), TEXT))["extrapolation"]
    assert (found.state, found.number) == ("ok", 0.0)
    # Not beyond five standard deviations, but beyond what was measured.
    narrow = {**SOUND.metadata, "measured_range": [low, float(np.quantile(predicted, 0.9))]}
    found = by_check(diagnose_model(replace(SOUND, metadata=narrow), TEXT))["extrapolation"]
    assert found.state == "warning"
    assert 0.05 < found.number <= 0.1
    assert f"the training measurements are {low:.3g} to" in found.sentence


def test_sequences_that_are_mostly_padding_are_a_warning():
    finding = by_check(diagnose_model(SOUND, [each[:20] for each in TEXT]))["extrapolation"]
    assert finding.state == "warning"
    assert "shorter than half" in finding.sentence


def test_nothing_is_concluded_from_sequences_that_are_alike():
    variants = np.repeat(CODES[:1], 200, axis=0)
    variants[np.arange(200), np.arange(200) % LENGTH] = np.arange(200) // LENGTH
    for codes in (variants, CODES[:20]):
        found = by_check(diagnose_model(SOUND, codes))
        assert "too alike" in found["sequences"].sentence
        assert not {"accessibility", "constant binding"} & set(found)


@pytest.mark.parametrize(
    "layers",
    [
        {"binding": "probability", "stranded": True},
        {"positional": True, "position_knots": 4, "stranded": True},
        {"positional": True, "binding_limit": True},
        {"padding": "valid", "accessibility_activity": True},
        {"potentiation": False},
    ],
)
def test_every_kind_of_model_is_diagnosed(layers):
    motifs = MOTIFS[:4]
    model = make_sound(motifs, **({} if "potentiation" in layers else layers))
    if "potentiation" in layers:
        spec = replace(model.spec, potentiation=False)
        names = spec.parameter_shapes
        model = replace(model, spec=spec, parameters={n: model.parameters[n] for n in names})
    found = diagnose_model(in_the_unit_of(model), TEXT[:100])
    assert by_check(found)["dead factors"].state == "ok"
    assert found.factors.num_rows == 4


def test_the_table_has_a_row_per_finding_and_one_per_factor():
    found = SOUND.diagnose(TEXT)
    assert found.count == COUNT
    table = found.to_table()
    assert table.column_names == ["check", "state", "finding", "factors", "number", "limit"]
    assert len(found.to_frame()) == len(found) == table.num_rows
    assert found.factors["factor"].to_pylist() == list(MOTIFS.names)
    assert "<table>" in found._repr_html_()
    assert repr(found).startswith("Diagnosis(0 warnings, ")
    order = [("warning", "note", "ok").index(each.state) for each in found.findings]
    assert order == sorted(order)
    assert listed(["a"] * 7) == "a, a, a, a, a, a and 1 more"
    assert np.isnan(Finding("x", "ok", "").number)


def test_no_sequences_are_refused():
    with pytest.raises(ValueError, match="expected one or more, got none"):
        diagnose_model(SOUND, [])


@pytest.fixture
def log_as_before():
    """Restores the log settings, which commands change for the whole test process."""
    logger = logging.getLogger("cisreg")
    before = logger.level, logger.handlers
    yield
    logger.setLevel(before[0])
    logger.handlers = before[1]


@pytest.mark.usefixtures("log_as_before")
def test_the_command_shows_and_writes_the_findings(tmp_path):
    save_model(tmp_path / "model", changed(SOUND, "Rap1", activity=500.0))
    table = tmp_path / "test.fa"
    table.write_text("".join(f">{place}\n{text}\n" for place, text in enumerate(TEXT)))
    arguments = ["explain", "diagnosis", str(tmp_path / "model"), str(table)]
    shown = RUNNER.invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "warning\textreme effects\tOne strongest site of Rap1" in shown.stdout
    files = {name: tmp_path / f"{name}.tsv" for name in ("output", "factors")}
    options = [f"--{name}={path}" for name, path in files.items()]
    result = RUNNER.invoke(app, [*arguments, *options, "--database", "demo"])
    assert result.exit_code == 0, result.output
    options = pyarrow.csv.ParseOptions(delimiter="\t")
    findings, factors = (
        pyarrow.csv.read_csv(files[name], parse_options=options) for name in ("output", "factors")
    )
    assert findings["state"][0].as_py() == "warning"
    assert factors["factor"].to_pylist() == list(MOTIFS.names)
    assert factors["nearest"].to_pylist() == list(MOTIFS.names)
