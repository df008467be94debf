"""The receipt of an erasure: one file for people and for programs, sealed with the secret.

It says what was found where, what was removed, what was verified, and what lies out of reach; of
people it has fingerprints alone. Behind the text stands the same as JSON, and a seal of it all that
only who has the secret can make, and check.
"""

from __future__ import annotations

import hmac
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stedi.errors import UsageError
from stedi.landing.erased import Keyer
from stedi.landing.fold import fold
from stedi.rights.erase import Forgotten
from stedi.rights.find import Found
from stedi.rights.subjects import Identity
from stedi.roots import Files
from stedi.roots.names import OWN_FOLDER
from stedi.roots.scratch import scratch
from stedi.text import counted

_FOLDER = "receipts"
_SEAL = re.compile(r"\nSeal: `([0-9a-f]+:[0-9a-f]+)`\n\Z")
_JSON = re.compile(r"\n```json\n(.*?)\n```\n", re.DOTALL)
BEYOND = (
    "backups and copies of the lakehouse, and versions or snapshots that a disk or a backup system "
    "keeps",
    "releases of data sets that were given out",
    "models that were trained, and kept outside of the lakehouse",
    "results of queries that were kept, by Athena or by `stedi query --output`",
    "the systems that deliver the raw files",
    "blocks of a disk that were freed and not yet written over",
)
"""What no command here can reach."""


@dataclass(frozen=True)
class Checked:
    """A receipt whose seal holds: what it says, for programs."""

    content: Mapping[str, Any]


def receipt(forgotten: Forgotten, location: str, keyer: Keyer, beyond: Iterable[str] = ()) -> str:
    """The receipt of an erasure; `beyond` names what was given out, beside `BEYOND`."""
    content = _content(forgotten, location, [*beyond, *BEYOND])
    text = "\n".join(_text(content))
    body = f"{text}\n```json\n{json.dumps(content, indent=1, ensure_ascii=False)}\n```\n"
    return f"{body}\nSeal: `{keyer.seal(body.encode())}`\n"


def keep(files: Files, text: str, forgotten: Forgotten) -> Path:
    """Write a receipt into the lakehouse folder; returns where."""
    first = forgotten.fingerprints[0].rpartition(":")[2][:8] if forgotten.fingerprints else "none"
    name = f"{_time(forgotten.done).replace(':', '').replace(' ', '-')}-{first}.md"
    with scratch(files.root, "receipt") as folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        target = files.root / OWN_FOLDER / _FOLDER / name
        files.replace(folder / name, target)
    return target


def check(path: Path, keyer: Keyer) -> Checked:
    """Check the seal of a receipt; raises `UsageError` where it is none, or was changed."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"--receipt {path}: no such file, or no text") from None
    seal, found = _SEAL.search(text), _JSON.search(text)
    if seal is None or found is None:
        raise UsageError(f"--receipt {path}: not a receipt of an erasure, or cut off")
    key_id = seal[1].partition(":")[0]
    sealer = keyer.as_of(key_id)
    if sealer is None:
        raise UsageError(
            f"--receipt {path}: was sealed with another secret; set STEDI_SECRET to that one"
        )
    body = text[: seal.start()]
    if not hmac.compare_digest(sealer.seal(body.encode()), seal[1]):
        raise UsageError(f"--receipt {path}: was changed since it was sealed; don't rely on it")
    return Checked(json.loads(found[1]))


def found_as_json(found: Found, keyer: Keyer) -> dict[str, Any]:
    """What was found, for programs; of people it has fingerprints alone."""
    hide = _Hiding(found.identities, keyer)
    shared = {(s.identity.kind, s.identity.value): s for s in found.shared}
    return {
        "subjects": [
            {
                "kind": i.kind,
                "fingerprint": keyer.of(i.kind, i.value),
                "asked": i.asked,
                "shared_with": shared[i.kind, i.value].others if (i.kind, i.value) in shared else 0,
                "kept_for_others": found.kept.get((i.kind, i.value), 0),
            }
            for i in found.identities
        ],
        "landing": [
            {
                "source": raw.source,
                "file": hide(raw.name),
                "records": raw.records,
                "set_aside": raw.pieces,
            }
            for raw in found.landing
        ],
        "tables": [
            {
                "table": rows.table,
                "file": rows.file.path.name,
                "rows": len(rows.rows),
                "snapshots": len(rows.snapshots),
                "current": rows.is_current,
            }
            for rows in found.tables
        ],
        "versions": [
            {
                "file": hide(f"{kept.source}/landing/{kept.name}" if kept.source else kept.name),
                "version": kept.version,
                "records": kept.records,
            }
            for kept in found.versions
        ],
        "also_there": dict(sorted(Counter(kind for kind, _ in found.spelled).items())),
        "mentioned_by_others": {hide(one.file): one.records for one in found.mentions},
    }


class _Hiding:
    """Takes identifiers out of names of files."""

    def __init__(self, identities: Sequence[Identity], keyer: Keyer) -> None:
        self._hidden = {i.value: keyer.of(i.kind, i.value)[:16] for i in identities}

    def __call__(self, text: str) -> str:
        for value, fingerprint in self._hidden.items():
            text = text.replace(value, fingerprint)
            if fold(value) in fold(text):
                return fingerprint
        return text


def _content(forgotten: Forgotten, location: str, beyond: Sequence[str]) -> dict[str, Any]:
    found, proof, keyer = forgotten.found, forgotten.proof, Keyer.of_user()
    hide = _Hiding(found.identities, keyer)
    traced = proof.traced
    return {
        "what": "erasure",
        "lakehouse": location,
        "begun": forgotten.begun,
        "done": forgotten.done,
        "found": found_as_json(found, keyer),
        "removed": {
            "records": _sums((raw.source, len(raw.places)) for raw in found.landing),
            "rows": _sums((t.table, len(t.rows)) for t in found.tables if t.is_current),
            "snapshots": {
                table: len({s for t in found.tables if t.table == table for s in t.snapshots})
                for table in sorted({t.table for t in found.tables})
            },
            "rebuilt": [built.table for built in forgotten.run.built] if forgotten.run else [],
        },
        "verified": {
            "at": proof.at,
            "proven": proof.holds,
            "files": traced.files,
            "bytes": traced.bytes,
            "still_there": [
                {
                    "file": hide(one.file),
                    "where": hide(one.where),
                    "form": one.form,
                    "kind": one.identity.kind,
                }
                for one in traced.exact
            ],
            "spelled_otherwise": sorted({hide(t.file) for t in traced.traces if not t.is_exact}),
            "could_not_be_read": [hide(name) for name in traced.unreadable],
            "mentioned_by_others": {hide(one.file): one.records for one in proof.mentions},
            "records_left": {hide(place): count for place, count in proof.left.items()},
        },
        "out_of_reach": list(beyond),
    }


def _sums(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums = Counter[str]()
    for name, count in counts:
        sums[name] += count
    return dict(sorted(sums.items()))


def _text(content: Mapping[str, Any]) -> Iterator[str]:
    found, removed, verified = content["found"], content["removed"], content["verified"]
    yield f"# Erasure, {_time(content['done'])} UTC\n"
    yield f"Lakehouse: {content['lakehouse']}. Begun {_time(content['begun'])}.\n"
    yield "## Who\n"
    for one in found["subjects"]:
        how = "asked for" if one["asked"] else "linked"
        shared = (
            f"; {counted(one['shared_with'], 'other person')} had it too, "
            f"{counted(one['kept_for_others'], 'record')} kept for them"
            if one["shared_with"]
            else ""
        )
        yield f"- {one['kind']} `{one['fingerprint']}` ({how}){shared}"
    yield "\n## What was found and removed\n"
    for source, count in removed["records"].items():
        yield f"- raw files of {source}: {counted(count, 'record')}"
    for table, count in removed["rows"].items():
        snapshots = counted(removed["snapshots"][table], "snapshot")
        yield f"- {table}: {counted(count, 'row')}, and {snapshots} that had some of theirs"
    if not (removed["records"] or removed["rows"]):
        yield "- nothing was held"
    if removed["rebuilt"]:
        yield f"\nUpdated: {', '.join(removed['rebuilt'])}."
    yield "\n## What was verified\n"
    yield (
        f"{_time(verified['at'])}: {counted(verified['files'], 'file')}, "
        f"{counted(verified['bytes'], 'byte')} read, raw and decoded. "
        + (_proven(verified) if verified["proven"] else "**Not proven:**")
    )
    for one in verified["still_there"]:
        yield f"- {one['file']}, {one['where']}: {one['kind']}, {one['form']}"
    for name in verified["could_not_be_read"]:
        yield f"- {name}: could not be read"
    for place, count in verified["records_left"].items():
        yield f"- {place}: {counted(count, 'record')} left"
    if mentioned := verified.get("mentioned_by_others"):
        yield "\n## What stays, and why\n"
        yield "Records about somebody else that mention them; they are the others', and stay:\n"
        for file, count in mentioned.items():
            yield f"- {file}: {counted(count, 'record')}"
    yield "\n## What lies out of reach\n"
    for what in content["out_of_reach"]:
        yield f"- {what}"


def _proven(verified: Mapping[str, Any]) -> str:
    if verified.get("mentioned_by_others"):
        return "Nothing of theirs is left; records about others mention them, as said below."
    return "Nothing is left."


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
