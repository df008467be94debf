"""Objects in a bucket, for Spark."""

from __future__ import annotations

import os
from typing import Any

from stedi.errors import Unavailable
from stedi.roots.s3 import encryption

_S3A = "org.apache.hadoop.fs.s3a.S3AFileSystem"


def read_objects(session: Any) -> None:
    """Let `s3://` URIs be read through Hadoop's S3A, as boto3 finds endpoint and credentials.

    On AWS Glue and EMR, Spark has a way of its own.
    """
    import boto3

    context = session.sparkContext
    _encrypt(session)
    try:
        context._jsc.hadoopConfiguration().getClassByName(_S3A)
    except Exception:
        if any(name in os.environ for name in ("GLUE_VERSION", "EMR_CLUSTER_ID")):
            return
        raise Unavailable(
            "Spark lacks Hadoop's S3A; give it the jars of org.apache.hadoop:hadoop-aws in the "
            "version of its own Hadoop, as with spark-submit --packages"
        ) from None
    client = boto3.client("s3")
    for key, value in {
        "fs.s3.impl": _S3A,
        "fs.s3a.endpoint": str(client.meta.endpoint_url),
        "fs.s3a.endpoint.region": str(client.meta.region_name),
        "fs.s3a.path.style.access": "true",
        "fs.s3a.aws.credentials.provider": (
            "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
        ),
    }.items():
        session.conf.set(key, value)


def _encrypt(session: Any) -> None:
    """Let what executors write have the key that all else is written with, if one is given."""
    if master := encryption.key():
        for key, value in {
            "fs.s3a.encryption.algorithm": "SSE-KMS",  # Hadoop's own S3A
            "fs.s3a.encryption.key": master,
            "fs.s3.enableServerSideEncryption": "true",  # Glue's and EMR's
            "fs.s3.serverSideEncryption.kms.keyId": master,
        }.items():
            session.conf.set(key, value)
