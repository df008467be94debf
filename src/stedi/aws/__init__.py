"""S3, Glue and Athena: what the lakehouse is to them."""
