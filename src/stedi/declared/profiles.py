"""Profiles: folders of SELECTs that replace those of the same name; `seed` is the set itself.

A profile's folder may have a file `profile.yaml`, which names the profile that it `extends`: then
it replaces files of that one.
"""

from __future__ import annotations

from importlib.resources.abc import Traversable

from stedi.errors import DeclarationError

SEED = "seed"
_FILE = "profile.yaml"


def profiles(folder: Traversable) -> list[str]:
    """The profiles that a folder of transforms offers, `seed` first."""
    return [SEED, *sorted(f.name for f in folder.iterdir() if f.is_dir() and f.name[0] not in "._")]


def folders_of(folder: Traversable, profile: str) -> dict[str, Traversable]:
    """The folders with a profile's SELECTs by their places, those that replace others last.

    Raises `DeclarationError` for profiles that don't exist, or extend one another.
    """
    known, line = profiles(folder), [profile]
    while line[-1] != SEED:
        if line[-1] not in known:
            raise DeclarationError(
                f"profile {line[-1]}: no such profile; there are {', '.join(known)}"
            )
        if (extended := _extended(folder, line[-1])) in line:
            raise DeclarationError(f"transforms/{line[-1]}/{_FILE}: extends: it extends itself")
        line.append(extended)
    below = {f"transforms/{name}": folder / name for name in reversed(line[:-1])}
    return {"transforms": folder, **below}


def _extended(folder: Traversable, profile: str) -> str:
    file, place = folder / profile / _FILE, f"transforms/{profile}/{_FILE}"
    if not file.is_file():
        return SEED
    from stedi.declared.yaml_documents import read_yaml

    declared = read_yaml(place, file.read_bytes())
    if not isinstance(declared, dict) or [*declared] != ["extends"]:
        raise DeclarationError(f"{place}: has the key extends, and no other")
    if declared["extends"] not in profiles(folder):
        known = ", ".join(profiles(folder))
        raise DeclarationError(f"{place}: extends: no such profile; there are {known}")
    return str(declared["extends"])
