"""Tables of measured sequences: reading, encoding, splitting and shuffling."""

from cisreg.data.conversion.convert import convert
from cisreg.data.dataset import Dataset, join
from cisreg.data.feeding.order import epoch_order
from cisreg.data.files import DatasetFiles
from cisreg.data.formats.rows import Columns
from cisreg.data.opening import open_dataset, read_dataset
from cisreg.data.splitting import HoldOut, split

__all__ = [
    "Columns",
    "Dataset",
    "DatasetFiles",
    "HoldOut",
    "convert",
    "epoch_order",
    "join",
    "open_dataset",
    "read_dataset",
    "split",
]


def __dir__() -> list[str]:
    return __all__
