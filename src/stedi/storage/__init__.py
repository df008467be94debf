"""Iceberg tables: looked up, committed to, expired and swept; the catalogs are in `roots`."""
