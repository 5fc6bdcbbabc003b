"""Are the noise of measurements, and what a model tells about them, found from simulated data?

    python -m benchmarks.training.noise --part recovery
    python -m benchmarks.training.noise --part classes
    python -m benchmarks.training.noise --part information
    python -m benchmarks.training.noise --part information --data sort-seq --patience 20
    python -m benchmarks.training.noise --part information --data splicing --motif-pull 0.1
    python -m benchmarks.training.noise --part figure --figures docs/images

recovery: for each noise model and seed, promoters are simulated with it, a model is trained with
the same noise model, and the learned numbers stand beside the true ones. classes: models are also
trained with another noise model; is the true one told by the likelihood of sequences held out?
information: data of the kinds and sizes of MAVE-NN's examples; the variational information of the
learned model about sequences that were held out, by that of the true model. figure:
noise_models.png, the densities of noise models and the shares of sorting bins.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared.model_classes import held_out_likelihood, print_classes
from benchmarks.shared.suite import machine, print_table, subplots, write_json
from cisreg import Dataset, simulate, train
from cisreg.losses import NegativeBinomial, Noise, SortBins, named_noise
from cisreg.losses.judged import judge_noise
from cisreg.metrics import pearson_correlation
from cisreg.motifs import demo_motifs
from cisreg.recipes import Recipe, Training, read_recipe
from cisreg.report import compare_parameters
from cisreg.simulate import Simulation
from cisreg.trained_model import Model

# Truths, and what else their data are trained with.
CLASSES = {
    "heteroscedastic": ("gaussian", "student_t"),
    "student_t": ("gaussian", "heteroscedastic"),
    "huber": ("gaussian",),
    "negative_binomial": ("poisson",),
}
KINDS = ("gaussian", *CLASSES, "poisson", "sort_bins")
COUNTED = ("poisson", "negative_binomial")


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ("recovery", "classes", "information", "figure")
    parser.add_argument("--part", choices=parts, required=True)
    parser.add_argument("--figures", type=Path, default=Path(), help="folder for the figure")
    parser.add_argument("--seeds", type=int, help="default: 5, for classes 10")
    parser.add_argument("--first-seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--sequences", type=int, help="default: 10000, for information as MAVE-NN")
    parser.add_argument("--recipe", default="quick", help="(%(default)s)")
    parser.add_argument("--motif-pull", type=float, help="default: that of the recipe")
    parser.add_argument("--patience", type=int, help="of the last stage; that of the recipe")
    parser.add_argument(
        "--data", choices=("sort-seq", "splicing"), help="of information; default: both"
    )
    parser.add_argument("--json", type=Path, help="file for the measurements")
    options = parser.parse_args()
    if options.part == "figure":
        draw(options.figures / "noise_models.png")
        return
    number = options.seeds or (10 if options.part == "classes" else 5)
    seeds = range(options.first_seed, options.first_seed + number)
    count = options.sequences or 10_000
    pull = {} if options.motif_pull is None else {"motif_pull": options.motif_pull}
    recipe = read_recipe(options.recipe).override(penalty=pull, patience=options.patience)
    if options.part == "recovery":
        results = [recovered(kind, seed, count, recipe) for kind in KINDS for seed in seeds]
        show_recovery(results)
    elif options.part == "classes":
        results = list(told_apart(seeds, count, recipe))
        print_classes("The true noise model against others, on sequences held out", results)
    else:
        results = [
            informed(kind, seed, options.sequences, recipe)
            for kind in ((options.data,) if options.data else ("sort-seq", "splicing"))
            for seed in seeds
        ]
        show_information(results)
    write_json(options.json, machine(), results)


def simulated(kind: str, seed: int, count: int, **how: Any) -> Simulation:
    """Promoters of 80 bases and their measurements; a quarter of the variance is noise."""
    return simulate(
        demo_motifs(width=30),
        sequence_count=count,
        sequence_length=80,
        seed=seed,
        noise=0.25,
        measured_as=kind,
        link="exponential" if kind in COUNTED else "identity",
        **how,
    )


def trained(made: Simulation, noise: Noise, seed: int, recipe: Recipe, rows: slice) -> Training:
    """Training on these rows with this noise model."""
    given = recipe.override(model={"link": made.spec.link})
    data = Dataset(made.sequence[rows], made.expression[rows])
    return train(data, demo_motifs(width=30), given, loss=noise, seed=seed, progress=False)


def recovered(kind: str, seed: int, count: int, recipe: Recipe) -> dict[str, Any]:
    """What training with the true class finds of model and noise, on a fifth that is held out."""
    made, cut = simulated(kind, seed, count), count * 4 // 5
    assert made.noise is not None
    model = trained(made, named_noise(kind), seed, recipe, slice(cut)).model
    predicted = model.predict(made.sequence[cut:]).expression
    truth = Model(made.spec, made.parameters, made.motif_names, noise=made.noise)
    effects = {each.name: each.pearson for each in compare_parameters(model, truth)}
    return {
        "noise": kind,
        "seed": seed,
        "r": pearson_correlation(predicted, made.noiseless_expression[cut:]),
        "r_activity": effects.get("activity", float("nan")),
        **numbers_of(made.noise, model.noise, truth, made.sequence[cut:]),
    }


def numbers_of(
    true: Noise, learned: Noise | None, truth: Model, sequence: np.ndarray
) -> dict[str, Any]:
    """The numbers of the noise, true and learned, in one unit, and the largest relative error."""
    assert learned is not None
    if isinstance(true, SortBins) and isinstance(learned, SortBins):
        # Trained borders are in bins: the first and the last one set the unit.
        borders = np.asarray(true.borders)
        unit = (len(borders) - 1) / (borders[-1] - borders[0])
        one = {"borders": (borders - borders[0]) * unit + 0.5, "scale": true.scale * unit}
        two = {"borders": np.asarray(learned.borders), "scale": learned.scale}
        errors = [
            float(np.abs(one["borders"] - two["borders"]).max()),
            abs(two["scale"] / one["scale"] - 1),
        ]
    elif true.name == "heteroscedastic":
        levels = truth.predict(sequence).expression
        one, two = ({"deviation": each.deviation(levels)} for each in (true, learned))
        errors = [float(np.abs(two["deviation"] / one["deviation"] - 1).mean())]
    else:
        # Library sizes are relative to each other when they come from the data.
        fields = [each.name for each in dataclasses.fields(true) if each.name != "exposure"]
        one, two = ({name: getattr(each, name) for name in fields} for each in (true, learned))
        if "library_size" in fields:
            one["library_size"], two["library_size"] = (
                each["library_size"][0] / each["library_size"][1] for each in (one, two)
            )
        errors = [abs(two[name] / one[name] - 1) for name in fields]
    return {
        "true": {name: np.asarray(value).mean().item() for name, value in one.items()},
        "learned": {name: np.asarray(value).mean().item() for name, value in two.items()},
        "worst": max(errors),
    }


def show_recovery(results: list[dict[str, Any]]) -> None:
    """Means over the seeds, and the worst of them."""
    rows = []
    for kind in dict.fromkeys(each["noise"] for each in results):
        own = [each for each in results if each["noise"] == kind]
        rs, actives = ([each[name] for each in own] for name in ("r", "r_activity"))
        worst = max(own, key=lambda each: each["worst"])
        rows.append(
            (
                *(kind, f"{np.mean(rs):.4f}", f"{min(rs):.4f}"),
                *(f"{np.mean(actives):.3f}", f"{min(actives):.3f}"),
                *(f"{np.mean([each['worst'] for each in own]):.3f}", f"{worst['worst']:.3f}"),
                _text(worst["true"]),
                _text(worst["learned"]),
            )
        )
    heads = ("noise", "r", "worst r", "r activity", "worst", "error of numbers", "worst", "true")
    print_table("Learned with the true noise model", (*heads, "learned"), rows)


def _text(numbers: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in numbers.items())


def told_apart(seeds: range, count: int, recipe: Recipe) -> Iterator[dict[str, Any]]:
    """Held-out log likelihoods of the true class and of others."""
    for truth, others in CLASSES.items():
        for seed in seeds:
            made, cut = simulated(truth, seed, count), count * 4 // 5
            found = {}
            for kind in (truth, *others):
                model = trained(made, named_noise(kind), seed, recipe, slice(cut)).model
                found[kind] = held_out_likelihood(model, made, cut)
            for kind in others:
                gain = found[truth] - found[kind]
                yield {"truth": truth, "other": kind, "seed": seed, "gain": gain}
                print(truth, kind, seed, f"{gain:.4f}", flush=True)


def informed(kind: str, seed: int, count: int | None, recipe: Recipe) -> dict[str, Any]:
    """Information of the learned and of the true model about the same sequences held out.

    sort-seq: as MAVE-NN's data of the lac promoter, 50,000 sequences of 75 bases in ten bins, few
    reads of each. splicing: as its data of splice sites, 30,000 sequences with counts of all
    transcripts and of those with the exon; here of 40 bases.
    """
    if kind == "sort-seq":
        made = simulate(
            demo_motifs(width=30),
            sequence_count=count or 50_000,
            sequence_length=75,
            seed=seed,
            noise=0.25,
            measured_as="sort_bins",
            reads=3,
        )
        loss: Noise = SortBins()
    else:
        made = simulate(
            demo_motifs(width=30),
            sequence_count=count or 30_000,
            sequence_length=40,
            seed=seed,
            link="exponential",
            measured_as=NegativeBinomial((0.4,), exposure=True, dispersion=0.1),
            reads=60,
        )
        loss = NegativeBinomial((0.4,), exposure=True)
    began, cut = time.perf_counter(), len(made.sequence) * 9 // 10
    result = trained(made, loss, seed, recipe, slice(cut))
    model, losses = result.model, [each.validation_loss for each in result.fit.history]
    seconds = time.perf_counter() - began
    truth = Model(made.spec, made.parameters, made.motif_names, noise=made.noise)
    judged = {}
    for name, each in (("learned", model), ("true", truth)):
        assert each.noise is not None
        predicted = each.predict(made.sequence[cut:]).expression
        judged[name] = judge_noise(each.noise, predicted, made.expression[cut:])
    return {
        "kind": kind,
        "seed": seed,
        "seconds": seconds,
        "validation_loss": min(each for each in losses if each is not None),
        **{
            f"{name}_{which}": getattr(metrics, which).nats
            for name, metrics in judged.items()
            for which in ("variational", "predictive")
        },
        "standard_error": judged["true"].variational.standard_error,
    }


def show_information(results: list[dict[str, Any]]) -> None:
    """Bits of the learned by those of the true model."""
    rows = [
        (
            *(each["kind"], str(each["seed"]), f"{each['seconds']:.0f}"),
            f"{each['validation_loss']:.5f}",
            *(
                f"{each[name] / np.log(2):.4f}"
                for name in ("true_variational", "learned_variational", "standard_error")
            ),
            f"{each['learned_variational'] / each['true_variational']:.4f}",
            f"{each['learned_predictive'] / each['true_predictive']:.4f}",
        )
        for each in results
    ]
    heads = (
        "data",
        "seed",
        "seconds",
        "validation loss",
        "true bits",
        "learned bits",
        "error",
        "learned / true",
    )
    print_table("Information about sequences held out", (*heads, "predictive"), rows)


def draw(path: Path) -> None:
    """Densities of continuous noise, probabilities of counts, and shares of bins."""
    figure, axes = subplots(1, 3, 11.0, 3.5)
    left, middle, right = axes[0]
    distance = np.linspace(-6, 6, 601)
    scale = {"student_t": {"scale": 1.0, "degrees": 2.0}, "huber": {"scale": 1.0}}
    for kind, name in (("gaussian", "normal"), ("huber", "Huber"), ("student_t", "Student's t, 2")):
        noise = named_noise(kind, **scale.get(kind, {"deviation": 1.0}))
        logs = noise.log_likelihood(np.zeros(601, "f4"), distance.astype("f4")).numpy()
        left.semilogy(distance, np.exp(logs), label=name)
    left.set(xlabel="distance from the prediction, in scales", ylabel="density", ylim=(1e-6, 1))
    left.set_title("Outliers are likely where tails are heavy")
    left.legend()
    counts = np.arange(0, 61)
    for kind, name in (("poisson", "Poisson"), ("negative_binomial", "negative binomial, 0.3")):
        more = {"dispersion": 0.3} if kind == "negative_binomial" else {}
        noise = named_noise(kind, library_size=(1.0,), **more)
        logs = noise.log_likelihood(np.full(61, 20, "f4"), counts.astype("f4")).numpy()
        middle.plot(counts, np.exp(logs), drawstyle="steps-mid", label=name)
    middle.set(xlabel="count, where 20 are expected", ylabel="probability", ylim=(0, None))
    middle.set_title("Reads scatter more than by chance")
    middle.legend()
    bins = SortBins(borders=(0.5, 1.5, 2.5), scale=0.3)
    predicted = np.linspace(-1, 4, 301)
    for number, share in enumerate(np.exp(bins.log_shares(predicted)).T):
        right.plot(predicted, share, label=f"bin {number}")
    right.set(xlabel="prediction, in bins", ylabel="share of the reads", ylim=(0, 1.02))
    right.set_title("The bins of sorted cells")
    right.legend()
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
