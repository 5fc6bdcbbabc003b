r"""All substitutions of promoters: cisreg's kernels, batches of mutants, standard ops, tangermeme.

    python -m benchmarks.interpret.mutagenesis --data ../shared/data/gpra_example \
        --torch-python rivals/bin/python

The model has the layers of the default recipe (245 motifs in 30 columns, positional, stranded,
potentiation, constant ends as context) and random parameters. cisreg computes all promoters; the
others compute the first few and are scaled to all, since they take long. tangermeme's saturation
mutagenesis runs the same law in PyTorch, in an interpreter that has both, with and without its
recomputation of only what an edit can change. All effects are compared with cisreg's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared.problem import make_motifs
from benchmarks.shared.suite import (
    add_data_option,
    machine,
    make_parser,
    motif_source,
    number,
    parse,
    print_machine,
    print_table,
    write_json,
)

ROOT = Path(__file__).parents[2]
LENGTH, WIDTH, LEFT, RIGHT = 110, 30, 17, 13
MUTANTS = 3 * LENGTH


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = make_parser(__doc__, seconds=0.0, rounds=3)
    add_data_option(parser)
    parser.add_argument("--promoters", type=int, default=1000, help="(default %(default)s)")
    parser.add_argument("--batched", type=int, default=10, help="by batches (default %(default)s)")
    parser.add_argument("--standard", type=int, default=1, help="(default %(default)s)")
    parser.add_argument("--rival", type=int, default=1, help="tangermeme (default %(default)s)")
    parser.add_argument("--motifs", type=int, default=245, help="(default %(default)s)")
    parser.add_argument("--torch-python", type=Path, help="an interpreter with tangermeme")
    arguments = parse(parser)
    if arguments.quick:
        arguments.promoters, arguments.batched, arguments.motifs = 4, 1, 8
    return arguments


def make_model(source: str, count: int) -> Any:
    """A model with the layers of the default recipe and random parameters."""
    from cisreg.motifs import strongest_site_log_concentration
    from cisreg.spec import ModelSpec
    from cisreg.start import init_parameters
    from cisreg.trained_model import Model

    motifs = make_motifs(source, count, WIDTH)
    spec = ModelSpec(
        motif_count=count,
        motif_width=WIDTH,
        sequence_length=LENGTH,
        positional=True,
        position_knots=20,
        stranded=True,
        constant_left=LEFT,
        constant_right=RIGHT,
    )
    concentration = strongest_site_log_concentration(motifs)
    parameters = dict(init_parameters(spec, motifs.log_kd, concentration))
    random = np.random.default_rng(0)
    for name, value in parameters.items():
        if name not in ("log_kd", "log_concentration"):
            parameters[name] = (value + 0.3 * random.normal(size=value.shape)).astype(np.float32)
    return Model(spec, parameters, motifs.names, column_range=motifs.column_range())


def mutants_of(codes: np.ndarray) -> np.ndarray:
    """All substitutions of a promoter, with the base that is there in the place of itself."""
    mutants = np.broadcast_to(codes, (LENGTH, 4, LENGTH)).copy()
    place = np.arange(LENGTH)
    for base in range(4):
        mutants[place, base, place] = base
    return mutants


def predict_mutants(model: Any, codes: np.ndarray, implementation: str) -> np.ndarray:
    """Effects from a prediction of every mutant, a promoter at a time."""
    effects = []
    for each in codes:
        mutants = mutants_of(each)
        chosen = np.arange(4) != each[:, None]
        batch = np.concatenate([each[None], mutants[chosen]])
        options = {"batch_size": len(batch) if implementation == "fused" else 64}
        expression = model.predict(batch, implementation=implementation, **options).expression
        effect = np.zeros((LENGTH, 4))
        effect[chosen] = expression[1:].astype(np.float64) - expression[0]
        effects.append(effect)
    return np.stack(effects)


def numpy_mutants(model: Any, codes: np.ndarray) -> np.ndarray:
    """The same by `cisreg.numpy.occupancy` and the read-out in NumPy."""
    from cisreg.interpret import read_out, scan_model

    effects = []
    for each in codes:
        chosen = np.arange(4) != each[:, None]
        batch = np.concatenate([each[None], mutants_of(each)[chosen]])
        expression = read_out(model, scan_model(model, batch)).expression
        effect = np.zeros((LENGTH, 4))
        effect[chosen] = expression[1:] - expression[0]
        effects.append(effect)
    return np.stack(effects)


def measure(run: Callable[[np.ndarray], np.ndarray], codes: np.ndarray, rounds: int) -> Any:
    """(effects, the shortest time in seconds of a few rounds after one that is not counted)."""
    run(codes[:1])
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        effects = run(codes)
        seconds.append(time.perf_counter() - begin)
    return effects, min(seconds)


def torch_arrays(model: Any) -> dict[str, np.ndarray]:
    """The law of the model as arrays for `tangermeme_worker`."""
    from cisreg.interpret.read_out import position_weight, strand_activity

    parameters = model.parameters
    first, end = model.column_range
    start = np.arange(LENGTH)[:, None] - (WIDTH - 1) // 2
    counts = [
        (start + low < LENGTH - RIGHT) & (start + high > LEFT)
        for low, high in ((first, end), (WIDTH - end, WIDTH - first))
    ]
    forward = parameters["log_kd"].transpose(2, 1, 0)
    return {
        "kernel": np.concatenate([forward, forward[:, ::-1, ::-1]]),
        "log_concentration": np.tile(parameters["log_concentration"], 2),
        "counts": np.concatenate([each.T for each in counts]).astype(np.float32),
        "weight": np.concatenate(
            [each.T for each in position_weight(model.spec, parameters)]
        ).astype(np.float32),
        "activity": strand_activity(model.spec, parameters).reshape(-1),
        "potentiation": np.tile(parameters["potentiation"], 2),
        "potentiation_bias": parameters["potentiation_bias"],
        "bias": parameters["bias"],
    }


def run_tangermeme(
    python: Path, model: Any, codes: np.ndarray, threads: int, fast: bool
) -> tuple[np.ndarray, float]:
    """Runs tangermeme in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "law.npz"
        np.savez(path, codes=codes, **torch_arrays(model))
        script = ROOT / "benchmarks" / "shared" / "tangermeme_worker.py"
        words = [str(python), str(script), str(path), str(threads), str(int(fast))]
        found = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
    return np.array(found["effect"]), found["seconds"]


def main() -> None:
    """Measures, compares and prints."""
    arguments = parse_arguments()
    from cisreg.interpret.mutagenesis import mutagenesis

    facts = machine(arguments.clock)
    print_machine(facts)
    model = make_model(motif_source(arguments), arguments.motifs)
    random = np.random.default_rng(1)
    codes = random.integers(0, 4, (arguments.promoters, LENGTH), dtype=np.uint8)
    rounds = arguments.rounds

    def own(part: np.ndarray) -> np.ndarray:
        return mutagenesis(model, part, threads=arguments.threads).effect

    effects, seconds = measure(own, codes, rounds)
    measured = [("cisreg.interpret.mutagenesis", len(codes), effects, seconds)]
    batched, few = codes[: arguments.batched], codes[: arguments.standard]
    ways: dict[str, tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]] = {
        "every mutant, fused kernels in NumPy": (lambda part: numpy_mutants(model, part), batched),
        "every mutant, Model.predict, fused": (
            lambda part: predict_mutants(model, part, "fused"),
            batched,
        ),
        "every mutant, Model.predict, standard ops": (
            lambda part: predict_mutants(model, part, "standard"),
            few,
        ),
    }
    for name, (run, part) in ways.items():
        measured.append((name, len(part), *measure(run, part, 1 if part is few else rounds)))
    if arguments.torch_python is not None:
        part = codes[: arguments.rival]
        for fast in (False, True):
            found = run_tangermeme(arguments.torch_python, model, part, arguments.threads, fast)
            name = "tangermeme, PyTorch" + (", fast=True" if fast else ", fast=False")
            measured.append((name, len(part), *found))
    report(arguments, facts, measured)


def report(
    arguments: argparse.Namespace,
    facts: dict[str, Any],
    measured: list[tuple[str, int, Any, float]],
) -> None:
    """Prints the table and writes the measurements."""
    truth, all_promoters = measured[0][2], measured[0][1]
    own = measured[0][3] / all_promoters
    rows, lines = [], []
    for name, count, effects, seconds in measured:
        each = seconds / count
        difference = float(np.abs(effects - truth[:count]).max())
        rows.append(
            {
                "way": name,
                "promoters": count,
                "seconds_per_promoter": each,
                "times": each / own,
                "largest_difference": difference,
            }
        )
        times = f"{each / own:.1f}", f"{difference:.1g}"
        lines.append((name, f"{count:,}", number(1e3 * each), number(each * all_promoters), *times))
    columns = ("way", "promoters", "ms each", f"s for {all_promoters:,}", "times", "difference")
    print_table(f"All {MUTANTS} substitutions, M = {arguments.motifs}", columns, lines)
    write_json(arguments.json, facts, rows)


if __name__ == "__main__":
    sys.exit(main())
