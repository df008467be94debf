"""What a shell completes after Tab: names of profiles, tables and sources, as declared.

Only names of files are looked at: anyone who presses Tab waits.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def profiles(ctx: Any, incomplete: str) -> list[str]:
    """Profiles: `seed`, and the folders of transforms."""
    folder = _declarations(ctx) / "transforms"
    names = ["seed", *(one.name for one in _in(folder) if one.is_dir())]
    return _beginning(names, incomplete)


def tables(ctx: Any, incomplete: str) -> list[str]:
    """Tables that contracts declare."""
    return _beginning(_contracts(ctx), incomplete)


def derived(ctx: Any, incomplete: str) -> list[str]:
    """Tables that a SELECT makes."""
    folder = _declarations(ctx) / "transforms"
    return _beginning((Path(o.name).stem for o in _in(folder) if o.is_file()), incomplete)


def sources(ctx: Any, incomplete: str) -> list[str]:
    """Sources: what landing tables are read from."""
    landing = (name for name in _contracts(ctx) if name.endswith("_landing"))
    return _beginning((name.removesuffix("_landing") for name in landing), incomplete)


def _contracts(context: Any) -> list[str]:
    folder = _declarations(context) / "contracts"
    return [Path(one.name).stem for one in _in(folder) if one.name.endswith(".yaml")]


def _declarations(context: Any) -> Traversable:
    from stedi.declared import packaged

    while context is not None:
        if given := context.params.get("declarations"):
            return Path(given)
        context = context.parent
    told = os.environ.get("STEDI_DECLARATIONS")
    return Path(told) if told else packaged()


def _in(folder: Traversable) -> list[Traversable]:
    return [*folder.iterdir()] if folder.is_dir() else []


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in {*names} if name.startswith(incomplete))
