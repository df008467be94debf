"""Local paths as URIs, and back."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlparse


def to_uri(path: Path) -> str:
    """The `file://` URI of a local path, spelled as Iceberg's libraries spell it."""
    return f"file://{path.absolute()}"


def local_path(uri: str) -> Path:
    """The local path of a `file://` URI."""
    return Path(urlparse(uri).path)
