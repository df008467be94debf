"""Noise on the counts of classes: how often each is repeated is no longer how many rows it has.

The noise is discrete Laplace (A. Ghosh, T. Roughgarden, M. Sundararajan, "Universally
Utility-Maximizing Privacy Mechanisms", STOC 2009): whole numbers n with a chance in proportion to
exp(-|n| / scale), one for each class. It is made of 32 bytes of the operating system's randomness,
drawn again for each state of the rows. The same state gets the same noise again: of many
publications of one state, each with noise of its own, the mean would tell the counts.

No epsilon goes with it: which classes there are is decided by the data, without noise.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stedi.arrays import Int64s
from stedi.declared.contract import Publication
from stedi.errors import StorageError
from stedi.landing.erased import Keyer
from stedi.privacy.publication.boxes import Range
from stedi.roots import Files
from stedi.roots.copies import temporary_folder
from stedi.roots.names import noise_folder

Randomness = Callable[[bytes], bytes]
"""The random bytes that belong to a state: those that it had before, or fresh ones."""

_BYTES = 32
_BELOW = 1 << 64


def fresh(_: bytes) -> bytes:
    """Random bytes of the operating system, for every state others."""
    return os.urandom(_BYTES)


@dataclass(frozen=True)
class Kept:
    """The random bytes of a published table's states, in a file that is changed under the lock.

    They lie under a keyed fingerprint of the state, so that nobody can try whether it is a guess.
    """

    files: Files
    table: str

    def drawn_for(self, state: bytes) -> bytes:
        """Those of a state: drawn, and on disk before anything is made of them, if it has none."""
        if (known := self.of(state)) is not None:
            return known
        drawn, path = fresh(state), self._path(state)
        with temporary_folder() as folder:
            new = folder / path.name
            new.write_text(json.dumps({"random": drawn.hex()}) + "\n", encoding="utf-8")
            self.files.add(new, path)
        return drawn

    def of(self, state: bytes) -> bytes | None:
        """Those that a state has; None where it has none. Raises `StorageError`."""
        path = self._path(state)
        if self.files.stat(path) is None:
            return None
        try:
            with self.files.open(path) as file:
                known = bytes.fromhex(json.loads(file.readall())["random"])
        except (OSError, ValueError, KeyError, TypeError):
            known = b""
        if len(known) != _BYTES:
            raise StorageError(
                f"{self.files.name(path)}: the randomness of the noise can't be read; restore it "
                "from a backup. Without it the same rows would get other noise: remove the file "
                "only if nobody has the publication of now"
            )
        return known

    def _path(self, state: bytes) -> Path:
        _, _, digits = Keyer.of_user().seal(b"noise " + state).partition(":")
        return noise_folder(self.files.root) / f"{self.table}-{digits[:32]}.json"


def state_of(publication: Publication, ranges: Mapping[str, Range], counts: Int64s) -> bytes:
    """What noise is drawn for: how a table is published, its classes, and their true counts."""
    digest = hashlib.sha256(publication.fingerprint.encode())
    for name in sorted(ranges):
        digest.update(name.encode())
        for array in (ranges[name].begins, ranges[name].ends, ranges[name].values):
            digest.update(array.astype("<f8").tobytes())
    digest.update(counts.astype("<i8").tobytes())
    return digest.digest()


def discrete_laplace(random: bytes, scale: float, classes: int) -> Int64s:
    """Discrete Laplace noise for so many classes: of the same random bytes always the same.

    Each is the difference of two geometric numbers, found by where 64 random bits fall.
    """
    digits = hashlib.shake_256(b"stedi noise " + random).digest(16 * classes)
    bits = np.frombuffer(digits, "<u8").reshape(classes, 2)
    # A geometric number is at least n where the bits, as a share of all, are below exp(-n / scale).
    most = math.ceil(scale * math.log(_BELOW))
    reached = [int(_BELOW * math.exp(-n / scale)) for n in range(most, 0, -1)]
    ladder = np.array(reached, np.uint64)
    geometric = len(ladder) - np.searchsorted(ladder, bits, side="right")
    drawn: Int64s = geometric[:, 0] - geometric[:, 1]
    return drawn


def noisy(counts: Int64s, drawn: Int64s) -> Int64s:
    """How often classes are repeated: their counts with noise, and never less often than not."""
    repeated: Int64s = np.maximum(counts + drawn, 0)
    return repeated
