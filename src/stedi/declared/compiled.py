"""What was read of declarations, kept on this machine until one of their bytes changes.

Reading contracts needs the standard's models, and looking at SQL needs sqlglot: a third of the time
that `status` takes is for loading them. So contracts, and what SELECTs read, are kept as JSON in
the user's cache folder, where nobody else can write: they decide what may be published. They go by
the bytes of the declarations and of the code that reads them. What can't be read, is damaged, or
could be another user's is as good as nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from stedi.declared.contract import Contract
from stedi.declared.texts import Texts
from stedi.declared.transform import Transform
from stedi.errors import DeclarationError

if TYPE_CHECKING:
    from stedi.declared import Declarations

_MOST_KEPT = 32
_NO_PLACE = (OSError, RuntimeError, ValueError, TypeError, LookupError)
"""What is raised where there is no home, where a file can't be read, or isn't what was written."""
_OF_TRANSFORM = ("inputs", "sources", "paired_columns", "sums_hold")
_OF_ALL = ("read_by_rules", "read_by_suspensions")
_READERS = ("declared", "sql", "columns.py")
"""The code by which it goes, below the package."""


@dataclass(frozen=True)
class Kept:
    """Declarations as they were read; `facts` are attributes of them that their SQL shows."""

    contracts: Mapping[str, Contract]
    transforms: Mapping[str, Transform]
    facts: Mapping[str, Any]


def read(texts: Texts) -> Kept | None:
    """What is kept of these texts; None where that is nothing that can be relied on."""
    with suppress(*_NO_PLACE):
        return _unpacked(_trusted(_path(texts)))
    return None


def keep(texts: Texts, declarations: Declarations) -> None:
    """Keep what was read of these texts, if there is a place for it."""
    with suppress(*_NO_PLACE, DeclarationError):
        packed = _packed(declarations)
        kept = _unpacked(packed)
        read = {**declarations.contracts}
        if kept.contracts != read or repr(kept.contracts) != repr(read):  # as 1 and 1.0 are
            return  # it would come back as something else
        path = _path(texts)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_room(path.parent)
        with NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(packed).hexdigest().encode() + b"\n" + packed)
        Path(file.name).replace(path)


def _packed(declarations: Declarations) -> bytes:
    transforms = [
        {**asdict(one), "facts": {name: getattr(one, name) for name in _OF_TRANSFORM}}
        for one in declarations.transforms.values()
    ]
    kept = {
        "contracts": [asdict(contract) for contract in declarations.contracts.values()],
        "transforms": transforms,
        "facts": {name: getattr(declarations, name) for name in _OF_ALL},
    }
    return json.dumps(kept).encode()


def _unpacked(packed: bytes) -> Kept:
    kept = json.loads(packed)
    contracts = [_made(Contract, contract) for contract in kept["contracts"]]
    transforms = {}
    for one in kept["transforms"]:
        facts = one.pop("facts")
        transforms[one["table"]] = transform = Transform(**one)
        vars(transform).update({name: _tuples(facts[name]) for name in _OF_TRANSFORM})
    facts = {name: kept["facts"][name] for name in _OF_ALL}
    return Kept({contract.name: contract for contract in contracts}, transforms, _tuples(facts))


def _made(kind: Any, value: Any) -> Any:
    """A dataclass, or what it has in it, from what JSON makes of it."""
    if value is None:
        return None
    if isinstance(kind, type) and is_dataclass(kind):
        types = _types(kind)
        return kind(**{name: _made(types[name], one) for name, one in value.items()})
    inner = [one for one in get_args(kind) if one not in (type(None), Ellipsis)]
    if isinstance(value, list):
        return tuple(_made(inner[0], one) for one in value)
    return value if len(inner) != 1 else _made(inner[0], value)


@cache
def _types(kind: type) -> dict[str, Any]:
    types = get_type_hints(kind)
    return {field.name: types[field.name] for field in fields(kind)}


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(one) for key, one in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _trusted(path: Path) -> bytes:
    """What is kept in a file as it was written; raises `OSError` or `ValueError` otherwise."""
    for place in (path.parent, path):
        found = place.lstat()
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
            raise PermissionError(place)
    digest, _, packed = path.read_bytes().partition(b"\n")
    if hashlib.sha256(packed).hexdigest().encode() != digest:
        raise ValueError(path)
    return packed


def _path(texts: Texts) -> Path:
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(
        f"{texts.profile} {texts.profiles} {texts.digest} {_code()}".encode()
    ).hexdigest()
    return cache_folder / "stedi" / "declarations" / f"{key}.json"


@cache
def _code() -> str:
    """Changes whenever the code that reads declarations does."""
    package = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for name in _READERS:
        place = package / name
        for path in sorted(place.glob("*.py")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _make_room(folder: Path) -> None:
    kept = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in kept[: -_MOST_KEPT + 1]:
        path.unlink(missing_ok=True)
