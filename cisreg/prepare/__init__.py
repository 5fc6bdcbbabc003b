"""From sequencing reads to a table of sequences and their expression."""
