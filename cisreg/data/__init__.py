"""Tables of measured sequences: reading, encoding, splitting and shuffling."""

from cisreg.data.dataset import Dataset, epoch_order, read_dataset, split
from cisreg.data.table import Table, read_table

__all__ = ["Dataset", "Table", "epoch_order", "read_dataset", "read_table", "split"]
