"""What the scripts share: the machine, tables, fresh processes, problems and rivals."""
