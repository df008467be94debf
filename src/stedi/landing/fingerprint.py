"""Keyed fingerprints of files, so that nobody can guess a small file's content from its hash."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from blake3 import blake3

from stedi.errors import UsageError
from stedi.roots import Opener, open_local

LEAST_BYTES = 32
_LEAST_DIFFERENT = 8
_BLOCK = 1 << 20
_CONTEXT = "stedi lakehouse, fingerprints of files, 2026"


class Fingerprinter:
    """Makes fingerprints `<key id>:<keyed BLAKE3>` with the secret of this user.

    The secret is STEDI_SECRET, which may be the ARN of one in AWS Secrets Manager, or the file
    `stedi/secret` (mode 0600) in the user's configuration folder, made when first needed. It never
    lies under a root.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = blake3(secret, derive_key_context=_CONTEXT).digest()
        self.key_id = blake3(b"key id", key=self._key).hexdigest()[:8]

    @classmethod
    def of_user(cls) -> Fingerprinter:
        """The fingerprinter of whoever runs this process."""
        return cls(secret_of_user())

    def begin(self) -> blake3:
        """A hash to feed a file's bytes to; give it to `end`."""
        return blake3(key=self._key)

    def end(self, digest: blake3) -> str:
        """The fingerprint of the bytes that `digest` was fed."""
        return f"{self.key_id}:{digest.hexdigest()}"

    def of_file(self, path: Path, opener: Opener = open_local) -> str:
        """The fingerprint of a whole file."""
        digest, buffer = self.begin(), bytearray(_BLOCK)
        with opener(path) as file:
            while count := file.readinto(buffer):
                digest.update(memoryview(buffer)[:count])
        return self.end(digest)

    def can_compare(self, fingerprint: str) -> bool:
        """Whether `fingerprint` was made with this key."""
        return fingerprint.startswith(f"{self.key_id}:")


def secret_of_user() -> bytes:
    """The secret of whoever runs this process; each use makes a key of its own from it.

    STEDI_SECRET may be the ARN of one in AWS Secrets Manager. Raises `UsageError` for a secret that
    is short enough to be guessed, `Unavailable` for one that can't be had.
    """
    secret = os.environ.get("STEDI_SECRET")
    if not secret:
        return _stored_secret()
    if secret.startswith("arn:"):
        from stedi.roots.s3.secret import stored

        secret = stored(secret)
    if problem := _weakness(secret.encode()):
        raise UsageError(f"STEDI_SECRET {problem}: make one with `openssl rand -hex 32`")
    return secret.encode()


def _weakness(secret: bytes) -> str | None:
    """What is wrong with a secret; None for one that can't be guessed, as far as that shows."""
    if len(secret) < LEAST_BYTES:
        return f"has {len(secret)} bytes, where at least {LEAST_BYTES} are needed"
    if len(set(secret)) < _LEAST_DIFFERENT:
        return "is the same few letters over and over"
    return None


def _stored_secret() -> bytes:
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "stedi"
    path = folder / "secret"
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path} can be read by others; run: chmod 600 '{path}'")
        return _read(path)
    except FileNotFoundError:
        pass
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / f".secret-{os.getpid()}"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(LEAST_BYTES))
        file.flush()
        os.fsync(file.fileno())  # what is written with it outlives a power cut, so must it
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        pass  # another process was first: its secret is the one
    finally:
        fresh.unlink()
    _make_last(folder)
    return _read(path)


def _read(path: Path) -> bytes:
    secret = path.read_bytes().strip()
    if problem := _weakness(secret):
        raise UsageError(
            f"{path} {problem}. Put it back from a backup; or remove it, and `stedi run --full` "
            "reads everything again with a new secret"
        )
    return secret


def _make_last(folder: Path) -> None:
    """Have the disk keep the names in a folder."""
    with suppress(OSError):  # some file systems can't
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
