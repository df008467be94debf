"""Known vulnerabilities of what the lock file pins: `make audit`.

    python supply/audit.py [LOCK]

Ends with 0 where a database was asked and knows none, 1 where it knows some, and 3 where no
database could be reached: then nothing is known, which is said. Nothing is installed, and nothing
but names and versions leaves this machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DATABASES = {"pypi": "PyPI's advisories", "osv": "OSV"}
SECONDS = 60
"""How long one database may take."""
OUT_OF_REACH = 3


def main(lock: Path) -> int:
    """Ask one database after the other, until one answers."""
    for name, title in DATABASES.items():
        found = ask(name, lock)
        if found is None:
            print(f"{title}: out of reach")
            continue
        return tell(title, lock, found)
    print(f"No database of vulnerabilities is in reach: nothing is known of {lock.name}.")
    return OUT_OF_REACH


def ask(database: str, lock: Path) -> Mapping[str, Any] | None:
    """What pip-audit finds there; None where it can't be reached."""
    options = ("--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json")
    words = ["-m", "pip_audit", "-r", str(lock), "-s", database, *options]
    try:
        done = subprocess.run(
            [sys.executable, *words, "--timeout=10"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        found = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return None
    if not isinstance(found, dict):
        return None
    # An index between this machine and the database may refuse each question by itself.
    is_answered = any("skip_reason" not in package for package in found["dependencies"])
    return found if is_answered else None


def tell(title: str, lock: Path, found: Mapping[str, Any]) -> int:
    """Print what was found; 1 where that is anything."""
    packages = found["dependencies"]
    known = [(p, v) for p in packages for v in p.get("vulns", ())]
    for package, vulnerability in known:
        mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {vulnerability['id']}, mended in {mended}")
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if skipped:
        print(f"{title} could not say of: {', '.join(skipped)}")
    count = len(packages) - len(skipped)
    print(f"{lock.name}: {count} packages, {len(known)} vulnerabilities known to {title}.")
    return 1 if known or skipped else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "requirements.lock"))
