"""How to install an extra, from where this package is: a checkout, or an installed package.

No registry has `stedi`, so that `pip install 'stedi[science]'` would find nothing, or another's.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

_CHECKOUT = Path(__file__).parents[2]


def to_install(extra: str) -> str:
    """The command that installs an extra."""
    if (_CHECKOUT / "pyproject.toml").is_file():
        return f"pip install -e '{_CHECKOUT}[{extra}]'"
    packages = " ".join(f"'{package}'" for package in packages_of(extra))
    return f"pip install {packages}" if packages else f"install the packages of its extra {extra}"


def packages_of(extra: str) -> list[str]:
    """What an extra consists of, as the installed package says."""
    try:
        required = requires("stedi") or []
    except PackageNotFoundError:
        return []
    wanted = re.compile(rf"""extra\s*==\s*['"]{re.escape(extra)}['"]""")
    split = (requirement.partition(";") for requirement in required)
    return [package.strip() for package, _, condition in split if wanted.search(condition)]
