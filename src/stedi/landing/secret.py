"""The user's secret, which is never in a lakehouse folder, and the secrets that it replaced.

A secret that is replaced isn't thrown away: what it made a fingerprint of, only it finds again. So
the newest makes a fingerprint of what the one before it made (`Keys`). Anyone who learned an older
secret can't tell by it what a lakehouse has that was keyed since: `rights/rekey.py` keys the rest.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from stat import S_ISREG

from blake3 import blake3

from stedi.errors import StorageError, Unavailable, UsageError

LEAST_BYTES = 32
_LEAST_DIFFERENT = 8
_VARIABLE = "STEDI_SECRET"
_ONE_IS_MADE = "make one with `openssl rand -hex 32`"
_SEVERAL = "stedi-secrets"
"""What a file or variable begins with that has several: in hexadecimal digits, the newest last."""
_DIGITS = 32
"""Of a fingerprint, the digits that a newer key is told: the ledger has no more of them."""


class Keys:
    """The keys that are made from secrets, oldest first, for one purpose (`context`).

    `ids` name them. With one secret a fingerprint is what its key makes of the content; with each
    newer one, what its key makes of the fingerprint before. So a fingerprint of any age can be
    turned into one of now (`lift`), without the content.
    """

    def __init__(self, context: str, every: Sequence[bytes]) -> None:
        first, *newer = (blake3(secret, derive_key_context=context).digest() for secret in every)
        self.first, self._newer = first, newer
        ids = [blake3(b"key id", key=first).hexdigest()[:8]]
        for key in newer:
            ids.append(blake3(f"key id {ids[-1]}".encode(), key=key).hexdigest()[:8])
        self.ids = tuple(ids)

    def lift(self, digits: str, key_id: str | None = None) -> str | None:
        """A fingerprint in hexadecimal digits as the newest key has it.

        `key_id` names the key that it was made with, None the first. None where that is unknown.
        """
        if key_id is not None and key_id not in self.ids:
            return None
        age = 0 if key_id is None else self.ids.index(key_id)
        return self._each(digits, age)[-1]

    def every(self, digits: str) -> list[str]:
        """A fingerprint by the first key as each has it, the newest first."""
        return self._each(digits, 0)[::-1]

    def _each(self, digits: str, age: int) -> list[str]:
        by_age = [digits]
        for key in self._newer[age:]:
            by_age.append(blake3(by_age[-1][:_DIGITS].encode(), key=key).hexdigest())
        return by_age


def secrets_of_user() -> tuple[bytes, ...]:
    """The secrets of this user, the newest last; one is made where there is none.

    They are in STEDI_SECRET, which may be the ARN of a secret in AWS Secrets Manager, or in the
    file `stedi/secret` of the user's configuration folder. Raises `UsageError` for one that is
    short enough to be guessed, `Unavailable` for one that can't be had. White space around a secret
    is no part of it, wherever it comes from: files and stored texts often end with a line.
    """
    told = os.environ.get(_VARIABLE)
    if told is None:
        return _Store().secrets()
    if not told.strip():
        raise UsageError(f"{_VARIABLE} is set, and empty: {_ONE_IS_MADE}; or unset it")
    if told.strip().lower().startswith("arn:"):
        from stedi.roots.s3.secret import stored

        told = stored(told.strip())
    return _read(os.fsencode(told), _VARIABLE)


def known_secrets() -> tuple[bytes, ...]:
    """The same for those who only compare: empty where there is none, or it can't be used."""
    try:
        if _VARIABLE not in os.environ and not _Store().path.exists():
            return ()
        return secrets_of_user()
    except (UsageError, Unavailable, OSError):
        return ()


def secret_of_user() -> bytes:
    """The newest secret of this user; each use makes a key of its own from it."""
    return secrets_of_user()[-1]


def place_of_secret() -> str:
    """Where the secret is."""
    return _VARIABLE if _VARIABLE in os.environ else str(_Store().path)


def rotate(output: Path | None = None) -> Path:
    """Make a new secret, and keep those before it; returns where they are now.

    The file is replaced as a whole, and durably. Where the secret is in STEDI_SECRET, nothing here
    can change that: `output` gets what has to be its value. Raises `UsageError`, `StorageError`.
    """
    is_told = _VARIABLE in os.environ
    if is_told and output is None:
        raise UsageError(
            "the secret is in STEDI_SECRET, which stedi can't change: give --output FILE, set "
            "STEDI_SECRET to what that file has then, and run `stedi secret rekey`"
        )
    if output is not None and not is_told:
        raise UsageError("--output is for secrets in STEDI_SECRET, and that is not set")
    fresh = secrets.token_bytes(LEAST_BYTES)
    if output is None:
        return _Store().add(fresh)
    try:
        _write_new(output, _several((*secrets_of_user(), fresh)))
    except FileExistsError:
        raise UsageError(f"--output {output}: is there already; give another name") from None
    except OSError as error:
        raise UsageError(f"--output {output}: {error.strerror or error}") from None
    return output


class _Store:
    """The file `stedi/secret` (mode 0600) in the user's configuration folder."""

    @cached_property
    def path(self) -> Path:
        return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "stedi/secret"

    def secrets(self) -> tuple[bytes, ...]:
        """What is in the file, which is made where there is none."""
        try:
            return self._found()
        except OSError as error:
            raise UsageError(
                f"{self.path}, the secret, can't be read or made: {error.strerror or error}. Mend "
                "its permissions, or set STEDI_SECRET"
            ) from None

    def _found(self) -> tuple[bytes, ...]:
        try:
            mode = self.path.stat().st_mode
            if not S_ISREG(mode):
                raise UsageError(f"{self.path} is not a file. Put the secret back from a backup")
            if mode & 0o077:
                raise UsageError(f"{self.path} can be read by others; run: chmod 600 '{self.path}'")
            return self._read()
        except FileNotFoundError:
            pass
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._written(secrets.token_hex(LEAST_BYTES)) as fresh, suppress(FileExistsError):
            self.path.hardlink_to(fresh)  # where another process was first, its secret is the one
        _make_last(self.path.parent)
        return self._read()

    def add(self, fresh: bytes) -> Path:
        """Have the file one secret more."""
        self.secrets()
        try:
            with self._alone(), self._written(_several((*self._read(), fresh))) as written:
                written.replace(self.path.resolve())
        except OSError as error:
            raise StorageError(
                f"{self.path} can't be written: {error.strerror or error}. The secret is as it was"
            ) from None
        _make_last(self.path.resolve().parent)
        return self.path

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Of two who add a secret at a time, one would lose what the other already used."""
        descriptor = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read(self) -> tuple[bytes, ...]:
        return _read(
            self.path.read_bytes(),
            str(self.path),
            ". Put it back from a backup; or remove it, and `stedi run --full` reads everything "
            "again with a new secret",
        )

    @contextmanager
    def _written(self, content: str) -> Iterator[Path]:
        """A file beside the secret's; what is written with it outlives a power cut, so must it."""
        fresh = self.path.resolve().with_name(f".secret-{os.getpid()}-{secrets.token_hex(4)}")
        try:
            _write_new(fresh, content)
            yield fresh
        finally:
            fresh.unlink(missing_ok=True)


def _write_new(path: Path, content: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _several(every: Sequence[bytes]) -> str:
    return " ".join([_SEVERAL, *(secret.hex() for secret in every)]) + "\n"


def _read(content: bytes, place: str, remedy: str = f": {_ONE_IS_MADE}") -> tuple[bytes, ...]:
    every = [content.strip()]
    if content.split()[:1] == [_SEVERAL.encode()]:
        try:
            every = [bytes.fromhex(digits.decode()) for digits in content.split()[1:]]
        except ValueError:
            every = []
    for secret in every or [b""]:
        if problem := _weakness(secret):
            raise UsageError(f"{place} {problem}{remedy}")
    return tuple(every)


def _weakness(secret: bytes) -> str | None:
    """What is wrong with a secret; None for one that can't be guessed, as far as that shows."""
    if len(secret) < LEAST_BYTES:
        return f"has {len(secret)} bytes, where at least {LEAST_BYTES} are needed"
    if len(set(secret)) < _LEAST_DIFFERENT:
        return "is the same few letters over and over"
    return None


def _make_last(folder: Path) -> None:
    """Have the disk keep the names in a folder."""
    with suppress(OSError):  # some file systems can't
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
