"""How large the installed packages of stedi and of each extra are: `python docs/sizes.py`.

Counts the files of the distributions that are installed in this environment.
"""

from __future__ import annotations

import importlib.metadata as metadata
import tomllib
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def closure(requirements: Iterable[str]) -> dict[str, metadata.Distribution]:
    """The distributions that these requirements need, by name."""
    found: dict[str, metadata.Distribution] = {}
    seen, waiting = set(), [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        distribution = found[key[0]] = metadata.distribution(requirement.name)
        for text in distribution.requires or []:
            needed = Requirement(text)
            extras = requirement.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(needed)
    return found


def megabytes(distributions: Iterable[metadata.Distribution]) -> int:
    """The size of their files."""
    files = [file.locate() for one in distributions for file in one.files or []]
    paths = [Path(str(file)) for file in files]
    return round(sum(path.stat().st_size for path in paths if path.is_file()) / 1e6)


def main() -> None:
    """Print a line for stedi, and one for what each extra adds."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    base = closure(project["dependencies"])
    print(f"stedi: {megabytes(base.values())} MB")
    for name, requirements in project["optional-dependencies"].items():
        added = closure(requirements)
        more = [one for key, one in added.items() if key not in base]
        print(f"{name}: + {megabytes(more)} MB")


if __name__ == "__main__":
    main()
