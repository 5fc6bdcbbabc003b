"""Are pairs of factors that act together found, with their curves, and none where there are none?

    python -m benchmarks.training.pairs --part recovery
    python -m benchmarks.training.pairs --part classes
    python -m benchmarks.training.pairs --part none
    python -m benchmarks.training.pairs --part promoters --data ../shared/data/gpra_example
    python -m benchmarks.training.pairs --part speed
    python -m benchmarks.training.pairs --part figure --figures docs/images
    python -m benchmarks.training.pairs --part distance --figures docs/images

recovery: promoters are simulated with three pairs of known curves. A model without pairs is
trained, the screen proposes pairs, and those that make rows held out more likely are accepted; a
model that is given the true pairs says how well curves are learned: r, and heights and slopes, of
learned by true numbers. Data do not determine an effect of two sites alone, only its
product with their occupancies and accessibility: heights are of curves times those of the strongest
sites of each model on a mean promoter, slopes of what each pair does to promoters held out.
classes: is the true model told from one without pairs, and from one with wrong ones, by the
likelihood of rows held out? none: how many pairs are proposed and accepted where there are none?
promoters: the same screen and acceptance on measured promoters; a tenth of the rows decides, and
the best 5 pairs are tried where none is proposed.
speed: a step with pairs by one without. figure: pair_curves.png, true and learned curves.
distance: pair_distance.png, what orientation and distance mean.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared.suite import machine, print_table, subplots, write_json
from cisreg import Dataset, ModelSpec, read_dataset, read_motifs, simulate, train
from cisreg.interpret import screen_pairs
from cisreg.interpret.factors import strongest_site_occupancy
from cisreg.interpret.read_out import paired_effects, read_out, scan_model
from cisreg.metrics import pearson_correlation
from cisreg.motifs import MotifSet, read_log_concentration
from cisreg.pairs import pair_curves, pair_names
from cisreg.recipes import accept_pairs, read_recipe
from cisreg.recipes.cooperativity import row_log_likelihood
from cisreg.simulate import Simulation
from cisreg.trained_model import Model

PAIRS, MOTIFS, OWN_COLUMNS, WIDTH, LENGTH = 3, 16, 9, 12, 80
PARTS = ("recovery", "classes", "none", "promoters", "speed", "figure", "distance")
# Rows of the measured promoters that decide.
HELD_OUT = 0.1
# Epochs of the trainings with and without candidates.
ACCEPTING = 10
# Pairs that are tried where the screen proposes none.
TRIED = 5


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=PARTS, required=True)
    parser.add_argument("--data", type=Path, help="folder of measured promoters")
    parser.add_argument("--figures", type=Path, default=Path(), help="folder for the figure")
    parser.add_argument("--seeds", type=int, help="default: 5, classes and none 10, promoters 3")
    parser.add_argument("--first", type=int, default=0, help="the first seed (%(default)s)")
    parser.add_argument("--recipe", default="quick", help="of simulations (%(default)s)")
    parser.add_argument("--sequences", type=int, default=6_000, help="simulated (%(default)s)")
    parser.add_argument("--epochs", type=int, help="most of a stage")
    parser.add_argument("--pair-l1", type=float, help="of promoters; default: of the recipe")
    parser.add_argument("--json", type=Path, help="file for the measurements")
    options = parser.parse_args()
    usual = {"classes": 10, "none": 10, "promoters": 3}.get(options.part, 5)
    seeds = range(options.first, options.first + (options.seeds or usual))
    if options.part == "figure":
        draw(options.figures / "pair_curves.png", options.sequences, options.epochs)
        return
    if options.part == "distance":
        draw_distance(options.figures / "pair_distance.png")
        return
    results = []
    for row in measured(options.part, seeds, options):
        print(row, flush=True)
        results.append(row)
    show(options.part, results)
    write_json(options.json, machine(), results)


def measured(part: str, seeds: range, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The rows of one part."""
    if part == "speed":
        yield from speed()
    elif part == "promoters":
        if options.data is None:
            raise SystemExit("--data: expected the folder of measured promoters, got none")
        for seed in seeds:
            yield of_promoters(options.data, seed, options.epochs, options.pair_l1)
    else:
        each = {"recovery": recovered, "classes": told_apart, "none": of_none}[part]
        pairs = 0 if part == "none" else PAIRS
        for seed in seeds:
            split = Split(seed, options.sequences, pairs, options.recipe)
            yield {"seed": seed, **each(split, options.epochs)}


def motifs(seed: int = 7) -> MotifSet:
    """Motifs that read one strand only, so that each orientation is a curve of its own."""
    random = np.random.default_rng(seed)
    matrices = []
    for _ in range(MOTIFS):
        matrix = 1.5 + random.exponential(1.5, (OWN_COLUMNS, 4))
        matrix[np.arange(OWN_COLUMNS), random.integers(0, 4, OWN_COLUMNS)] = 0
        matrices.append(matrix)
    return MotifSet.from_matrices([f"F{each + 1}" for each in range(MOTIFS)], matrices, width=WIDTH)


class Split:
    """Simulated promoters, a fifth of them held out."""

    def __init__(self, seed: int, count: int, pairs: int = PAIRS, recipe: str = "quick") -> None:
        self.seed, self.recipe = seed, recipe
        self.made: Simulation = simulate(
            motifs(),
            sequence_count=count,
            sequence_length=LENGTH,
            seed=seed,
            pairs=pairs,
            noise=0.25,
        )
        cut = count * 4 // 5
        self.training, self.held_out = (
            Dataset(self.made.sequence[rows], self.made.expression[rows])
            for rows in (slice(cut), slice(cut, None))
        )
        self.truth = Model(self.made.spec, self.made.parameters, self.made.motif_names)
        self.noiseless = self.made.noiseless_expression[cut:]
        self.pairs = pair_names(self.made.spec, self.made.motif_names)

    def trained(self, pairs: Sequence[Sequence[str]], epochs: int | None) -> Model:
        """A model with these pairs."""
        layers = {"pairs": list(map(list, pairs))}
        recipe = read_recipe(self.recipe).override(model=layers, epochs=epochs, motif_width=WIDTH)
        return train(self.training, motifs(), recipe, seed=self.seed, progress=False).model

    def judged(
        self, model: Model, pairs: Sequence[tuple[str, str]], epochs: int | None
    ) -> tuple[tuple[str, str], ...]:
        """Those of these pairs that are accepted."""
        how: dict[str, Any] = {"epochs": epochs or ACCEPTING, "seed": self.seed}
        data = self.training, self.held_out
        return accept_pairs(model, *data, pairs, recipe=self.recipe, **how).accepted

    def likelihood(self, model: Model) -> np.ndarray:
        """Of each row that is held out, nats; the noise is the true one."""
        deviation = float((self.made.expression - self.made.noiseless_expression).std())
        return row_log_likelihood(model, self.held_out, deviation)


def recovered(split: Split, epochs: int | None) -> dict[str, Any]:
    """Curves with the true pairs; and what is proposed and accepted without knowing them."""
    plain, paired = (split.trained(pairs, epochs) for pairs in ([], split.pairs))
    rs = [
        pearson_correlation(each.predict(split.held_out.sequence).expression, split.noiseless)
        for each in (plain, paired)
    ]
    curves = [_curves(each, split) for each in (split.truth, paired)]
    acting = [_acting(each, split) for each in (split.truth, paired)]
    screen = screen_pairs(plain, split.training)
    candidates = screen.candidates(0.1)
    accepted = split.judged(plain, candidates, epochs) if candidates else ()
    known = set(map(frozenset, split.pairs))
    return {
        "r_without": rs[0],
        "r": rs[1],
        "curves": _each(pearson_correlation, curves),
        "heights": _each(lambda true, learned: (true @ learned) / (true @ true), curves),
        "effects": _each(pearson_correlation, acting),
        "slopes": _each(
            lambda true, learned: np.cov(true, learned)[0, 1] / true.var(ddof=1), acting
        ),
        "spread": screen.spread,
        "proposed": sum(frozenset(each) in known for each in candidates),
        "wrongly_proposed": sum(frozenset(each) not in known for each in candidates),
        "accepted": sum(frozenset(each) in known for each in accepted),
        "wrongly_accepted": sum(frozenset(each) not in known for each in accepted),
    }


def _each(compare: Any, both: Sequence[np.ndarray]) -> list[float]:
    """A number for each pair, of true [Q, any] and learned ones."""
    return [float(compare(*each)) for each in zip(*both, strict=True)]


def _curves(model: Model, split: Split) -> np.ndarray:
    """What two strongest sites do on a mean promoter by orientation and distance, [Q, 2 * D]."""
    _, curves = pair_curves(model.spec, model.parameters["pair_effect"])
    occupancy = strongest_site_occupancy(model)[np.array(model.spec.pairs)].prod(axis=1)
    accessibility = read_out(model, scan_model(model, split.held_out.sequence)).accessibility.mean()
    return (curves * accessibility * occupancy[:, np.newaxis, np.newaxis]).reshape(len(curves), -1)


def _acting(model: Model, split: Split) -> np.ndarray:
    """What each pair does to each sequence held out, [Q, N]."""
    scan = scan_model(model, split.held_out.sequence)
    effect = paired_effects(model.spec, model.parameters, scan).sum(axis=(1, 2))
    return (read_out(model, scan).accessibility[:, np.newaxis] * effect).T


def told_apart(split: Split, epochs: int | None) -> dict[str, Any]:
    """The gain in likelihood of the true pairs over none, and over wrong ones."""
    # The same factors, each with the partner of another one.
    firsts, seconds = zip(*split.pairs, strict=True)
    wrong = list(zip(firsts, np.roll(seconds, 1).tolist(), strict=True))
    none, true, mistaken = (
        split.likelihood(split.trained(pairs, epochs)) for pairs in ([], split.pairs, wrong)
    )
    found: dict[str, Any] = {}
    for name, other in (("none", none), ("wrong", mistaken)):
        gain = true - other
        found[name] = float(gain.mean())
        found[f"{name}_error"] = float(gain.std() / np.sqrt(len(gain)))
    return found


def of_none(split: Split, epochs: int | None) -> dict[str, Any]:
    """What is proposed and accepted where no pair acts; the best 5 are tried in any case."""
    plain = split.trained([], epochs)
    screen = screen_pairs(plain, split.training)
    tried = list(screen.factors[:TRIED])
    return {
        "proposed": len(screen.candidates(0.1)),
        "least_q": float(screen.q_value.min()),
        "tried": len(tried),
        "accepted": len(split.judged(plain, tried, epochs)),
    }


def of_promoters(
    folder: Path, seed: int, epochs: int | None, pair_l1: float | None
) -> dict[str, Any]:
    """The screen and the acceptance on measured promoters, with the default recipe."""
    found = read_motifs(folder / "motif_list.txt")
    concentration = read_log_concentration(folder / "log_concentration.tsv", found.names)
    data = read_dataset(folder / "train.tsv.gz")
    order = np.random.default_rng(seed).permutation(len(data))
    cut = int(len(data) * (1 - HELD_OUT))
    training, held_out = (
        Dataset(data.sequence[rows], data.expression[rows])
        for rows in (np.sort(order[:cut]), np.sort(order[cut:]))
    )
    began = time.perf_counter()
    recipe = read_recipe("default").override(epochs=epochs)
    if pair_l1 is not None:
        recipe = replace(recipe, penalty=replace(recipe.penalty, pair_l1=pair_l1))
    plain = train(
        *(training, found, recipe),
        log_concentration=concentration,
        seed=seed,
        progress=False,
    ).model
    screen = screen_pairs(plain, training)
    candidates = screen.candidates(0.1)
    row = {
        "seed": seed,
        "r_without": _r(plain, held_out),
        "tested": screen.tested,
        "spread": screen.spread,
        "candidates": [":".join(each) for each in candidates],
    }
    tried = candidates or list(screen.factors[:TRIED])
    judged = accept_pairs(
        *(plain, training, held_out, tried),
        recipe=recipe.override(epochs=epochs or ACCEPTING),
        seed=seed,
    )
    return row | {
        "tried": [":".join(each) for each in tried],
        "accepted": [":".join(each) for each in judged.accepted],
        "gains": [each.mean for each in judged.gains],
        "errors": [each.standard_error for each in judged.gains],
        "gain": None if judged.gain is None else judged.gain.mean,
        "gain_error": None if judged.gain is None else judged.gain.standard_error,
        "r_further_without": _r(judged.without, held_out),
        "r_with": _r(judged.model, held_out),
        "seconds": time.perf_counter() - began,
    }


def _r(model: Model, data: Dataset) -> float:
    return float(pearson_correlation(model.predict(data.sequence).expression, data.mean_expression))


def speed() -> Iterator[dict[str, Any]]:
    """Steps of 245 motifs, 1,024 sequences of 110 bases, alternately in one process."""
    steps = {count: _step(count) for count in (0, 5, 20)}
    seconds: dict[int, list[float]] = {count: [] for count in steps}
    for _ in range(40):
        for count, step in steps.items():
            began = time.perf_counter()
            step()
            seconds[count].append(time.perf_counter() - began)
    for count, each in seconds.items():
        ratio = float(np.median(each) / np.median(seconds[0]))
        yield {"pairs": count, "ms": 1e3 * float(np.median(each)), "ratio": ratio}


def _step(pairs: int) -> Any:
    """One loss with its gradient by all parameters."""
    import tensorflow as tf

    from cisreg.model import init_parameters, predict
    from cisreg.products import for_this_machine

    random, count = np.random.default_rng(0), 245
    own = random.integers(7, 16, count)
    first = (30 - own) // 2
    log_kd = np.zeros((30, 4, count), np.float32)
    for motif in range(count):
        rows = slice(first[motif], first[motif] + own[motif])
        log_kd[rows, :, motif] = random.exponential(1.5, (own[motif], 4))
    chosen = random.permutation(count)[: 2 * pairs].reshape(-1, 2).tolist()
    spec = ModelSpec(
        *(count, 30, 110),
        positional=True,
        position_knots=20,
        stranded=True,
        pairs=tuple((a, b) for a, b in chosen),
    )
    start = init_parameters(spec, log_kd, log_kd.min(axis=1).sum(axis=0))
    variables = {name: tf.Variable(value) for name, value in start.items()}
    sequence = random.integers(0, 4, (1024, 110)).astype(np.uint8)
    columns = np.stack([first, first + own]).astype(np.int32)

    @tf.function(autograph=False)
    def step() -> Any:
        with for_this_machine():
            with tf.GradientTape() as tape:
                predicted = predict(spec, variables, sequence, column_range=columns).expression
                loss = tf.reduce_mean(predicted**2)
            return tape.gradient(loss, list(variables.values()), unconnected_gradients="zero")

    step()
    return step


def show(part: str, results: list[dict[str, Any]]) -> None:
    """The rows as a table."""
    if part == "recovery":
        for name, what in (
            ("curves", "r of curves"),
            ("heights", "heights of curves"),
            ("effects", "r of effects"),
            ("slopes", "slopes of effects"),
        ):
            values = np.array([each[name] for each in results])
            least, most = values.min(), values.max()
            print(f"{what}: mean {values.mean():.3f}, least {least:.3f}, most {most:.3f}")
    if part == "classes":
        for name in ("none", "wrong"):
            gains = np.array([each[name] for each in results])
            print(f"true against {name}: {(gains > 0).sum()} of {len(gains)}, {gains.mean():.4f}")
    columns = list(results[0])
    rows = [[_text(each.get(name)) for name in columns] for each in results]
    print_table(part, columns, rows)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_text, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def draw(path: Path, count: int, epochs: int | None) -> None:
    """True and learned curves of one simulation."""
    split = Split(1, count)
    paired = split.trained(split.pairs, epochs)
    reach = split.made.spec.pair_distance
    distance = np.arange(-reach, reach + 1)
    true, learned = (_curves(each, split).reshape(PAIRS, 2, -1) for each in (split.truth, paired))
    figure, axes = subplots(1, PAIRS, 11.0, 3.4)
    for axis, names, one, two in zip(axes[0], split.pairs, true, learned, strict=True):
        for orientation, color in ((0, "#0072b2"), (1, "#d55e00")):
            label = ("same strand", "opposite strands")[orientation]
            axis.plot(distance, two[orientation], color=color, label=label)
            axis.plot(distance, one[orientation], color=color, linestyle=":", linewidth=2)
        axis.axvspan(-OWN_COLUMNS, OWN_COLUMNS, color="0.85", linewidth=0)
        axis.set(title=f"{names[0]} and {names[1]}", xlabel="bases from centre to centre")
    axes[0][0].set_ylabel("effect of two strongest sites")
    axes[0][0].plot([], [], color="0.4", linestyle=":", label="true")
    axes[0][0].legend(fontsize=8)
    figure.savefig(path, dpi=130)


def draw_distance(path: Path) -> None:
    """Two sites in four arrangements, with their orientation and distance."""
    figure, axes = subplots(1, 1, 8.0, 3.0)
    axis = axes[0][0]
    for row, (first, second, text) in enumerate(
        [
            ((10, 1), (30, 1), "same strand, distance +20: b is downstream of a"),
            ((30, 1), (10, 1), "same strand, distance -20: b is upstream of a"),
            (
                (30, -1),
                (10, -1),
                "same strand, distance +20: the first line, read on the other strand",
            ),
            ((10, 1), (30, -1), "opposite strands, distance +20: facing each other"),
            ((30, 1), (10, -1), "opposite strands, distance -20: back to back"),
        ]
    ):
        axis.plot([0, 40], [-row, -row], color="0.6", linewidth=1, zorder=0)
        for (centre, way), name, color in ((first, "a", "#0072b2"), (second, "b", "#d55e00")):
            axis.arrow(
                *(centre - 4.5 * way, -row, 9 * way, 0.0),
                width=0.32,
                head_width=0.5,
                head_length=2.0,
                length_includes_head=True,
                color=color,
            )
            axis.plot([centre, centre], [-row - 0.32, -row + 0.32], color="white", linewidth=1.2)
            axis.text(centre, -row + 0.3, name, ha="center", va="bottom", color=color)
        axis.text(43, -row, text, va="center", fontsize=8.5)
    axis.set(xlim=(-1, 95), ylim=(-4.8, 0.9))
    axis.axis("off")
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
