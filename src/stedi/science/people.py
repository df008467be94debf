"""Which people a model learns from, and which it is tested on.

By a keyed fingerprint of who somebody is, so that the same person is always in the same fold, and
nobody without the key can tell in which.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from blake3 import blake3

from stedi.arrays import Int64s
from stedi.errors import RuleBroken
from stedi.landing.fingerprint import secret_of_user

FOLDS = 5
_CONTEXT = "stedi lakehouse, folds of people, 2026"


def folds_of(identities: pa.Table, sides: Sequence[Int64s]) -> list[Int64s]:
    """The fold, from 0 to `FOLDS`, that each row's person is in, by side.

    `identities` says by number who a `person` is. Raises `RuleBroken` for numbers that it lacks, or
    has twice.
    """
    numbers = np.array(identities["person"].to_pylist(), np.int64)
    key = blake3(secret_of_user(), derive_key_context=_CONTEXT).digest()
    folds = np.array([_fold(text, key) for text in identities["identity"].to_pylist()], np.int64)
    order = np.argsort(numbers)
    numbers, folds = numbers[order], folds[order]
    if (numbers[1:] == numbers[:-1]).any():
        raise RuleBroken("identities: a person has several")
    found = []
    for side in sides:
        places = np.minimum(np.searchsorted(numbers, side), max(len(numbers) - 1, 0))
        if len(side) and (len(numbers) == 0 or (numbers[places] != side).any()):
            raise RuleBroken("identities: rows are of people whom the query doesn't name")
        found.append(folds[places])
    return found


def _fold(identity: str, key: bytes) -> int:
    digest = blake3(identity.encode(errors="surrogatepass"), key=key).digest(8)
    return int.from_bytes(digest, "big") % FOLDS
