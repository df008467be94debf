"""Receipts of erasures: one file for people and for programs, sealed with the secret.

Behind the text stands the same as JSON, and a seal of it all that only who has the secret can make,
and check. The command that ends an erasure writes its receipt; until its proof is made, it says so.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stedi.errors import UsageError
from stedi.landing.erased import RECEIPTS, Keyer
from stedi.roots import Files
from stedi.roots.names import OWN_FOLDER
from stedi.roots.scratch import scratch
from stedi.text import counted

_SEAL = re.compile(r"\nSeal: `([0-9a-f]+:[0-9a-f]+)`\n\Z")
_JSON = re.compile(r"\n```json\n(.*?)\n```\n", re.DOTALL)
_NOT_YET = (
    "**Not verified yet.** The command was interrupted before it had searched for what is left. "
    "`stedi erase --verify` with everything that is listed under *Who* searches every byte, and "
    "completes this receipt."
)


@dataclass(frozen=True)
class Receipt:
    """What a receipt says, for programs, and the name of its file."""

    name: str
    content: Mapping[str, Any]

    @property
    def is_verified(self) -> bool:
        """Whether a search for what may be left was made since."""
        return self.content["verified"]["at"] is not None

    def renewed(self, renew: Callable[[str], str | None]) -> Receipt:
        """With fingerprints of people as a newer secret makes them, as far as that is known."""
        found = self.content["found"]
        subjects = [
            {**one, "fingerprint": renew(one["fingerprint"]) or one["fingerprint"]}
            for one in found["subjects"]
        ]
        return Receipt(self.name, {**self.content, "found": {**found, "subjects": subjects}})


def written(receipt: Receipt, keyer: Keyer) -> str:
    """A receipt as text, with its seal."""
    text = "\n".join(_text(receipt.content))
    as_json = json.dumps(receipt.content, indent=1, ensure_ascii=False)
    body = f"{text}\n```json\n{as_json}\n```\n"
    return f"{body}\nSeal: `{keyer.seal(body.encode())}`\n"


def keep(files: Files, receipt: Receipt, text: str) -> Path:
    """Put a receipt into the lakehouse, in place of what it said before; returns where."""
    with scratch(files.root, "receipt") as folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / receipt.name).write_text(text, encoding="utf-8")
        target = _folder(files) / receipt.name
        files.replace(folder / receipt.name, target)
    return target


def unverified(files: Files, keyer: Keyer) -> Iterator[Receipt]:
    """Receipts of erasures whose proof was not made; those that can't be checked are left out."""
    for path, _ in sorted(files.below(_folder(files))):
        with files.open(path) as file:
            text = (file.readall() or b"").decode(errors="replace")
        try:
            receipt = Receipt(path.name, _checked(text, "", keyer))
        except UsageError:
            continue
        if not receipt.is_verified:
            yield receipt


def check(path: Path, keyer: Keyer) -> Mapping[str, Any]:
    """What a receipt says; raises `UsageError` where it is none, or its seal doesn't hold."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"--receipt {path}: no such file, or no text") from None
    return _checked(text, f"--receipt {path}: ", keyer)


def _checked(text: str, where: str, keyer: Keyer) -> Mapping[str, Any]:
    seal, found = _SEAL.search(text), _JSON.search(text)
    if seal is None or found is None:
        raise UsageError(f"{where}not a receipt of an erasure, or cut off")
    key_id = seal[1].partition(":")[0]
    sealer = keyer.as_of(key_id)
    if sealer is None:
        raise UsageError(f"{where}was sealed with another secret; set STEDI_SECRET to that one")
    body = text[: seal.start()]
    if not hmac.compare_digest(sealer.seal(body.encode()), seal[1]):
        raise UsageError(f"{where}was changed since it was sealed; don't rely on it")
    content: Mapping[str, Any] = json.loads(found[1])
    return content


def _folder(files: Files) -> Path:
    return files.root / OWN_FOLDER / RECEIPTS


def _text(content: Mapping[str, Any]) -> Iterator[str]:
    found, removed, verified = content["found"], content["removed"], content["verified"]
    yield f"# Erasure, {time_of(content['done'])} UTC\n"
    yield f"Lakehouse: {content['lakehouse']}. Begun {time_of(content['begun'])}.\n"
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
        _NOT_YET
        if verified["at"] is None
        else (
            f"{time_of(verified['at'])}: {counted(verified['files'], 'file')}, "
            f"{counted(verified['bytes'], 'byte')} read, raw and decoded. "
            + (_proven(verified) if verified["proven"] else "**Not proven:**")
        )
    )
    for one in verified.get("still_there", ()):
        yield f"- {one['file']}, {one['where']}: {one['kind']}, {one['form']}"
    for name in verified.get("could_not_be_read", ()):
        yield f"- {name}: could not be read"
    for place, count in verified.get("records_left", {}).items():
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


def time_of(at: int) -> str:
    """A time as receipts say it."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
