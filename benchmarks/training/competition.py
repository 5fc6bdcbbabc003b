"""Are sites that exclude each other, and nucleosomes, found from data; and are they there?

    python -m benchmarks.training.competition --part recovery
    python -m benchmarks.training.competition --part classes
    python -m benchmarks.training.competition --part promoters --data ../shared/data/gpra_example
    python -m benchmarks.training.competition --part start
    python -m benchmarks.training.competition --part figure --figures docs/images

recovery: promoters are simulated in which sites exclude each other, without and with nucleosomes;
the learned numbers of factors stand beside the true ones. classes: of data with competition and of
data without, models of both kinds are trained; is the true one told by the likelihood of sequences
held out? start: simulated promoters with competition, where all
concentrations start higher or lower. promoters: models with and without competition of measured
promoters, r on rows held out of train.tsv.gz. figure: nucleosomes.png, where nucleosomes lie on
simulated promoters.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import cisreg
from benchmarks.shared.model_classes import held_out_likelihood, print_classes
from benchmarks.shared.suite import machine, print_table, subplots, write_json
from cisreg import Dataset, simulate, train
from cisreg.interpret import nucleosome_occupancy
from cisreg.losses import named_noise
from cisreg.metrics import pearson_correlation
from cisreg.motifs import demo_motifs, read_motifs, strongest_site_log_concentration
from cisreg.recipes import read_recipe
from cisreg.simulate import Simulation
from cisreg.trained_model import Model

# What is simulated, and the lengths of the promoters.
KINDS: dict[str, dict[str, Any]] = {
    "competition": {"competition": True, "sequence_length": 80},
    "nucleosome": {"competition": True, "nucleosome": True, "sequence_length": 200},
}
# Nats that all concentrations start above those at which a site alone is bound half of the time.
STARTS = (-1.0, 0.0, 1.0, 2.0)
HELD_OUT = 1500


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ("recovery", "classes", "promoters", "start", "figure")
    parser.add_argument("--part", choices=parts, required=True)
    parser.add_argument("--data", type=Path, help="folder with train.tsv.gz and motif_list.txt")
    parser.add_argument("--figures", type=Path, default=Path(), help="folder for the figure")
    parser.add_argument("--seeds", type=int, help="default: 5; classes 10, measured promoters 3")
    parser.add_argument("--sequences", type=int, default=6000, help="(%(default)s)")
    parser.add_argument("--recipe", help="default: quick; measured promoters: default")
    parser.add_argument("--json", type=Path, help="file for the measurements")
    options = parser.parse_args()
    count, recipe = options.sequences, options.recipe or "quick"
    if options.part == "figure":
        draw(options.figures / "nucleosomes.png")
        return
    if options.part == "recovery":
        seeds = range(options.seeds or 5)
        results = [recovered(kind, seed, count, recipe) for kind in KINDS for seed in seeds]
        show_recovery(results)
    elif options.part == "classes":
        results = list(told_apart(range(options.seeds or 10), count, recipe))
        print_classes("The true class against the other, on sequences held out", results)
    elif options.part == "start":
        results = list(started(range(options.seeds or 5), count, recipe))
        show_r(results, "start")
    else:
        if options.data is None:
            parser.error("--data: expected the folder of the promoters")
        results = list(measured(options.data, range(options.seeds or 3), options.recipe))
        show_r(results, "competition")
    write_json(options.json, machine(), results)


def trained(
    made: Simulation,
    seed: int,
    recipe: str,
    rows: slice,
    log_concentration: np.ndarray | None = None,
    **layers: bool,
) -> Model:
    """A model trained on these rows; what a site covers is what covers bases in the truth."""
    given = read_recipe(recipe).override(
        model={"constant_ends": "keep", **layers}, motif_width=20, motif_flank=0
    )
    data, motifs = Dataset(made.sequence[rows], made.expression[rows]), demo_motifs(width=20)
    noise = named_noise("gaussian")
    return train(
        *(data, motifs, given),
        log_concentration=log_concentration,
        loss=noise,
        seed=seed,
        progress=False,
    ).model


def recovered(kind: str, seed: int, count: int, recipe: str) -> dict[str, Any]:
    """Learned against true numbers of factors, and r on a fifth of the promoters."""
    layers = {name: value for name, value in KINDS[kind].items() if name != "sequence_length"}
    made = simulate(demo_motifs(width=20), sequence_count=count, seed=seed, **KINDS[kind])
    cut = count * 4 // 5
    model = trained(made, seed, recipe, slice(cut), **layers)
    predicted = model.predict(made.sequence[cut:]).expression
    found = {
        "kind": kind,
        "seed": seed,
        "r": pearson_correlation(predicted, made.noiseless_expression[cut:]),
    }
    for name in ("activity", "potentiation", "log_concentration"):
        learned, true = (numbers_of(each, name) for each in (model.parameters, made.parameters))
        found[f"r_{name}"] = pearson_correlation(learned, true)
        found[f"worst_{name}"] = float(np.abs(learned - true).max())
    if "nucleosome" in layers:
        odds = [float(each["nucleosome_log_odds"]) for each in (made.parameters, model.parameters)]
        found["nucleosome"] = odds
    print(found, flush=True)
    return found


def numbers_of(parameters: Any, name: str) -> np.ndarray:
    """A number of each factor; of concentrations, the log odds of the strongest site alone."""
    value = np.asarray(parameters[name], np.float64)
    if name != "log_concentration":
        return value
    return value - parameters["log_kd"].min(axis=1).sum(axis=0, dtype=np.float64)


def show_recovery(results: list[dict[str, Any]]) -> None:
    """Means over the seeds, and the worst of them."""
    rows = []
    for kind in KINDS:
        own = [each for each in results if each["kind"] == kind]
        if not own:
            continue
        shown = [kind]
        for name in ("r", "r_activity", "r_potentiation", "r_log_concentration"):
            numbers = [each[name] for each in own]
            shown.append(f"{np.mean(numbers):.3f} ({min(numbers):.3f})")
        for name in ("worst_activity", "worst_log_concentration"):
            shown.append(f"{max(each[name] for each in own):.2f}")
        errors = [abs(np.subtract(*each["nucleosome"])) for each in own if "nucleosome" in each]
        shown.append(f"{np.mean(errors):.2f} ({max(errors):.2f})" if errors else "")
        rows.append(tuple(shown))
    heads = ("truth", "r (worst)", "r activity", "r potentiation", "r concentration")
    print_table(
        "Learned against true",
        (*heads, "largest error of an activity", "of a concentration, nats", "nucleosome, nats"),
        rows,
    )


def told_apart(seeds: range, count: int, recipe: str) -> Iterator[dict[str, Any]]:
    """Held-out log likelihoods of the true class less those of the other."""
    for seed in seeds:
        for competes in (True, False):
            made = simulate(
                *(demo_motifs(width=20),),
                sequence_count=count,
                sequence_length=KINDS["competition"]["sequence_length"],
                seed=seed,
                competition=competes,
            )
            cut = count * 4 // 5
            true, other = (
                held_out_likelihood(
                    trained(made, seed, recipe, slice(cut), competition=each), made, cut
                )
                for each in (competes, not competes)
            )
            names = "competition", "independent sites"
            truth, wrong = names if competes else names[::-1]
            found = {"truth": truth, "other": wrong, "seed": seed, "gain": true - other}
            print(found, flush=True)
            yield found


def started(seeds: range, count: int, recipe: str) -> Iterator[dict[str, Any]]:
    """Pearson's r on sequences held out, by where the concentrations start."""
    motifs = demo_motifs(width=20)
    strongest = strongest_site_log_concentration(motifs)
    for start in STARTS:
        for seed in seeds:
            made = simulate(motifs, sequence_count=count, seed=seed, **KINDS["competition"])
            cut = count * 4 // 5
            model = trained(
                *(made, seed, recipe, slice(cut)),
                log_concentration=strongest + np.float32(start),
                competition=True,
            )
            predicted = model.predict(made.sequence[cut:]).expression
            r = pearson_correlation(predicted, made.noiseless_expression[cut:])
            found = {"start": start, "seed": seed, "r": r}
            print(found, flush=True)
            yield found


def measured(folder: Path, seeds: range, recipe: str | None) -> Iterator[dict[str, Any]]:
    """Pearson's r of models of measured promoters on rows that were held out."""
    data = cisreg.open_dataset(folder / "train.tsv.gz").load(progress=False)
    given = read_recipe(recipe or "default")
    motifs = read_motifs(folder / "motif_list.txt", width=given.motif_width)
    rows = np.random.default_rng(7).permutation(len(data.sequence))
    kept, held = np.sort(rows[HELD_OUT:]), rows[:HELD_OUT]
    training = Dataset(data.sequence[kept], data.mean_expression[kept])
    for seed in seeds:
        for competes in (False, True):
            own = given.override(model={"competition": competes})
            model = train(training, motifs, own, seed=seed, progress=False).model
            predicted = model.predict(data.sequence[held]).expression
            r = pearson_correlation(predicted, data.mean_expression[held])
            found = {"competition": competes, "seed": seed, "r": r}
            print(found, flush=True)
            yield found


def show_r(results: list[dict[str, Any]], by: str) -> None:
    """Pearson's r, seed by seed."""
    rows = []
    for value in dict.fromkeys(each[by] for each in results):
        rs = [each["r"] for each in results if each[by] == value]
        rows.append((str(value), ", ".join(f"{r:.4f}" for r in rs), f"{np.mean(rs):.4f}"))
    print_table("r on promoters held out", (by, "seeds", "mean"), rows)


def draw(path: Path) -> None:
    """Where nucleosomes lie on promoters of 400 bases: on average, and on three of them."""
    made = simulate(
        demo_motifs(width=20),
        sequence_count=500,
        sequence_length=400,
        competition=True,
        nucleosome=True,
    )
    model = Model(made.spec, made.parameters, made.motif_names, column_range=made.column_range)
    covered = nucleosome_occupancy(model, made.sequence)
    empty = dict(made.parameters)
    empty["log_concentration"] = np.full_like(made.parameters["log_concentration"], -np.inf)
    without = nucleosome_occupancy(
        Model(made.spec, empty, made.motif_names, column_range=made.column_range),
        made.sequence[:1],
    )
    figure, axes = subplots(1, 2, 11.0, 3.5)
    left, right = axes[0]
    left.plot(covered.mean(axis=0), label="mean of 500 promoters")
    left.plot(without[0], label="any promoter without factors")
    left.set_title("Factors keep nucleosomes away")
    order = np.argsort(covered.mean(axis=1))
    for name, row in (("most", order[-1]), ("median", order[250]), ("least", order[0])):
        right.plot(covered[row], label=f"{name} covered")
    right.set_title("Sequences say where nucleosomes lie, through their factors")
    for each in (left, right):
        each.set(xlabel="base", ylabel="covered by a nucleosome", ylim=(0, 1.2))
        each.legend(loc="upper center", ncols=3)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
