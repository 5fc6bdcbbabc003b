"""Readers of tables, Parquet, FASTA and one-hot text: from bytes to rows that can be used."""
