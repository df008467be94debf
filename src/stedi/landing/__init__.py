"""Raw files to typed records: each record is loaded, or quarantined with file, place and reason."""
