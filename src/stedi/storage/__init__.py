"""The only rooms that know Iceberg: the catalog, the tables, the lock, the sweep."""
