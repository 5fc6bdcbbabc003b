"""How good a model is: comparison with known parameters, and plots."""

from cisreg.report.dataset_plot import plot_dataset
from cisreg.report.designs import plot_designs
from cisreg.report.experiments import plot_marginalization, plot_spacing
from cisreg.report.factors import plot_doses, plot_factors, plot_sequence
from cisreg.report.logo import plot_logos
from cisreg.report.mutations import plot_dependency, plot_mutations
from cisreg.report.plot import check_plot, plot_evaluation
from cisreg.report.profiles import plot_profile
from cisreg.report.recovery import ParameterComparison, compare_parameters
from cisreg.report.variant_plot import plot_variant

__all__ = [
    "ParameterComparison",
    "check_plot",
    "compare_parameters",
    "plot_dataset",
    "plot_dependency",
    "plot_designs",
    "plot_doses",
    "plot_evaluation",
    "plot_factors",
    "plot_logos",
    "plot_marginalization",
    "plot_mutations",
    "plot_profile",
    "plot_sequence",
    "plot_spacing",
    "plot_variant",
]


def __dir__() -> list[str]:
    return __all__
