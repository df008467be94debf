"""Finds records of somebody in raw files of which it is known that all records fit.

Where nothing is escaped in such a file, an identifier stands there byte for byte, in quotes. What
lies on its line is read as the landing parser reads it. Where that isn't one record and nothing
else, the file has to be read from end to end: so the answer is right, or there is none.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Sequence
from pathlib import Path

from stedi.declared.contract import Contract
from stedi.landing.locate import Place, by_name
from stedi.landing.records import Record, RecordReader
from stedi.landing.window import is_packed
from stedi.rights.quoted import Quoted
from stedi.rights.wanted import Wanted

_ESCAPED = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
_BEFORE, _BEHIND = re.compile(rb"[ \t\[,]*+"), re.compile(rb"[ \t\r\],]*+")
_LONGEST_LINE = 1 << 16


class Lines:
    """Finds records that are wanted in plain raw files of one source."""

    def __init__(self, contract: Contract, wanted: Wanted) -> None:
        self._contract, self._wanted = contract, wanted
        self._reader = RecordReader(contract)
        # What has to be escaped stands in no file that has no escapes.
        self._quoted = Quoted(text for text in wanted.texts if not _ESCAPED.search(text))

    def find(self, path: Path) -> Sequence[Place] | None:
        """The records of a file that are wanted, in its order; None where that can't be told so.

        Raises `OSError`.
        """
        if is_packed(path.name) or not path.exists():
            return None
        with path.open("rb") as file:
            if not file.seek(0, 2):
                return ()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return None if data.find(b"\\") >= 0 else self._find(data)

    def _find(self, data: mmap.mmap) -> Sequence[Place] | None:
        places: list[Place] = []
        read = 0
        for at in self._quoted.find(data):
            if at < read:
                continue  # it stands on the line before, too
            line = 1 + data.rfind(b"\n", max(0, at - _LONGEST_LINE), at)
            end = data.find(b"\n", at, at + _LONGEST_LINE)
            end = len(data) if end < 0 else end
            if end - line > 2 * _LONGEST_LINE or (line and data[line - 1] != ord("\n")):
                return None
            place = self._record(data[line:end], line)
            if place is None:
                return None
            if self._wanted.record(by_name(self._contract, place.content)):  # type: ignore[arg-type]
                places.append(place)
            read = end
        return places

    def _record(self, line: bytes, at: int) -> Place | None:
        """The one record that a line has; None where it has another thing beside."""
        span = self._reader.read(bytearray(line), 0, len(line), True)
        if span is None or not isinstance(span.content, Record):
            return None
        if not _BEFORE.fullmatch(line, 0, span.begin) or not _BEHIND.fullmatch(line, span.end):
            return None
        return Place(at + span.begin, at + span.end, span.content)
