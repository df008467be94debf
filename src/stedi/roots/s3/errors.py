"""What boto3 raises, as errors of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stedi.errors import StediError, Unavailable
from stedi.roots.faces import NotAllowed

__all__ = ["ARN", "NotAllowed", "as_ours", "is_passing", "not_allowed"]

ARN = "arn:aws:s3:::"
_NOT_FOUND = ("404", "NoSuchKey", "NotFound", "NoSuchUpload", "NoSuchVersion")
_ACTIONS: Mapping[str, str] = {
    "HeadObject": "GetObject",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "DeleteObjects": "DeleteObject",
    "UploadPart": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}
_DENIED = ("403", "AccessDenied", "AccessDeniedException", "Forbidden")
_OPERATION = re.compile(r"\((\w+)\) when calling the (\w+) operation")
_RESOURCE = re.compile(r"perform: (\S+) on resource: (\S+)")
_REASONS: Mapping[str, str] = {
    "NoSuchBucket": "there is no such bucket",
    "PreconditionFailed": "it changed while it was read; run again",
    "NoCredentialsError": "no AWS credentials were found; set them as for the AWS CLI",
    "NoRegionError": "no AWS region is set; set AWS_REGION, or the profile's",
}


def is_passing(error: Exception) -> bool:
    """Whether it may go well the next time: it was throttled, cut, or the server's fault."""
    from botocore.exceptions import (
        ClientError,
        ConnectionClosedError,
        HTTPClientError,
        IncompleteReadError,
        ResponseStreamingError,
    )

    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return int(status) >= 500 or int(status) in (408, 429)
    disconnected = (ConnectionError, HTTPClientError, ConnectionClosedError, IncompleteReadError)
    return isinstance(error, (*disconnected, ResponseStreamingError)) or _is_transfer_failure(error)


def _is_transfer_failure(error: Exception) -> bool:
    import boto3.exceptions
    from s3transfer.exceptions import RetriesExceededError

    if isinstance(error, RetriesExceededError | boto3.exceptions.RetriesExceededError):
        return True
    return isinstance(error, boto3.exceptions.S3UploadFailedError) and not any(
        code in str(error) for code in ("AccessDenied", "NoSuchBucket", "InvalidAccessKeyId")
    )


def as_ours(error: Exception, service: str, where: str) -> StediError | FileNotFoundError:
    """What boto3 raised as one of our errors, which names action and resource, not its own text.

    `where` is a bucket, and a key behind it, or how another service's resource is called.
    """
    is_s3 = service == "s3"
    name = f"s3://{where}" if is_s3 else where
    match = _OPERATION.search(str(error))
    code, operation = (str(match[1]), str(match[2])) if match else ("", "")
    if code in _NOT_FOUND:
        return FileNotFoundError(2, "not there", name)
    if code in _DENIED:
        if named := _RESOURCE.search(str(error)):
            return not_allowed(named[1], named[2])
        action = f"{service}:{_ACTIONS.get(operation, operation)}"
        return not_allowed(action, f"{ARN}{where}" if is_s3 else name)
    if reason := _REASONS.get(code or type(error).__name__):
        return Unavailable(f"{name}: {reason}")
    cause = code or f"no connection ({type(error).__name__})"
    return Unavailable(f"{name}: {cause}; try again, a run does then what is missing")


def not_allowed(action: str, resource: str) -> NotAllowed:
    """The error where a right is missing."""
    return NotAllowed(f"not allowed to {action} on {resource}; ask the administrator of the bucket")
