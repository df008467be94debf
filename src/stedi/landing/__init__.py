"""Raw files to typed records: each record is loaded, or set aside with file, place and reason."""
