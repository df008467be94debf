"""The page of a lakehouse: one HTML file that needs nothing else, for people who would rather look.

No script and no picture is fetched, and none of what came from outside is anything but text. The
file's own small script opens and searches; without it all is there to read.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from stedi.errors import Unavailable, UsageError
from stedi.extras import to_install
from stedi.roots import Files
from stedi.written import Document

_MARK = '<meta name="generator" content="STEDI Lakehouse'
_LOOKED_AT = 4096
_EXTRA = {"jinja2": "Jinja2", "vl_convert": "vl-convert-python"}


def require_extra() -> None:
    """Raise `Unavailable` without the packages of the extra `page`."""
    if missing := [name for module, name in _EXTRA.items() if find_spec(module) is None]:
        raise Unavailable(f"a page needs {' and '.join(missing)}: {to_install('page')}")


def page_at(path: Path) -> Document:
    """A page that is to be written; one that is there already may be replaced by a newer one."""
    return Document(path, f"page {path}", (".html", ".htm"), _is_page, "is no page of ours")


def require_publishable(uri: str, files: Files, path: Path, lakehouse: str) -> None:
    """Raise `UsageError` where a page can't be put at a URI, or would replace something else.

    `path` is that of the URI among `files`, `lakehouse` the URI below which nothing but the
    lakehouse's own files may lie.
    """
    what = f"page {uri}"
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{what}: name an object that ends in .html")
    if uri.startswith(f"{lakehouse}/"):
        raise UsageError(f"{what}: lies in the lakehouse; name an object outside")
    if files.stat(path) is None:
        return
    with files.open(path) as stream:
        if _MARK.encode() not in stream.read(_LOOKED_AT):
            raise UsageError(f"{what}: is there already, and is no page of ours; name another")


def _is_page(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _MARK.encode() in file.read(_LOOKED_AT)
    except OSError:
        return False
