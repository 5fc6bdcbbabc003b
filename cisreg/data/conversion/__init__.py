"""`cisreg convert`: writes any dataset as Parquet files; shuffles, sorts or keeps its rows."""
