"""One run at a time on a bucket: an object that only conditional writes take and keep.

Its body names the process that has the lock, and is empty when none has. That process writes it
again every few seconds. A lock that was not written for a minute, by S3's own clock, is free.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, Self

from stedi.errors import Locked, StediError, Unavailable
from stedi.roots.names import OWN_FOLDER
from stedi.roots.s3 import encryption
from stedi.roots.s3.errors import as_ours
from stedi.roots.s3.files import S3Files

RENEWED_EVERY = 10.0
ABANDONED_AFTER = 60.0
_POLL = 1.0
_DIED = b"died"
_LOST = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "404", "412", "409")


class S3Lock:
    """Locks a lakehouse for one run."""

    def __init__(self, files: S3Files, wait: float = 0.0) -> None:
        self._files, self._wait = files, wait
        self._path = files.root / OWN_FOLDER / "lock"
        self._key = files.key(self._path)
        self._etag = ""
        self._renewed = 0.0
        self._is_lost = False
        self._stop = threading.Event()
        self._renewing: threading.Thread | None = None
        self.last_run_died = False

    @property
    def is_held(self) -> bool:
        """Whether a run is at work."""
        state = self._state()
        return state is not None and _is_owned(state)

    def check(self) -> None:
        """Raise `Locked` where another run may have taken it."""
        if self._is_lost or time.monotonic() - self._renewed > ABANDONED_AFTER - RENEWED_EVERY:
            raise Locked(
                f"{self._files.name(self._files.root)}: the lock was lost, as it could not be "
                "renewed in time; nothing more was committed. Run again"
            )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + self._wait
        while (owner := self._take()) is not None:
            if time.monotonic() >= deadline:
                raise Locked(
                    f"{self._files.name(self._files.root)} is being worked on by {owner}; run "
                    "again later, or with --wait SECONDS"
                )
            time.sleep(_POLL)
        self._renewing = threading.Thread(target=self._renew, daemon=True)
        self._renewing.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop.set()
        if self._renewing is not None:
            self._renewing.join()
        if not self._is_lost:
            with suppress(OSError, StediError):  # then it is let go of in a minute
                self._put(b"" if kind is None else _DIED, IfMatch=self._etag)

    def _take(self) -> str | None:
        """Take it; returns who holds it if that can't be."""
        state = self._state()
        if state is not None and _is_owned(state):
            return str(state["owner"])
        self.last_run_died = state is not None and bool(state["owner"])
        condition = {"IfMatch": state["ETag"]} if state else {"IfNoneMatch": "*"}
        return None if self._put(_owner(), **condition) else "another process"

    def _state(self) -> dict[str, Any] | None:
        try:
            response, body = self._files.trying(self._read, self._key)
        except FileNotFoundError:
            return None
        now = parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"])
        age = (now - response["LastModified"]).total_seconds()
        return {"ETag": response["ETag"], "owner": body.decode(errors="replace"), "age": age}

    def _read(self) -> tuple[dict[str, Any], bytes]:
        response = self._files.ask("get_object", self._key)
        return response, response["Body"].read()

    def _renew(self) -> None:
        while not self._stop.wait(RENEWED_EVERY):
            try:
                if not self._put(_owner(), IfMatch=self._etag):
                    self._is_lost = True
                    return
            except (OSError, Unavailable):
                continue  # `check` sees where that lasts too long

    def _put(self, body: bytes, **condition: str) -> bool:
        """Write it on a condition; whether that held."""
        from botocore.exceptions import ClientError

        begun = time.monotonic()
        try:
            response = self._files.request(
                "put_object", self._key, Body=body, **encryption.headers(), **condition
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _LOST:
                return self._is_mine(body, begun)
            raise self._as_ours(error) from None
        except Exception as error:
            raise self._as_ours(error) from None
        self._etag, self._renewed = response["ETag"], begun
        return True

    def _is_mine(self, body: bytes, begun: float) -> bool:
        """Whether it was written all the same: the first answer may have been lost on its way."""
        state = self._state()
        if state is None or not body or state["owner"].encode() != body:
            return False
        self._etag, self._renewed = state["ETag"], begun
        return True

    def _as_ours(self, error: Exception) -> StediError | FileNotFoundError:
        return as_ours(error, "s3", f"{self._files.bucket}/{self._key}")


def _owner() -> bytes:
    """Who we are; never the same twice, so that its ETag never is."""
    return f"process {os.getpid()} of {socket.gethostname()} at {time.time_ns()}".encode()


def _is_owned(state: dict[str, Any]) -> bool:
    owner = state["owner"]
    return bool(owner) and owner != _DIED.decode() and state["age"] < ABANDONED_AFTER
