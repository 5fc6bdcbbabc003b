"""Small models of every kind of layers, shared by the tests of questions to models."""

from __future__ import annotations

import itertools

import numpy as np

from cisreg.exclusive_oracle import exclusive_oracle
from cisreg.interpret.read_out import (
    exclusive_arguments,
    read_out,
    scan_arguments,
    scan_of_sums,
    scan_weights,
)
from cisreg.oracle import occupancy_oracle
from cisreg.pairs import pair_motifs, pair_sums
from cisreg.spec import ModelSpec
from cisreg.start import init_parameters
from cisreg.trained_model import Model

MOTIFS, WIDTH, LENGTH = 5, 6, 24
NAMES = ("Abf1", "Reb1", "Rap1", "Gcn4", "Mcm1")
# First column of each motif and the one past its last.
COLUMN_RANGE = np.array([[0, 1, 0, 2, 1], [6, 5, 4, 6, 6]], np.int32)


def kinds_of_models():
    """Options of `ModelSpec` by a readable name: each layer, and what acts together."""
    choices = itertools.product(
        ("expected", "probability"), (False, True), (False, True), (False, True)
    )
    kinds = {}
    for binding, limit, positional, stranded in choices:
        kinds[f"{binding} limit={limit} positional={positional} stranded={stranded}"] = {
            "binding": binding,
            "binding_limit": limit,
            "positional": positional,
            "stranded": stranded,
        }
    kinds["no potentiation"] = {"potentiation": False}
    kinds["accessibility activity"] = {"accessibility_activity": True}
    kinds["positional potentiation"] = {"positional_potentiation": True}
    kinds["positional potentiation, probability"] = {
        "binding": "probability",
        "positional": True,
        "positional_potentiation": True,
        "stranded": True,
        "position_knots": 4,
    }
    kinds["positional potentiation, limits of sites"] = {
        "positional": True,
        "positional_potentiation": True,
        "binding_limit": True,
    }
    kinds["logistic"] = {"link": "logistic", "accessibility_activity": True}
    kinds["softplus"] = {"link": "softplus", "binding_limit": True, "stranded": True}
    kinds["exponential"] = {"link": "exponential", "positional": True}
    kinds["logistic, positional potentiation"] = {
        "link": "logistic",
        "positional": True,
        "positional_potentiation": True,
    }
    kinds["knots"] = {"positional": True, "position_knots": 4}
    kinds["valid"] = {"padding": "valid", "positional": True}
    kinds["context"] = {"constant_left": 3, "constant_right": 4}
    kinds["trim"] = {"constant_left": 3, "constant_right": 4, "constant_ends": "trim"}
    kinds["context, limits of sites"] = {
        "constant_left": 3,
        "positional": True,
        "binding_limit": True,
    }
    kinds["competition"] = {"competition": True}
    kinds["competition, two sets"] = {
        "competition": True,
        "positional": True,
        "positional_potentiation": True,
        "stranded": True,
        "constant_left": 3,
    }
    kinds["competition, limits"] = {"competition": True, "binding_limit": True, "link": "softplus"}
    pairs = {"pairs": ((0, 1), (2, 2), (3, 0)), "pair_distance": 8, "pair_knots": 3}
    kinds["pairs"] = pairs
    kinds["pairs, probability"] = {"binding": "probability", "constant_left": 3, **pairs}
    kinds["pairs, limits of sites"] = {"binding_limit": True, "positional": True, **pairs}
    kinds["pairs, logistic"] = {
        "link": "logistic",
        "binding_limit": True,
        "stranded": True,
        **pairs,
    }
    return kinds


KINDS = kinds_of_models()


def make_model(seed=0, **layers):
    """A model with random parameters, of effects that can be seen."""
    random = np.random.default_rng(seed)
    sizes = {"motif_count": MOTIFS, "motif_width": WIDTH, "sequence_length": LENGTH}
    spec = ModelSpec(**{**sizes, **layers})
    log_kd = random.normal(0, 2.0, (WIDTH, 4, MOTIFS)).astype(np.float32)
    column = np.arange(WIDTH)[:, None]
    own = (column >= COLUMN_RANGE[0]) & (column < COLUMN_RANGE[1])
    log_kd = np.where(own[:, None], log_kd, 0).astype(np.float32)
    parameters = init_parameters(spec, log_kd, np.full(MOTIFS, -2.0, np.float32), seed=seed)
    for name, value in parameters.items():
        if name not in ("log_kd", "log_concentration"):
            parameters[name] = (value + random.normal(0, 1.0, value.shape)).astype(np.float32)
    # Where accessibility and links saturate, no effect can be seen.
    gentle = {"potentiation": spec.positional_potentiation, "activity": spec.link != "identity"}
    gentle |= {"pair_effect": True} if spec.pairs else {}
    for name, damped in gentle.items():
        if damped:
            parameters[name] = parameters[name] / 4
    return Model(spec, parameters, NAMES, column_range=COLUMN_RANGE)


def make_bound_model(kind="", **layers):
    """A model whose factors are bound neither everywhere nor nowhere, and whose limits are met."""
    model = make_model(**(KINDS[kind] if kind else layers))
    model.parameters["log_concentration"][:] -= 2
    if model.spec.binding_limit:
        model.parameters["log_binding_limit"][:] = [-1, -0.5, -2, 0.5, -1.5]
    return model


def make_codes(count=12, seed=1, *, unknown=True):
    """Base codes [count, LENGTH], some rows padded on the left and with unknown bases."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 4, (count, LENGTH), dtype=np.uint8)
    if unknown:
        codes[1, :5] = 4
        codes[2, 11] = 4
    return codes


def expression_in_float64(model, codes):
    """Expression [N] from the oracle's scan, and the read-out that test_read_out.py checks.

    TensorFlow computes in float32. Where binding saturates and potentiation is large, its rounding
    is a hundred times that of what is tested here.
    """
    if model.spec.competition:
        return _exclusive_expression(model, codes)
    arguments = scan_arguments(model, codes)
    bound, _ = occupancy_oracle(**arguments)
    weighted = {
        name: occupancy_oracle(**arguments, position_weight=weight)[1]
        for name, weight in scan_weights(model).items()
    }
    scan = scan_of_sums(model.spec, bound, weighted)
    if not model.spec.fused or model.spec.pairs:
        scan = scan._replace(site=_sites(model, arguments))
    if model.spec.pairs:
        chosen = scan.site[..., pair_motifs(model.spec).motifs]
        scan = scan._replace(
            paired=pair_sums(model.spec, chosen), site=None if model.spec.fused else scan.site
        )
    return read_out(model, scan).expression


def _exclusive_expression(model, codes):
    arguments = exclusive_arguments(model, codes)
    weighted = {
        name: exclusive_oracle(**arguments, position_weight=weight).weighted
        for name, weight in scan_weights(model).items()
    }
    scan = scan_of_sums(model.spec, exclusive_oracle(**arguments).bound, weighted)
    return read_out(model, scan).expression


def _sites(model, arguments):
    """The occupancy of every single site, [N, 2, P, M]: position weights that choose a window."""
    windows, motifs = model.spec.window_count, model.spec.motif_count
    chosen = np.eye(windows)[:, None, :, None] * np.ones((2, 1, motifs))
    weighted = [
        occupancy_oracle(**{**arguments, "position_weight": weight})[1] for weight in chosen
    ]
    return np.stack(weighted, axis=2)
