"""The texts of all files that declare something for one profile, read at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable

from stedi.errors import DeclarationError

SEED = "seed"


@dataclass(frozen=True)
class Texts:
    """Files by their paths below a folder; equal to others with the same paths and bytes."""

    profile: str
    digest: str
    contracts: Mapping[str, bytes] = field(repr=False, compare=False)
    transforms: Mapping[str, Mapping[str, bytes]] = field(repr=False, compare=False)
    """By the folder that they are in: `transforms`, and that of the profile below it."""


def profiles(folder: Traversable) -> list[str]:
    """The profiles that a folder of transforms offers, `seed` first."""
    return [SEED, *sorted(f.name for f in folder.iterdir() if f.is_dir() and f.name[0] not in "._")]


def read_texts(folder: Traversable, profile: str) -> Texts:
    """Read `contracts/*.yaml`, `transforms/*.sql` and the profile's; raises `DeclarationError`."""
    for part in ("contracts", "transforms"):
        if not (folder / part).is_dir():
            raise DeclarationError(
                f"{folder}: no folder {part} in it; declarations are contracts/ and transforms/"
            )
    contracts = _texts(folder / "contracts", ".yaml")
    if not contracts:
        raise DeclarationError(
            f"{folder / 'contracts'}: no contracts (*.yaml) here; is this a declarations folder?"
        )
    if profile not in (known := profiles(folder / "transforms")):
        raise DeclarationError(f"profile {profile}: no such profile; there are {', '.join(known)}")
    transforms = {"transforms": _texts(folder / "transforms", ".sql")}
    if profile != SEED:
        transforms[f"transforms/{profile}"] = _texts(folder / "transforms" / profile, ".sql")
    digest = hashlib.sha256()
    for place, texts in {"contracts": contracts, **transforms}.items():
        for name, text in texts.items():
            digest.update(f"{place}/{name}\0{len(text)}\0".encode() + text)
    return Texts(profile, digest.hexdigest(), contracts, transforms)


def _texts(folder: Traversable, ending: str) -> dict[str, bytes]:
    files = sorted((f for f in folder.iterdir() if f.name.endswith(ending)), key=lambda f: f.name)
    return {file.name: file.read_bytes() for file in files}
