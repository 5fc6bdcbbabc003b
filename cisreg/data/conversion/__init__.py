"""`cisreg convert`: any dataset to Parquet files, its rows shuffled, sorted or kept in order."""
