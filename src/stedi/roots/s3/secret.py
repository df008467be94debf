"""A secret in AWS Secrets Manager, by its ARN."""

from __future__ import annotations

from functools import lru_cache

from stedi.errors import Unavailable, UsageError
from stedi.extras import to_install
from stedi.roots.s3.errors import as_ours


@lru_cache(maxsize=4)
def stored(arn: str) -> str:
    """The text of a secret; raises `UsageError`, `Unavailable`."""
    try:
        import boto3
    except ImportError:
        raise Unavailable(f"boto3 isn't installed; run: {to_install('aws')}") from None
    if ":secretsmanager:" not in arn:
        raise UsageError(f"STEDI_SECRET {arn}: not the ARN of a secret in AWS Secrets Manager")
    try:
        client = boto3.client("secretsmanager", region_name=arn.split(":")[3])
        return str(client.get_secret_value(SecretId=arn)["SecretString"])
    except KeyError:
        raise Unavailable(f"{arn} has no text: store the secret as one") from None
    except Exception as error:
        raise as_ours(error, "secretsmanager", arn) from None
