"""Which figures are in docs/explanation/law_figures.md and competition.md?

    python -m benchmarks.interpret.law_figures --figures docs/images

law_occupancy.png (occupancy of a site, and which sites bind a promoter), law_chromatin.png
(accessibility and expression against the number of sites), law_undetermined.png (how much worse
a model of a promoter library fits with another concentration and activity), law_competition.png
(sites that exclude each other). All numbers are computed by the package.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import cisreg
from benchmarks.shared.suite import subplots
from cisreg.interpret import read_out, scan_model
from cisreg.motifs import demo_motifs, site_occupancy, sites_within

COLOURS = ("#9ec3e6", "#3f7fbf", "#123c69")
# A motif of JASPAR with columns of all kinds: `pip install 'cisreg[motifs]'`.
MOTIF = "jaspar:MA0363.3"
LENGTH, ALL_SITES = 110, 100.0
# Log concentration minus log Kd of the strongest site: it is bound 5, 50 and 95 % of the time.
CONCENTRATIONS = (-3.0, 0.0, 3.0)
ROOM = 12  # bases from one planted site to the next
COVERED = 10  # bases that a site of the factor of two_sites covers
LEVELS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--figures", type=Path, required=True, help="folder for the figures")
    folder = parser.parse_args().figures
    draw_occupancy(folder / "law_occupancy.png")
    draw_chromatin(folder / "law_chromatin.png")
    draw_undetermined(folder / "law_undetermined.png")
    draw_competition(folder / "law_competition.png")


def random_promoters(count: int) -> np.ndarray:
    """Random sequences, uint8 [count, LENGTH]."""
    return np.random.default_rng(0).integers(0, 4, (count, LENGTH), dtype=np.uint8)


def draw_occupancy(path: Path) -> None:
    """Occupancy against log Kd, and the share of bound molecules on sites weaker than it."""
    motif = cisreg.read_motifs(MOTIF)
    matrix = motif.matrices()[0]
    strongest = float(motif.lowest_log_kd()[0])
    sites = sites_within(matrix, strongest + ALL_SITES)
    promoters = random_promoters(2000)
    figure, axes = subplots(1, 2, 9.2, 3.6)
    left, right = axes[0]
    for excess, colour in zip(CONCENTRATIONS, COLOURS, strict=True):
        name = f"{excess:+.0f}"
        occupancy = site_occupancy(sites.codes, matrix, strongest + excess)[:, 0, 0]
        left.plot(sites.log_kd - strongest, occupancy, color=colour, label=name)
        bound = site_occupancy(promoters, matrix, strongest + excess)
        weaker = np.log(1 / bound - 1) + excess
        order = np.argsort(weaker, axis=None)
        share = np.cumsum(bound.ravel()[order]) / bound.sum()
        right.plot(weaker.ravel()[order], share, color=colour, label=name)
    left.set(xlim=(0, 12), ylabel="share of the time that the site is bound")
    left.legend(title="log concentration, from the\nstrongest site's log Kd (nats)")
    right.set(xlim=(0, 12), ylim=(0, 1), ylabel="share of all bound molecules")
    left.set_title("One site")
    right.set_title(f"All sites of {len(promoters):,} random promoters, strongest first")
    for panel in (left, right):
        panel.set_xlabel("log Kd of the site, from that of the strongest (nats)")
    figure.savefig(path, dpi=130)


def draw_chromatin(path: Path) -> None:
    """Accessibility and expression against the number of sites of an opener and an activator."""
    figure, axes = subplots(1, 2, 9.2, 3.6)
    left, right = axes[0]
    count = np.arange(5)
    for bias, colour in zip((-4.0, -2.0, 0.0), COLOURS, strict=True):
        found = read_promoters(bias, openers=count, activators=np.zeros(5, np.int64))
        left.plot(count, found.accessibility, "o-", color=colour, label=f"{bias:+.0f}")
    for openers, colour in zip((0, 1, 3), COLOURS, strict=True):
        found = read_promoters(-4.0, openers=np.full(5, openers), activators=count)
        right.plot(count, found.expression, "o-", color=colour, label=str(openers))
    left.set(ylim=(0, 1), xlabel="sites of the opener", ylabel="accessibility")
    left.legend(title="potentiation bias")
    right.set(xlabel="sites of the activator", ylabel="expression")
    right.legend(title="sites of the opener")
    left.set_title("Opening saturates")
    right.set_title("Activators count where chromatin is open")
    for panel in (left, right):
        panel.set_xticks(count)
    figure.savefig(path, dpi=130)


def read_promoters(bias: float, *, openers: np.ndarray, activators: np.ndarray) -> Any:
    """What a model of two factors computes for one promoter with each pair of numbers of sites."""
    motifs = demo_motifs()[["Reb1", "Gcn4"]]
    promoters = np.repeat(random_promoters(1), len(openers), axis=0)
    for row, numbers in enumerate(zip(openers, activators, strict=True)):
        for factor, (number, site) in enumerate(zip(numbers, motifs.strongest_site(), strict=True)):
            for place in range(number):
                start = (2 * place + factor) * ROOM + 4
                promoters[row, start : start + len(site)] = cisreg.encode([site])[0]
    spec = cisreg.ModelSpec(2, motifs.width, LENGTH)
    parameters = {
        "log_kd": motifs.log_kd,
        "log_concentration": motifs.lowest_log_kd() + 3,
        "potentiation": [2.0, 0.0],
        "potentiation_bias": bias,
        "activity": [0.0, 2.0],
        "bias": 1.0,
    }
    values = {name: np.asarray(value, np.float32) for name, value in parameters.items()}
    model = cisreg.Model(spec, values, motifs.names)
    return read_out(model, scan_model(model, promoters))


def draw_undetermined(path: Path) -> None:
    """How much worse other concentrations and activities fit, where binding is weak and strong."""
    figure, axes = subplots(1, 2, 9.2, 3.9)
    change = np.linspace(-2.5, 2.5, 41)
    for panel, excess in zip(axes[0], (-4.0, 3.0), strict=True):
        error = misfit(excess, change)
        shown = panel.contourf(
            change, change, error.T, levels=(0, *LEVELS), cmap="Blues", extend="max"
        )
        panel.plot(0, 0, "o", color="white", markeredgecolor="black")
        occupancy = 1 / (1 + np.exp(-excess))
        panel.set_title(f"strongest site bound {occupancy:.0%} of the time")
        panel.set_xlabel("change of log concentration (nats)")
    axes[0, 0].set_ylabel("change of log activity (nats)")
    figure.colorbar(shown, ax=axes[0, 1], label="misfit, in standard deviations of expression")
    figure.savefig(path, dpi=130)


def misfit(excess: float, change: np.ndarray) -> np.ndarray:
    """Root mean square difference from the true model, its bias fitted anew.

    Args:
        excess: log concentration of the factor minus the log Kd of its strongest site.
        change: K changes of log concentration, and of log activity.

    Returns:
        float64 [K, K], relative to the standard deviation of the true expression.
    """
    motif = cisreg.read_motifs(MOTIF)
    promoters = random_promoters(2000)
    site = cisreg.encode(motif.strongest_site())[0]
    promoters[::2, 50 : 50 + len(site)] = site
    log_concentration = motif.lowest_log_kd() + excess
    bound = [
        cisreg.numpy.occupancy(promoters, motif.log_kd, log_concentration + each).bound.sum(axis=1)
        for each in (0.0, *change)
    ]
    true, *others = (each[:, 0].astype(np.float64) for each in bound)
    difference = [
        [(np.exp(activity) * other - true).std() for activity in change] for other in others
    ]
    return np.array(difference) / true.std()


def draw_competition(path: Path) -> None:
    """Two sites against their distance, and bound molecules against concentration."""
    figure, axes = subplots(1, 2, 9.2, 3.6)
    left, right = axes[0]
    distance = np.arange(1, 2 * COVERED)
    added = np.linspace(-4.0, 6.0, 21)
    lines = zip((False, True), ("independent", "exclusive"), COLOURS[1:], strict=True)
    for exclusive, name, colour in lines:
        left.plot(distance, two_sites(distance, exclusive), ".-", color=colour, label=name)
        right.plot(added, bound_molecules(added, exclusive), color=colour, label=name)
    left.set(ylim=(0, 1), xlabel="distance of the two sites (bases)", ylabel="occupancy of each")
    right.set(xlabel="added to all log concentrations (nats)", ylabel="bound molecules")
    right.set_yscale("log")
    left.set_title(f"Two sites that cover {COVERED} bases each")
    right.set_title("A random promoter")
    for panel in (left, right):
        panel.legend(title="sites are")
    figure.savefig(path, dpi=130)


def two_sites(distance: np.ndarray, exclusive: bool) -> np.ndarray:
    """Occupancy of each of two sites of odds 3 at these distances, by a factor that reads an A."""
    log_kd = np.zeros((COVERED, 4, 1), np.float32)
    log_kd[0, 1:] = 30.0
    promoters = np.ones((len(distance), LENGTH), np.uint8)
    promoters[:, 20] = 0
    promoters[np.arange(len(distance)), 20 + distance] = 0
    concentration = np.log([3.0]).astype(np.float32)
    law = cisreg.exclusive_occupancy if exclusive else cisreg.occupancy
    return np.asarray(law(promoters, log_kd, concentration, padding="valid").bound)[:, 0, 0] / 2


def bound_molecules(added: np.ndarray, exclusive: bool) -> np.ndarray:
    """Molecules of all factors together on a random promoter, at these concentrations."""
    motifs = demo_motifs()
    law = cisreg.exclusive_occupancy if exclusive else cisreg.occupancy
    options = {"column_range": motifs.column_range()}
    promoters = random_promoters(100)
    sums = []
    for each in added:
        concentration = (motifs.lowest_log_kd() + each).astype(np.float32)
        bound = law(promoters, motifs.log_kd, concentration, **options).bound
        sums.append(np.asarray(bound).sum() / len(promoters))
    return np.array(sums)


if __name__ == "__main__":
    main()
