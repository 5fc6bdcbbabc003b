"""How good a model is: comparison with known parameters, plots, and the report of a run."""

from cisreg.report.dataset_plot import plot_dataset
from cisreg.report.designs import plot_designs
from cisreg.report.differences import plot_differences
from cisreg.report.effects import plot_effects, plot_pairs, plot_positions
from cisreg.report.experiments import plot_marginalization, plot_spacing
from cisreg.report.factors import plot_doses, plot_factors, plot_sequence
from cisreg.report.history import plot_training
from cisreg.report.logo import plot_logos
from cisreg.report.mutations import plot_dependency, plot_mutations
from cisreg.report.page import Report, write_report
from cisreg.report.pair_curves import plot_pair_curves, plot_pair_screen
from cisreg.report.plot import check_plot, plot_evaluation
from cisreg.report.profiles import plot_profile
from cisreg.report.recovery import ParameterComparison, compare_parameters
from cisreg.report.residuals import plot_residuals
from cisreg.report.variant_plot import plot_variant

__all__ = [
    "ParameterComparison",
    "Report",
    "check_plot",
    "compare_parameters",
    "plot_dataset",
    "plot_dependency",
    "plot_designs",
    "plot_differences",
    "plot_doses",
    "plot_effects",
    "plot_evaluation",
    "plot_factors",
    "plot_logos",
    "plot_marginalization",
    "plot_mutations",
    "plot_pair_curves",
    "plot_pair_screen",
    "plot_pairs",
    "plot_positions",
    "plot_profile",
    "plot_residuals",
    "plot_sequence",
    "plot_spacing",
    "plot_training",
    "plot_variant",
    "write_report",
]


def __dir__() -> list[str]:
    return __all__
