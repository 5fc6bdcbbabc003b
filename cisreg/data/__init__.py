"""Tables of measured sequences: reading, encoding, splitting and shuffling."""

from cisreg.data.dataset import Dataset, split
from cisreg.data.files import DatasetFiles
from cisreg.data.opening import open_dataset
from cisreg.data.order import epoch_order
from cisreg.data.reading import read_dataset
from cisreg.data.rows import Columns
from cisreg.data.table import Table, read_table

__all__ = [
    "Columns",
    "Dataset",
    "DatasetFiles",
    "Table",
    "epoch_order",
    "open_dataset",
    "read_dataset",
    "read_table",
    "split",
]
