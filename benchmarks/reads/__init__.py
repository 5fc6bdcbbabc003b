"""How fast do reads become a table, and is the table right?"""
