"""Uploads that replace nothing: S3 takes them on the condition that no object has that key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any as Answer
from typing import Protocol, TypeVar

from stedi.roots.s3 import encryption

PART = 1 << 26
"""Bytes of a part; what is not larger goes in one request."""
_AT_ONCE = 4
_TAKEN = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")
_Result = TypeVar("_Result")


class _Bucket(Protocol):
    @property
    def bucket(self) -> str: ...

    def request(self, operation: str, key: str, **arguments: Answer) -> Answer: ...

    def trying(self, action: Answer, key: str) -> Answer: ...


def upload_new(files: _Bucket, path: Path, key: str) -> None:
    """Upload a file to a key; raises `FileExistsError` where an object has it.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    size = path.stat().st_size

    def put() -> None:
        with path.open("rb") as body:
            files.request("put_object", key, Body=body, IfNoneMatch="*", **encryption.headers())

    _on_condition(files, key, put if size <= PART else lambda: _in_parts(files, path, key))


def _on_condition(files: _Bucket, key: str, action: Answer) -> None:
    from botocore.exceptions import ClientError

    def attempt() -> bool:
        try:
            action()
        except ClientError as error:
            if error.response["Error"]["Code"] not in _TAKEN:
                raise
            return False
        return True

    if not files.trying(attempt, key):
        raise FileExistsError(17, "there is an object of that name", f"s3://{files.bucket}/{key}")


def _in_parts(files: _Bucket, path: Path, key: str) -> None:
    """The same of a large file: only the request that ends an upload takes the condition."""
    upload = files.request("create_multipart_upload", key, **encryption.headers())["UploadId"]

    def send(number: int) -> dict[str, Answer]:
        with path.open("rb") as file:
            file.seek((number - 1) * PART)
            body = file.read(PART)
        answer = files.trying(
            lambda: files.request(
                "upload_part", key, UploadId=upload, PartNumber=number, Body=body
            ),
            key,
        )
        return {"PartNumber": number, "ETag": answer["ETag"]}

    try:
        count = -(-path.stat().st_size // PART)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            parts = list(pool.map(send, range(1, count + 1)))
        files.request(
            "complete_multipart_upload",
            key,
            UploadId=upload,
            MultipartUpload={"Parts": parts},
            IfNoneMatch="*",
        )
    except BaseException:
        _give_up(files, key, upload)
        raise


def _give_up(files: _Bucket, key: str, upload: str) -> None:
    with suppress(Exception):  # the bucket's lifecycle rule does it in a day
        files.request("abort_multipart_upload", key, UploadId=upload)
