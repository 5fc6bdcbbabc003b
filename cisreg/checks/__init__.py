"""What is odd about a data set, before anyone trains on it."""

from cisreg.checks.dataset_check import DatasetCheck, check_dataset
from cisreg.checks.findings import Finding

__all__ = ["DatasetCheck", "Finding", "check_dataset"]


def __dir__() -> list[str]:
    return __all__
