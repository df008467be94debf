"""Which KMS key what is written gets: by default the bucket decides."""

from __future__ import annotations

import os

KMS_KEY = "STEDI_KMS_KEY"
"""The environment variable with a key of one's own."""


def key() -> str | None:
    """The key that is asked for; None where the bucket decides."""
    return os.environ.get(KMS_KEY) or None


def headers() -> dict[str, str]:
    """What a request that writes says of it."""
    master = key()
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": master} if master else {}
