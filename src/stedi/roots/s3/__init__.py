"""A lakehouse folder below a prefix of an S3 bucket."""
