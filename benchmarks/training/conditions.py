"""Are differences between the outputs of a model found from simulated data?

    python -m benchmarks.training.conditions --part recovery
    python -m benchmarks.training.conditions --part penalties
    python -m benchmarks.training.conditions --part classes
    python -m benchmarks.training.conditions --part coverage
    python -m benchmarks.training.conditions --part coverage --trained
    python -m benchmarks.training.conditions --part figure --figures docs/images

Promoters are simulated with three outputs, such as conditions: in the second and the third, a
quarter of the factors have another concentration, or another activity; biases differ too, and a
fifth of the measurements is missing. recovery: a model is trained with the same parameters
differing, and the learned differences from the first output stand beside the true ones. penalties:
the same with other weights of the penalty on differences. classes: models are also trained in which
nothing but the bias differs, and in which activities differ where concentrations do, and the other
way round; is the true one told by the likelihood of sequences held out? coverage: do the intervals
of differences hold the true ones as often as they should, with the true motifs, or with those that
were trained? figure: outputs.png, learned against true differences.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared.model_classes import held_out_likelihood, print_classes
from benchmarks.shared.suite import machine, print_table, subplots, write_json
from cisreg import Dataset, simulate, train
from cisreg.losses import Gaussian
from cisreg.metrics import pearson_correlation
from cisreg.motifs import demo_motifs
from cisreg.outputs import default_output_names
from cisreg.recipes import read_recipe
from cisreg.simulate import Simulation
from cisreg.trained_model import Model

OUTPUTS = 3
KINDS = ("log_concentration", "activity")
WEIGHTS = (0.0, 0.001, 0.003, 0.01, 0.03)
WEIGHT = 0.003


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ("recovery", "penalties", "classes", "coverage", "figure")
    parser.add_argument("--part", choices=parts, required=True)
    parser.add_argument("--figures", type=Path, default=Path(), help="folder for the figure")
    parser.add_argument("--seeds", type=int, help="default: 5, for classes and coverage 10")
    parser.add_argument("--sequences", type=int, default=10_000, help="(%(default)s)")
    parser.add_argument("--recipe", default="quick", help="(%(default)s)")
    parser.add_argument(
        "--trained", action="store_true", help="coverage of trained models, not of the true ones"
    )
    parser.add_argument("--json", type=Path, help="file for the measurements")
    options = parser.parse_args()
    seeds = range(options.seeds or (10 if options.part in ("classes", "coverage") else 5))
    given = (options.sequences, options.recipe)
    if options.part == "figure":
        draw(options.figures / "outputs.png", *given)
        return
    if options.part in ("recovery", "penalties"):
        weights = (WEIGHT,) if options.part == "recovery" else WEIGHTS
        results = [
            recovered(kind, seed, weight, *given)
            for kind in KINDS
            for weight in weights
            for seed in seeds
        ]
        show_recovery(results)
    elif options.part == "classes":
        results = list(told_apart(seeds, *given))
        print_classes("The true class of models against others, held out", results)
    else:
        recipe = options.recipe if options.trained else None
        results = [
            covered(kind, seed, options.sequences, recipe) for kind in KINDS for seed in seeds
        ]
        show_coverage(results)
    write_json(options.json, machine(), results)


def simulated(kind: str, seed: int, count: int) -> Simulation:
    """Promoters of 80 bases in three outputs; a quarter of the variance of each is noise."""
    return simulate(
        demo_motifs(width=30),
        sequence_count=count,
        sequence_length=80,
        seed=seed,
        noise=0.25,
        outputs=OUTPUTS,
        differ=(kind, "bias"),
        missing=0.2,
    )


def trained(
    made: Simulation, differ: Sequence[str], seed: int, recipe: str, rows: slice, weight: float
) -> Model:
    """A model trained on these rows in which these parameters differ."""
    given = read_recipe(recipe).override(
        model={"differ": list(differ)},
        penalty={"difference_l1": weight},
        outputs=default_output_names(OUTPUTS),
    )
    data = Dataset(made.sequence[rows], made.expression[rows])
    noise = Gaussian()
    return train(data, demo_motifs(width=30), given, loss=noise, seed=seed, progress=False).model


def differences(parameters: dict[str, np.ndarray], kind: str) -> np.ndarray:
    """The differences from the first output, float64 [T - 1, M]."""
    value = np.asarray(parameters[kind], np.float64)
    return value[1:] - value[0]


def recovered(kind: str, seed: int, weight: float, count: int, recipe: str) -> dict[str, Any]:
    """What training with the true class finds, on a fifth that is held out."""
    made, cut = simulated(kind, seed, count), count * 4 // 5
    model = trained(made, (kind, "bias"), seed, recipe, slice(cut), weight)
    true, learned = (differences(each, kind) for each in (made.parameters, dict(model.parameters)))
    predicted = model.predict(made.sequence[cut:]).expression
    noiseless = made.noiseless_expression[cut:]
    none = true == 0
    return {
        "kind": kind,
        "seed": seed,
        "weight": weight,
        "r": np.mean(
            [pearson_correlation(*each) for each in zip(predicted.T, noiseless.T, strict=True)]
        ).item(),
        "r_difference": pearson_correlation(learned.ravel(), true.ravel()),
        "worst": float(np.abs(learned - true).max()),
        "worst_of_none": float(np.abs(learned[none]).max()),
        "least_true": float(np.abs(true[~none]).min()),
        "true": true.tolist(),
        "learned": learned.tolist(),
    }


def show_recovery(results: list[dict[str, Any]]) -> None:
    """Means over the seeds, and the worst of them."""
    rows = []
    for kind, weight in dict.fromkeys((each["kind"], each["weight"]) for each in results):
        own = [each for each in results if (each["kind"], each["weight"]) == (kind, weight)]
        rows.append(
            (
                *(kind, f"{weight:g}", f"{np.mean([each['r'] for each in own]):.4f}"),
                f"{np.mean([each['r_difference'] for each in own]):.3f}",
                f"{min(each['r_difference'] for each in own):.3f}",
                f"{np.mean([each['worst'] for each in own]):.2f}",
                f"{max(each['worst'] for each in own):.2f}",
                f"{max(each['worst_of_none'] for each in own):.2f}",
                f"{min(each['least_true'] for each in own):.2f}",
            )
        )
    heads = ("differs", "penalty", "r", "r of differences", "least", "error, mean of worst")
    more = ("worst", "largest where there is none", "smallest true")
    print_table("Learned differences between outputs", (*heads, *more), rows)


def told_apart(seeds: range, count: int, recipe: str) -> Iterator[dict[str, Any]]:
    """Held-out log likelihoods of the true class and of others."""
    for truth in KINDS:
        other = KINDS[1 - KINDS.index(truth)]
        for seed in seeds:
            made, cut = simulated(truth, seed, count), count * 4 // 5
            found = {}
            for name, differ in (
                ("true", [truth, "bias"]),
                ("none", ["bias"]),
                (other, [other, "bias"]),
            ):
                model = trained(made, differ, seed, recipe, slice(cut), WEIGHT)
                found[name] = held_out_likelihood(model, made, cut)
            for name in ("none", other):
                gain = found["true"] - found[name]
                yield {"truth": truth, "other": name, "seed": seed, "gain": gain}
                print(truth, name, seed, f"{gain:.4f}", flush=True)


def covered(kind: str, seed: int, count: int, recipe: str | None) -> dict[str, Any]:
    """How many intervals of differences hold the truth.

    They are around the least squares from the truth, or from a model trained with a recipe.
    """
    from cisreg.uncertainty import difference_intervals

    made = simulated(kind, seed, count)
    truth = Model(made.spec, made.parameters, made.motif_names)
    data = Dataset(made.sequence, made.expression)
    model = truth
    if recipe is not None:
        model = trained(made, (kind, "bias"), seed, recipe, slice(None), WEIGHT)
    found = difference_intervals(model, data, level=0.9)
    of_kind = np.array([name == kind for name in found.parameter])
    true = differences(made.parameters, kind).ravel()
    lower, upper = found.lower[of_kind], found.upper[of_kind]
    held = (lower <= true) & (true <= upper)
    clear = (lower > 0) | (upper < 0)
    return {
        "kind": kind,
        "seed": seed,
        "held": int(held.sum()),
        "of": len(held),
        "undetermined": int(np.isinf(found.standard_error[of_kind]).sum()),
        "different": int((true != 0).sum()),
        "different_held": int((held & (true != 0)).sum()),
        "found": int((clear & (true != 0)).sum()),
        "false": int((clear & (true == 0)).sum()),
    }


def show_coverage(results: list[dict[str, Any]]) -> None:
    """Shares over all simulations."""
    rows = []
    for kind in dict.fromkeys(each["kind"] for each in results):
        own = [each for each in results if each["kind"] == kind]
        total = {name: sum(each[name] for each in own) for name in own[0] if name != "kind"}
        rows.append(
            (
                *(kind, str(total["of"]), f"{total['held'] / total['of']:.3f}"),
                str(total["undetermined"]),
                f"{total['different_held']} of {total['different']}",
                f"{total['found']} of {total['different']}",
                f"{total['false']} of {total['of'] - total['different']}",
            )
        )
    columns = ("differs", "intervals", "hold the truth", "undetermined", "true differences held")
    columns = (*columns, "differences found", "where there is none")
    print_table("Intervals of differences, meant for 0.9", columns, rows)


def draw(path: Path, count: int, recipe: str) -> None:
    """Learned against true differences, of both kinds."""
    figure, axes = subplots(1, 2, 9.0, 4.2)
    texts = {"log_concentration": "log concentration, nats", "activity": "activity"}
    for panel, kind in zip(axes[0], KINDS, strict=True):
        for weight, name, mark in ((0.0, "no penalty", "x"), (WEIGHT, f"penalty {WEIGHT:g}", "o")):
            found = recovered(kind, 0, weight, count, recipe)
            true, learned = (np.ravel(found[each]) for each in ("true", "learned"))
            panel.scatter(true, learned, marker=mark, s=26, label=name, alpha=0.8)
        panel.axline((0, 0), slope=1, color="0.6", linewidth=1, zorder=0)
        panel.set(xlabel=f"true difference of {texts[kind]}", ylabel="learned difference")
        panel.legend()
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
