"""Files of sequences; what reads them is being written."""


class DatasetFiles:
    """Files of sequences."""
