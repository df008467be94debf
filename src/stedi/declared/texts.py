"""The texts of all files that declare something for one profile, read at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable

from stedi.declared.profiles import folders_of, profiles
from stedi.errors import DeclarationError


@dataclass(frozen=True)
class Texts:
    """Files by their paths below a folder; equal to others with the same paths and bytes."""

    profile: str
    profiles: tuple[str, ...]
    """All that there are."""
    digest: str
    contracts: Mapping[str, bytes] = field(repr=False, compare=False)
    transforms: Mapping[str, Mapping[str, bytes]] = field(repr=False, compare=False)
    """By the folder that they are in, those that replace others last."""


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
    folders = folders_of(folder / "transforms", profile)
    transforms = {place: _texts(where, ".sql") for place, where in folders.items()}
    digest = hashlib.sha256()
    for place, texts in {"contracts": contracts, **transforms}.items():
        for name, text in texts.items():
            digest.update(f"{place}/{name}\0{len(text)}\0".encode() + text)
    known = tuple(profiles(folder / "transforms"))
    return Texts(profile, known, digest.hexdigest(), contracts, transforms)


def _texts(folder: Traversable, ending: str) -> dict[str, bytes]:
    files = sorted((f for f in folder.iterdir() if f.name.endswith(ending)), key=lambda f: f.name)
    return {file.name: file.read_bytes() for file in files}
