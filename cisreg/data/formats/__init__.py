"""Readers of tables, Parquet, FASTA and one-hot text: from bytes to usable rows."""
