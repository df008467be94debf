"""Keyed fingerprints of files, so that nobody can guess a small file's content from its hash."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from blake3 import blake3

from stedi.errors import UsageError
from stedi.roots import Opener, open_local

_BLOCK = 1 << 20
_CONTEXT = "stedi lakehouse, fingerprints of files, 2026"


class Fingerprinter:
    """Makes fingerprints `<key id>:<keyed BLAKE3>` with the secret of this user.

    The secret is STEDI_SECRET, or the file `stedi/secret` (mode 0600) in the user's configuration
    folder, made when first needed. It never lies under a root.
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
    """The secret of whoever runs this process; each use makes a key of its own from it."""
    secret = os.environ.get("STEDI_SECRET")
    return secret.encode() if secret else _stored_secret()


def _stored_secret() -> bytes:
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "stedi"
    path = folder / "secret"
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path} can be read by others; run: chmod 600 '{path}'")
        return path.read_bytes().strip()
    except FileNotFoundError:
        pass
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / f".secret-{os.getpid()}"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        pass  # another process was first: its secret is the one
    finally:
        fresh.unlink()
    return path.read_bytes().strip()
