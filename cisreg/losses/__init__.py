"""The objective of training: losses of the prediction, noise models, penalties.

A loss is a function of (predicted, measured[, weight]), or a noise model: an object with numbers of
its own that are trained as well, whose loss is a likelihood in nats.
"""

from cisreg.losses.arguments import is_sum, takes_missing, unit_exponent
from cisreg.losses.bins import SortBins
from cisreg.losses.continuous import Gaussian, Heteroscedastic, Huber, StudentT
from cisreg.losses.counts import NegativeBinomial, Poisson
from cisreg.losses.named import named_noise
from cisreg.losses.noise import Noise
from cisreg.losses.penalties import Penalty, penalty
from cisreg.losses.squared import mean_squared_error
from cisreg.losses.table import negative_log_likelihood, read_mean_standard_deviation

__all__ = [
    "Gaussian",
    "Heteroscedastic",
    "Huber",
    "NegativeBinomial",
    "Noise",
    "Penalty",
    "Poisson",
    "SortBins",
    "StudentT",
    "is_sum",
    "mean_squared_error",
    "named_noise",
    "negative_log_likelihood",
    "penalty",
    "read_mean_standard_deviation",
    "takes_missing",
    "unit_exponent",
]


def __dir__() -> list[str]:
    return __all__
