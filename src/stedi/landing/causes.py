"""What set so much of a source aside: the reason, the key, and what it seems to be instead."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from stedi.declared.contract import Contract
from stedi.landing.oddities import nearest_key, shown_key
from stedi.landing.records import RecordReader, parsed_object
from stedi.landing.times import MILLISECONDS, unit_at
from stedi.roots import Files
from stedi.text import visible

_FITS: str = "file set aside whole"
_FORMATS = {
    **dict.fromkeys((b"\xff\xfe", b"\xfe\xff"), "UTF-16, which has to be written as UTF-8"),
    b"PK\x03\x04": "a zip archive, which has to be unpacked",
    b"BZh": "bzip2, which has to be unpacked",
    b"\xfd7zXZ": "xz, which has to be unpacked",
    b"\x1f\x8b\x08": "gzip that was packed more than four times, which has to be unpacked",
    b"\x28\xb5\x2f\xfd": "zstd that was packed more than four times, which has to be unpacked",
    b"PAR1": "Parquet, which has to be turned into JSON",
    b"Obj\x01": "Avro, which has to be turned into JSON",
    b"<": "XML or HTML",
}
"""What other files than JSON begin with."""
_BATCH_ROWS = 1 << 12
_TRIED = 1_000
"""How many quarantined records are searched for the key that is the cause."""


def cause(files: Files, contract: Contract, quarantine: Sequence[Path]) -> str:
    """The reason of most quarantined records, and the key whose value is the cause."""
    reasons = Counter(reason for (reason,) in _pieces(files, contract, quarantine, ["reason"]))
    own = Counter({r: n for r, n in reasons.items() if r != _FITS}) or reasons
    [(reason, count)] = own.most_common(1)
    reader, keys, hints = RecordReader(contract), Counter[str](), Counter[tuple[str, str]]()
    tried, format_ = 0, ""
    for other, raw, at, name in _pieces(
        files, contract, quarantine, ["reason", "raw", "byte_offset", "file"]
    ):
        if at == 0 and not format_ and (found := _format(contract, raw)):
            format_ = f"; {contract.source}/landing/{visible(name)} looks like {found}"
        if other == reason:
            tried += 1
            key = reader.fault(raw) or ""
            keys[key] += 1
            hints[key, _hint(contract, reason, raw, key)] += 1
        if tried == _TRIED:
            break
    [(key, _)] = keys.most_common(1)
    told = f"{count:,} for the reason {reason!r}" + (f" at the key {shown_key(key)}" if key else "")
    hint, most = max(((h, n) for (of, h), n in hints.items() if of == key), key=lambda one: one[1])
    return (f"{told} ({hint})" if hint and 2 * most > keys[key] else told) + format_


def _format(contract: Contract, begin: bytes) -> str | None:
    """What a file that isn't JSON seems to be, by how it begins."""
    for magic, what in _FORMATS.items():
        if begin.startswith(magic):
            return what
    words = {word.strip(b'"\r ') for word in re.split(b"[,;\t]", begin.split(b"\n")[0])}
    keys = {(column.json_key or column.name).encode() for column in contract.delivered}
    return "CSV, which has to be turned into JSON" if len(words & keys) > 1 else None


def _hint(contract: Contract, reason: str, raw: bytes, key: str) -> str:
    """What a quarantined record seems to have instead of the right value; empty if nothing."""
    if reason == "key missing":
        return _other_key(contract, parsed_object(raw), key)
    unit = unit_at(contract, raw, key)
    return f"given in {unit}, not in {MILLISECONDS}" if unit not in (None, MILLISECONDS) else ""


def _other_key(contract: Contract, values: Mapping[str, object], missing: str) -> str:
    known = {(column.json_key or column.name).lower() for column in contract.delivered}
    for other, value in values.items():
        if isinstance(value, list) and missing in (p[0] for p in value if isinstance(p, tuple)):
            return f"it is in an object under the key {shown_key(other)}"
        if other.lower() not in known and nearest_key(contract, other) == missing:
            return f"perhaps the key {shown_key(other)} is meant; `stedi ingest --look` says more"
    return ""


def _pieces(
    files: Files, contract: Contract, quarantine: Sequence[Path], columns: list[str]
) -> Iterator[tuple[Any, ...]]:
    """Columns of the rows of a source in the quarantine."""
    files.fetch(quarantine)
    for path in quarantine:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=["source", *columns]):
                own = batch.filter(pc.equal(batch.column("source"), contract.source))
                yield from zip(*(own.column(c).to_pylist() for c in columns), strict=True)
