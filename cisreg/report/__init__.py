"""What a model reached, for people: comparison with known parameters, and plots."""

from cisreg.report.plot import plot_evaluation
from cisreg.report.recovery import ParameterComparison, compare_parameters

__all__ = ["ParameterComparison", "compare_parameters", "plot_evaluation"]
