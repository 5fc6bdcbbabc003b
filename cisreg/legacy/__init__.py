"""Files and command lines of CisRegModels (de Boer et al. 2020)."""

from cisreg.legacy.model import LegacyParameters, export_model, import_model, read_parameters

__all__ = ["LegacyParameters", "export_model", "import_model", "read_parameters"]


def __dir__() -> list[str]:
    return __all__
