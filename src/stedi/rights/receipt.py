"""What receipts say of an erasure: what was found and removed, and what its proof found since.

Of people they have fingerprints alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from stedi.errors import StediError
from stedi.landing.erased import Keyer
from stedi.landing.fold import fold
from stedi.rights.find import Found
from stedi.rights.prove import Proof
from stedi.rights.subjects import Identity
from stedi.roots import Files
from stedi.run.receipts import Receipt, keep, time_of, unverified, written

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


def begun_receipt(found: Found, begun: int, location: str, beyond: Iterable[str] = ()) -> Receipt:
    """The receipt of an erasure that begins; `beyond` names what was given out."""
    keyer = Keyer.of_user()
    subjects = found.identities
    first = keyer.of(subjects[0].kind, subjects[0].value)[:8] if subjects else "none"
    name = f"{time_of(begun).replace(':', '').replace(' ', '-')}-{first}.md"
    content = {
        "what": "erasure",
        "lakehouse": location,
        "begun": begun,
        "done": None,
        "found": found_as_json(found, keyer),
        "removed": {
            "records": _sums((raw.source, len(raw.places)) for raw in found.landing),
            "rows": _sums((t.table, len(t.rows)) for t in found.tables if t.is_current),
            "snapshots": {
                table: len({s for t in found.tables if t.table == table for s in t.snapshots})
                for table in sorted({t.table for t in found.tables})
            },
            "rebuilt": [],
        },
        "verified": _verified(None, subjects, keyer),
        "out_of_reach": [*beyond, *BEYOND],
    }
    return Receipt(name, content)


def proven_receipt(
    receipt: Receipt,
    identities: Sequence[Identity],
    proof: Proof,
    rebuilt: Sequence[str],
    done: int,
) -> Receipt:
    """A receipt with what was done, and with the proof."""
    content = receipt.content
    return Receipt(
        receipt.name,
        {
            **content,
            "done": done,
            "removed": {**content["removed"], "rebuilt": [*rebuilt]},
            "verified": _verified(proof, identities, Keyer.of_user()),
        },
    )


def complete(files: Files, identities: Sequence[Identity], proof: Proof) -> list[Path]:
    """Add a proof that holds to receipts that have none, of nobody else; returns which.

    Where nothing may be written there, they stay as they are.
    """
    keyer, completed = Keyer.of_user(), list[Path]()
    if not proof.holds:
        return completed
    known = {keyer.of(i.kind, i.value) for i in identities}
    with suppress(OSError, StediError):
        for receipt in unverified(files, keyer):
            if known.issuperset(one["fingerprint"] for one in receipt.content["found"]["subjects"]):
                verified = _verified(proof, identities, keyer)
                whole = Receipt(receipt.name, {**receipt.content, "verified": verified})
                completed.append(keep(files, whole, written(whole, keyer)))
    return completed


def _verified(proof: Proof | None, identities: Sequence[Identity], keyer: Keyer) -> dict[str, Any]:
    if proof is None:
        return {"at": None, "proven": False}
    hide, traced = _Hiding(identities, keyer), proof.traced
    return {
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
    }


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


def _sums(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums = Counter[str]()
    for name, count in counts:
        sums[name] += count
    return dict(sorted(sums.items()))
