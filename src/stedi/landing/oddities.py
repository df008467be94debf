"""What records have beside their contract and are read all the same: counted, by kind and key.

Counts are kept of each file, in the table `loads`. Keys are kept only as far as they may be shown:
one that could name a person is masked.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Literal

from stedi.declared.contract import Contract
from stedi.landing.records import Record
from stedi.text import counted

Kind = Literal["as text", "blank", "unknown", "wrapper"]
"""A `lenient` column's value that is no text; none at all; a key that the contract lacks; a key
with a list of records, in a quarantined record."""
Oddities = Counter[tuple[Kind, str]]
_PLAIN = re.compile(r"(?!.*[0-9]{4})[A-Za-z_$][A-Za-z0-9_$.:-]{0,79}")
"""A key that names a thing: no address, no number of a person or device."""
_MOST_KEYS = 64
_OTHERS = "(others)"
_ALIKE = 0.6
_CODES: Mapping[Kind, str] = {
    "as text": "read_as_text",
    "blank": "without_value",
    "wrapper": "wrapped",
}


class Noticing:
    """Notes what is odd about records of one contract; `found` has the counts so far."""

    def __init__(self, contract: Contract) -> None:
        self._known = {(c.json_key or c.name).lower() for c in contract.delivered}
        self._keys = [shown_key(c.json_key or c.name) for c in contract.delivered]
        self.lenient = [n for n, c in enumerate(contract.delivered) if c.lenient]
        self.found: Oddities = Counter()

    def record(self, record: Record) -> None:
        """Note what is odd about a record that was read by itself."""
        for n in record.as_text:
            self.found["as text", self._keys[n]] += 1
        for n in self.lenient:
            if record.values[n] is None:
                self.found["blank", self._keys[n]] += 1
        if record.has_unknown_keys:
            for key in record.keys:
                if key.lower() not in self._known:
                    self.unknown(key, 1)

    def blank(self, column: int, count: int) -> None:
        """Note records without a value in a lenient column."""
        if count:
            self.found["blank", self._keys[column]] += count

    def unknown(self, key: str, count: int) -> None:
        """Note records with a key that the contract lacks."""
        self.found["unknown", shown_key(key)] += count

    def wrapper(self, key: str) -> None:
        """Note a quarantined record that has records in a list under a key."""
        self.found["wrapper", shown_key(key)] += 1

    def take(self) -> Oddities:
        """What was found since the last time."""
        found, self.found = self.found, Counter()
        return found


def shown_key(key: str) -> str:
    """A key as it may be shown and kept; letters and digits of any odd one are masked."""
    if _PLAIN.fullmatch(key):
        return key
    return re.sub(r"[A-Za-z]|[^\x20-\x7e]", "x", re.sub(r"[0-9]", "0", key))[:80]


def limited(oddities: Oddities) -> Oddities:
    """The same with no more keys of a kind than are kept; the rest is counted together."""
    kept: Oddities = Counter()
    by_kind: Counter[Kind] = Counter()
    for (kind, key), count in oddities.most_common():
        by_kind[kind] += 1
        kept[kind, key if by_kind[kind] <= _MOST_KEYS else _OTHERS] += count
    return kept


def as_json(oddities: Oddities) -> str:
    """Counts as the table `loads` has them; an empty text where there are none."""
    by_kind: dict[str, dict[str, int]] = {}
    for (kind, key), count in sorted(limited(oddities).items()):
        by_kind.setdefault(kind, {})[key] = count
    return json.dumps(by_kind, ensure_ascii=False) if by_kind else ""


def from_json(texts: Iterable[str]) -> Oddities:
    """The counts of several files, all together."""
    total: Oddities = Counter()
    for text in texts:
        by_kind: Mapping[Kind, Mapping[str, int]] = json.loads(text) if text else {}
        for kind, counts in by_kind.items():
            for key, count in counts.items():
                total[kind, key] += count
    return total


def nearest_key(contract: Contract, key: str) -> str | None:
    """The key of the contract that is spelled most like one that it lacks; None if none is."""
    plain = _plain(key)
    known = [column.json_key or column.name for column in contract.delivered]
    likeness = {k: SequenceMatcher(None, plain, _plain(k)).ratio() for k in known}
    likeness |= {k: 1.0 for k in known if min(len(plain), len(_plain(k))) >= 4 and (
        plain in _plain(k) or _plain(k) in plain)}  # fmt: skip
    best = max(known, key=lambda k: likeness[k], default=None)
    return best if best is not None and likeness[best] >= _ALIKE else None


def told(contract: Contract, oddities: Oddities) -> list[tuple[str, int, str]]:
    """Notes on the oddities of a source, without unknown keys: a code, a count, a text."""
    source, found = contract.source, []
    for (kind, key), count in sorted(oddities.items()):
        records = counted(count, "record")
        if kind == "as text":
            text = f"{key} has no text in {records} of the source {source}; read as it was written"
        elif kind == "blank":
            text = f"{key} has no value in {records} of the source {source}"
        else:
            continue
        found.append((_CODES[kind], count, text))
    return found


def wrappers(contract: Contract, oddities: Oddities) -> list[str]:
    """Notes on quarantined records that wrap records."""
    return [
        f"{counted(count, 'object')} of the source {contract.source} with records in a list under "
        f"the key {key}, which `recordsUnder: {key}` in the contract {contract.name} reads"
        for (kind, key), count in sorted(oddities.items())
        if kind == "wrapper"
    ]


def unknown_keys(contract: Contract, oddities: Oddities) -> list[str]:
    """Keys that the contract lacks, the most frequent first, with the nearest that it has."""
    found = [(key, count) for (kind, key), count in oddities.items() if kind == "unknown"]
    found.sort(key=lambda pair: (-pair[1], pair[0]))
    taken = (nearest_key(contract, key) for key, _ in found)
    return [
        f"{key} ({contract.source}, {counted(count, 'record')}{f', like {near}' if near else ''})"
        for (key, count), near in zip(found, taken, strict=True)
    ]


def _plain(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())
