"""Keyed fingerprints of files, so that nobody can guess a small file's content from its hash."""

from __future__ import annotations

from pathlib import Path

from blake3 import blake3

from stedi.landing.secret import Keys, secrets_of_user
from stedi.roots import Opener, open_local

_BLOCK = 1 << 20
_CONTEXT = "stedi lakehouse, fingerprints of files, 2026"


class Fingerprinter:
    """Makes fingerprints `<key id>:<keyed BLAKE3>` with the secrets of this user, oldest first."""

    def __init__(self, *every: bytes) -> None:
        self._keys = Keys(_CONTEXT, every)
        self.key_id = self._keys.ids[-1]

    @classmethod
    def of_user(cls) -> Fingerprinter:
        """The fingerprinter of anyone who runs this process."""
        return cls(*secrets_of_user())

    def begin(self) -> blake3:
        """A hash to feed a file's bytes to; give it to `end`."""
        return blake3(key=self._keys.first)

    def end(self, digest: blake3) -> str:
        """The fingerprint of the bytes that `digest` was fed."""
        return f"{self.key_id}:{self._keys.lift(digest.hexdigest())}"

    def ends(self, digest: blake3) -> list[str]:
        """What `digest` was fed in digits, by each secret since the first, the newest first."""
        return self._keys.every(digest.hexdigest())

    def of_file(self, path: Path, opener: Opener = open_local) -> str:
        """The fingerprint of a whole file."""
        digest, buffer = self.begin(), bytearray(_BLOCK)
        with opener(path) as file:
            while count := file.readinto(buffer):
                digest.update(memoryview(buffer)[:count])
        return self.end(digest)

    def can_compare(self, fingerprint: str) -> bool:
        """Whether `fingerprint` was made with a secret that is known here."""
        return fingerprint.partition(":")[0] in self._keys.ids

    def renewed(self, fingerprint: str) -> str:
        """The same fingerprint by the newest secret; as it is where its secret isn't known."""
        key_id, _, digits = fingerprint.partition(":")
        lifted = self._keys.lift(digits, key_id)
        return fingerprint if lifted is None else f"{self.key_id}:{lifted}"
