"""What stedi is made of, from the lock file: a bill of materials (CycloneDX), with licences.

    python supply/sbom.py [LOCK] > sbom.json

Names, versions and hashes are the lock's; licences are what the installed packages say of
themselves. The same lock gives the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

ROOT = Path(__file__).parents[1]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ \\;]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_CLASSIFIER = "License :: OSI Approved :: "


def pins(lock: str) -> list[tuple[str, str, list[str]]]:
    """Packages of a lock file, their versions, and the SHA-256 of each of their files.

    Of a package there may be several versions, for other versions of Python.
    """
    found = [*_PIN.finditer(lock)]
    ends = [*(match.start() for match in found[1:]), len(lock)]
    return [
        (match[1], match[2], _HASH.findall(lock, match.end(), end))
        for match, end in zip(found, ends, strict=True)
    ]


def licence(package: str) -> str | None:
    """What an installed package says of its licence; None where it isn't installed here."""
    try:
        about = metadata(package)
    except PackageNotFoundError:
        return None
    classified = [
        line.removeprefix(_CLASSIFIER)
        for line in about.get_all("Classifier") or ()
        if line.startswith(_CLASSIFIER)
    ]
    [expressed, *_] = about.get_all("License-Expression") or [""]
    [told, *_] = about.get_all("License") or [""]
    said = str(expressed or " AND ".join(classified) or told).strip()
    return said.splitlines()[0] if said else "not stated"


def bill(lock: Path) -> Bom:
    """The bill of materials of a lock file."""
    bom = Bom(version=1)
    bom.metadata.component = Component(
        name="stedi", type=ComponentType.APPLICATION, bom_ref="stedi"
    )
    for name, version, hashes in pins(lock.read_text()):
        said = licence(name)
        bom.components.add(
            Component(
                name=name,
                version=version,
                type=ComponentType.LIBRARY,
                bom_ref=f"{name}=={version}",
                purl=PackageURL("pypi", name=name, version=version),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in hashes],
                licenses=[DisjunctiveLicense(name=said)] if said else (),
            )
        )
    bom.register_dependency(bom.metadata.component, bom.components)
    return bom


def as_json(bom: Bom) -> str:
    """A bill as CycloneDX's JSON, the same each time."""
    told = json.loads(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string())
    del told["serialNumber"], told["metadata"]["timestamp"]
    return json.dumps(told, indent=2)


if __name__ == "__main__":
    print(as_json(bill(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "requirements.lock")))
