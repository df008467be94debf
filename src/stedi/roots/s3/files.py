"""Objects below a prefix of a bucket, through boto3: it finds credentials, region and endpoint."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from hashlib import blake2b
from io import SEEK_CUR, SEEK_END, RawIOBase
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from stedi.errors import StediError, Unavailable, UsageError
from stedi.extras import to_install
from stedi.roots.copies import folder_for_copies
from stedi.roots.faces import Remainder, Stat
from stedi.roots.names import outside, scratch_folder
from stedi.roots.s3 import encryption
from stedi.roots.s3.errors import ARN, NotAllowed, as_ours, is_passing, not_allowed
from stedi.roots.s3.new import upload_new

_Answer = TypeVar("_Answer")
_ROOT = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[\w.=-]+)*)/?", re.ASCII)
_AT_ONCE = 16
_FEW = 8
_TRIES = 8
_LONGEST_PAUSE = 4.0
_PER_REQUEST = 1000


class S3Files:
    """A prefix of a bucket.

    Sent to another process, it keeps no copies there of what that publishes.
    """

    def __init__(self, bucket: str, prefix: str, root: Path, is_sent: bool = False) -> None:
        self.bucket, self._prefix, self.root = bucket, prefix, root
        self._is_sent = is_sent
        self._published: set[Path] = set()
        self.remarks: list[str] = []
        self.unread: dict[Path, str] = {}
        """What could not be done, and that somebody should know of."""

    @classmethod
    def at(cls, uri: str) -> S3Files:
        """The lakehouse folder at a URI; raises `UsageError`, `Unavailable`."""
        match = _ROOT.fullmatch(uri)
        if match is None or match[2].startswith("/_"):
            raise UsageError(
                f"--root {uri!a}: as in s3://bucket/prefix, a bucket of small letters, digits, . "
                "and -, a prefix of letters, digits, . _ - and ="
            )
        try:
            import boto3  # noqa: F401
        except ImportError:
            raise Unavailable(f"boto3 isn't installed; run: {to_install('aws')}") from None
        return cls(match[1], match[2].strip("/"), folder_for_copies())

    def __reduce__(self) -> tuple[object, ...]:
        return S3Files, (self.bucket, self._prefix, self.root, True)

    @property
    def exists(self) -> bool:
        """Whether one can write there: a prefix needs no making."""
        return True

    def is_used(self, sources: Iterable[str]) -> bool:
        """It is: a bucket has no folders that could be empty."""
        return True

    def holds(self, path: Path) -> bool:
        """Whether a file of this machine lies in the bucket: none does."""
        return False

    @cached_property
    def client(self) -> Any:
        """boto3's client of S3, with as many tries as a throttled bucket needs."""
        import boto3
        from botocore.config import Config

        configured = {"AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"} & os.environ.keys()
        retries = None if configured else {"mode": "standard", "total_max_attempts": _TRIES}
        config = Config(
            retries=retries, connect_timeout=10, read_timeout=30, max_pool_connections=2 * _AT_ONCE
        )
        try:
            return boto3.client("s3", config=config)
        except Exception as error:
            raise as_ours(error, "s3", self.bucket) from None

    def uri(self, path: Path) -> str:
        """The `s3://` URI of a path."""
        return f"s3://{self.bucket}/{self.key(path)}"

    def path(self, uri: str) -> Path:
        """The path of a URI below the lakehouse folder; raises `OSError` for any other."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        below = f"{self._prefix}/" if self._prefix else ""
        name = key.removeprefix(below)
        if bucket != self.bucket or not key.startswith(below) or ".." in name.split("/"):
            raise OSError(f"{uri} doesn't lie below {self.uri(self.root)}")
        return self.root / name

    def name(self, path: Path) -> str:
        """The URI."""
        return self.uri(path)

    def key(self, path: Path) -> str:
        """The key of a path; raises `StorageError` for one outside of the lakehouse folder."""
        if not path.is_relative_to(self.root) or ".." in path.parts:
            raise outside(str(path), f"s3://{self.bucket}/{self._prefix}")
        name = path.relative_to(self.root).as_posix()
        return "/".join(part for part in (self._prefix, name) if part not in ("", "."))

    def stat(self, path: Path) -> Stat | None:
        """What is known of an object; None where it isn't there."""
        try:
            response = self.ask("head_object", self.key(path))
        except FileNotFoundError:
            return None
        return _stat(response["ContentLength"], response["LastModified"], response["ETag"])

    def sizes(self, paths: Sequence[Path]) -> list[int | None]:
        """The sizes of objects in bytes; None of those that aren't there."""
        if len(paths) <= _FEW:
            stats = self._each(self.stat, paths)
            return [stat.size if stat else None for stat in stats]
        folder = Path(os.path.commonpath([path.parent for path in paths]))
        sizes = {path: stat.size for path, stat in self.below(folder)}
        return [sizes.get(path) for path in paths]

    def below(self, folder: Path) -> Iterator[tuple[Path, Stat]]:
        """All objects below a folder, in no set order."""
        prefix = self.key(folder)
        for page in self._pages("list_objects_v2", f"{prefix}/" if prefix else ""):
            for item in page.get("Contents", ()):
                if not item["Key"].endswith("/"):  # what consoles make for a folder
                    path = self.path(f"s3://{self.bucket}/{item['Key']}")
                    yield path, _stat(item["Size"], item["LastModified"], item["ETag"])

    def delivered(
        self, folder: Path, *, hidden: bool = False, unread: dict[Path, str] | None = None
    ) -> Iterator[tuple[Path, Stat]]:
        """All objects below a folder: they lead nowhere else."""
        return self.below(folder)

    def open(self, path: Path) -> RawIOBase:
        """An object's bytes, read from any place; raises `FileNotFoundError`, `Unavailable`."""
        if path.exists():
            return path.open("rb", buffering=0)
        return _Stream(self, self.key(path))

    def fetch(self, paths: Iterable[Path]) -> None:
        """Have copies of whole objects; raises `FileNotFoundError`, `Unavailable`."""
        self._each(self._fetch, [path for path in paths if not path.exists()])

    def inside(self, path: Path) -> Path:
        """A path that may be written or removed: its key begins with the prefix."""
        self.key(path)
        return path

    def publish(self, paths: Iterable[Path]) -> None:
        """Upload files that were written here."""
        new = [path for path in paths if path not in self._published and path.exists()]
        self._each(self._upload, new)
        self._published.update(new)
        if self._is_sent:
            for path in new:
                path.unlink()

    def add(self, path: Path, target: Path) -> None:
        """Upload a local file to `target`."""
        self._upload(target, path)

    def add_new(self, path: Path, target: Path) -> None:
        """Upload a local file to `target`; raises `FileExistsError` where something is there.

        S3 decides: two who deliver at the same time under one name don't replace one another.
        """
        upload_new(self, path, self.key(target))

    def replace(self, path: Path, target: Path) -> None:
        """Upload a local file to `target`, and remove every earlier version."""
        self._upload(target, path)
        if path != target:
            target.unlink(missing_ok=True)  # an earlier copy
        self._published.discard(target)
        if self._keeps_versions:
            key = self.key(target)
            self.discard(r for r in self._versions_below(key) if r.path == target and r.version)

    def remainders(self) -> Iterator[Remainder]:
        """Earlier versions of all objects of the lakehouse, and uploads to it that never ended."""
        prefix = self.key(self.root)
        prefix = f"{prefix}/" if prefix else ""
        yield from self._versions_below(prefix)
        for page in self._pages("list_multipart_uploads", prefix):
            for upload in page.get("Uploads", ()):
                path = self.path(f"s3://{self.bucket}/{upload['Key']}")
                yield Remainder(path, upload=upload["UploadId"])

    def _versions_below(self, prefix: str) -> Iterator[Remainder]:
        """Versions that are not the present ones."""
        for page in self._pages("list_object_versions", prefix):
            for version in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                is_marker = "Size" not in version
                if not version["IsLatest"] or is_marker:
                    path = self.path(f"s3://{self.bucket}/{version['Key']}")
                    size = 0 if is_marker else version["Size"]
                    yield Remainder(path, version=version["VersionId"], size=size)

    def fetch_remainder(self, remainder: Remainder, target: Path) -> None:
        """Download an earlier version; raises `OSError`."""
        key, extra = self.key(remainder.path), {"VersionId": remainder.version}
        target.parent.mkdir(parents=True, exist_ok=True)
        self.trying(
            lambda: self.client.download_file(self.bucket, key, str(target), ExtraArgs=extra), key
        )

    def discard(self, remainders: Iterable[Remainder]) -> None:
        """Delete earlier versions, and abort uploads that never ended."""
        for remainder in [*remainders]:
            key = self.key(remainder.path)
            try:
                if remainder.upload is not None:
                    self._call("abort_multipart_upload", Key=key, UploadId=remainder.upload)
                else:
                    self._call("delete_object", Key=key, VersionId=remainder.version)
            except FileNotFoundError:  # somebody was quicker
                pass

    def remove_below(self, folder: Path) -> None:
        """Remove all objects below a folder, and their copies."""
        self.remove([path for path, _ in self.below(self.inside(folder))])
        shutil.rmtree(folder, ignore_errors=True)

    def remove(self, paths: Iterable[Path], *, emptied: bool = False) -> None:
        """Remove objects and copies, older versions included; those that aren't there are.

        There are no folders that could be `emptied`. Where versions may not be removed, `remarks`
        says so.
        """
        removed = list(paths)
        keys = [self.key(path) for path in removed]
        for path in removed:
            path.unlink(missing_ok=True)
            self._published.discard(path)
        objects: list[dict[str, str]] = [{"Key": key} for key in keys]
        if keys and self._keeps_versions:
            objects = [*self._versions(keys)]
        for begin in range(0, len(objects), _PER_REQUEST):
            batch = {"Objects": objects[begin : begin + _PER_REQUEST], "Quiet": True}
            response = self._call("delete_objects", Delete=batch)
            for error in response.get("Errors", ()):
                if error.get("VersionId"):
                    self._remark_versions("s3:DeleteObjectVersion")
                else:
                    raise not_allowed("s3:DeleteObject", f"{ARN}{self.bucket}/{error['Key']}")

    def remove_abandoned(self, *, last_run_died: bool) -> None:
        """Remove what a run that died had worked out; queries leave nothing in a bucket."""
        if last_run_died:
            self.remove_below(scratch_folder(self.root))

    def let_spark_read(self, session: Any) -> None:
        """Let `s3://` URIs be read through Hadoop's S3A; raises `Unavailable`."""
        from stedi.roots.s3.spark import read_objects

        read_objects(session)

    def ask(self, operation: str, key: str) -> Any:
        """What S3 says of an object; raises `FileNotFoundError`, `Unavailable`.

        To anyone who may list a prefix only, S3 says of what isn't there that it is not allowed.
        """
        try:
            return self._call(operation, Key=key)
        except NotAllowed:
            page = self._call("list_objects_v2", Prefix=key, MaxKeys=1)
            if any(item["Key"] == key for item in page.get("Contents", ())):
                raise
            raise FileNotFoundError(2, "not there", f"s3://{self.bucket}/{key}") from None

    def request(self, operation: str, key: str, **arguments: Any) -> Any:
        """One request about an object; raises botocore's own `ClientError`."""
        return getattr(self.client, operation)(Bucket=self.bucket, Key=key, **arguments)

    def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(self.client, operation)(Bucket=self.bucket, **arguments)
        except Exception as error:
            key = arguments.get("Key", arguments.get("Prefix", ""))
            raise as_ours(error, "s3", f"{self.bucket}/{key}".rstrip("/")) from None

    def _pages(self, operation: str, prefix: str) -> Iterator[Any]:
        try:
            yield from self.client.get_paginator(operation).paginate(
                Bucket=self.bucket, Prefix=prefix
            )
        except Exception as error:
            raise as_ours(error, "s3", f"{self.bucket}/{prefix}".rstrip("/")) from None

    @staticmethod
    def _each(function: Any, items: Sequence[Any]) -> list[Any]:
        if len(items) < 2:
            return [function(item) for item in items]
        with ThreadPoolExecutor(min(_AT_ONCE, len(items))) as pool:
            return list(pool.map(function, items))

    def trying(self, action: Callable[[], _Answer], key: str) -> _Answer:
        """What an action on an object returns, repeated while that may help; raises our errors."""
        tries = 0
        while True:
            try:
                return action()
            except StediError:
                raise
            except Exception as error:
                if isinstance(error, OSError) and not isinstance(error, ConnectionError):
                    raise  # of this machine's disk
                tries += 1
                if tries >= _TRIES or not is_passing(error):
                    raise as_ours(error, "s3", f"{self.bucket}/{key}") from None
                time.sleep(min(0.05 * 2**tries, _LONGEST_PAUSE))

    def _fetch(self, path: Path) -> None:
        key = self.key(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        # It appears whole, under its name.
        if path.parent.name == "metadata":  # Iceberg's, and small
            self.trying(lambda: self._fetch_small(path, key), key)
        else:
            self.trying(lambda: self.client.download_file(self.bucket, key, str(path)), key)

    def _fetch_small(self, path: Path, key: str) -> None:
        """Have a copy by one request, where `download_file` asks for the size first."""
        content = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        part = path.with_name(f"{path.name}.{uuid4().hex}")
        part.write_bytes(content)
        part.replace(path)

    def _upload(self, target: Path, path: Path | None = None) -> None:
        extra = encryption.headers()
        if target.suffix.lower() in (".html", ".htm"):
            # A page, which lies outside: browsers would download it, and those who may read it need
            # no key of the lakehouse. Its bucket says how it is encrypted.
            extra = {"ContentType": "text/html; charset=utf-8"}
        here, key = str(path or target), self.key(target)
        self.trying(lambda: self.client.upload_file(here, self.bucket, key, ExtraArgs=extra), key)

    @cached_property
    def _keeps_versions(self) -> bool:
        try:
            return "Status" in self._call("get_bucket_versioning")
        except NotAllowed:
            self._remark_versions("s3:GetBucketVersioning")
            return False

    def _versions(self, keys: Sequence[str]) -> Iterator[dict[str, str]]:
        """Every version of these objects, with the markers that say they are gone."""
        requested, listed = set(keys), set()
        prefix = os.path.commonprefix(keys)  # noqa: RUF071 - keys have no components
        try:
            for page in self._pages("list_object_versions", prefix):
                for version in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    if version["Key"] in requested:
                        listed.add(version["Key"])
                        yield {"Key": version["Key"], "VersionId": version["VersionId"]}
        except NotAllowed:
            self._remark_versions("s3:ListBucketVersions")
            yield from ({"Key": key} for key in keys if key not in listed)

    def _remark_versions(self, action: str) -> None:
        remark = (
            f"old versions of removed objects may stay in the bucket {self.bucket}, people's data "
            f"among them: {action} is not allowed. Allow it, or expire noncurrent versions by a "
            "lifecycle rule"
        )
        if remark not in self.remarks:
            self.remarks.append(remark)


class _Stream(RawIOBase):
    """An object read from any place on; a connection that was cut is taken up where it was."""

    def __init__(self, files: S3Files, key: str) -> None:
        self._files, self._key = files, key
        self._size: int | None = None
        self._etag = ""
        self._at = 0
        self._body: Any = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == SEEK_END and self._size is None:
            response = self._files._call("head_object", Key=self._key)
            self._size, self._etag = int(response["ContentLength"]), response["ETag"]
        at = offset + {SEEK_CUR: self._at, SEEK_END: self._size or 0}.get(whence, 0)
        if at != self._at:
            self._drop()
        self._at = at
        return at

    def readinto(self, view: Any) -> int:
        data = self._files.trying(lambda: self._read(len(view)), self._key)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _read(self, size: int) -> bytes:
        try:
            if self._body is None and not self._is_at_end:
                self._begin()
            if self._is_at_end or not size:
                return b""
            data: bytes = self._body.read(size)
            if not data:
                raise ConnectionError("cut off")
            return data
        except Exception:
            self._drop()
            raise

    def close(self) -> None:
        self._drop()
        super().close()

    @property
    def _is_at_end(self) -> bool:
        return self._size is not None and self._at >= self._size

    def _begin(self) -> None:
        """Ask for all from here on, of the object as it was when it was first asked for."""
        from botocore.exceptions import ClientError

        condition = {"IfMatch": self._etag} if self._etag else {}
        try:
            response = self._files.request(
                "get_object", self._key, Range=f"bytes={self._at}-", **condition
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("InvalidRange", "416"):
                raise
            self._size = self._at  # nothing lies here or behind, as in an empty object
            return
        self._size = int(response["ContentRange"].rpartition("/")[2])
        self._etag, self._body = response["ETag"], response["Body"]

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
        self._body = None


def _stat(size: int, modified: Any, etag: str) -> Stat:
    changed = int.from_bytes(blake2b(etag.encode(), digest_size=7).digest())
    return Stat(size, int(modified.timestamp()) * 1_000_000_000, changed)
