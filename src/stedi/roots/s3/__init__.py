"""A lakehouse in a bucket of Amazon S3, its tables in AWS Glue's Data Catalog."""

from __future__ import annotations

from functools import partial

from stedi.roots.faces import Root
from stedi.roots.s3.catalog import S3Catalog
from stedi.roots.s3.files import S3Files
from stedi.roots.s3.lock import S3Lock


def open_root(uri: str, database: str) -> Root:
    """A lakehouse at a URI, its tables in Glue's catalog; raises `UsageError`, `Unavailable`."""
    files = S3Files.at(uri)
    return Root(files, S3Catalog(files, database), partial(S3Lock, files))
