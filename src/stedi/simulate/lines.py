"""What was drawn as JSON, one object a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stedi.arrays import Int32s, Int64s
from stedi.simulate.drawn import Drawn
from stedi.simulate.histories import SPELLINGS_OF_NONE


@dataclass(frozen=True)
class Lines:
    """Lines one after another: number `n` is `text[ends[n] : ends[n + 1]]`, newline included."""

    text: memoryview
    ends: Int32s

    @classmethod
    def of(cls, lines: pa.Array) -> Lines:
        """The lines of a string array, without a copy: its values lie in one buffer."""
        _, offsets, values = lines.buffers()
        ends = np.frombuffer(offsets, dtype=np.int32)
        return cls(memoryview(values), ends[lines.offset : lines.offset + len(lines) + 1])

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, n: int) -> bytes:
        return bytes(self.text[self.ends[n] : self.ends[n + 1]])

    def split(self, n: int) -> tuple[Lines, Lines]:
        """The first `n` lines, and the others."""
        return Lines(self.text, self.ends[: n + 1]), Lines(self.text, self.ends[n:])

    def write(self, path: Path, edits: Mapping[int, bytes]) -> None:
        """Write all lines to a file, those whose numbers stand in `edits` with other bytes."""
        with path.open("wb") as file:
            at = self.ends[0]
            for n, edit in sorted(edits.items()):
                file.write(self.text[at : self.ends[n]])
                file.write(edit)
                at = self.ends[n + 1]
            file.write(self.text[at : self.ends[-1]])


def customer_lines(drawn: Drawn) -> Lines:
    """Customer records in the spelling of the starter data."""
    people, records = drawn.people, drawn.records
    person = pa.array(records.person)
    none = pa.array([f', "shareWithResearchAsOfDate": {n}' if n else "" for n in SPELLINGS_OF_NONE])
    return _join(
        '{"customerName": "', people.names.take(person),
        '", "email": "', people.emails.take(person),
        '", "phone": "8015551212", "birthDay": "', records.birth_year,
        '-01-01", "serialNumber": "', people.serial_numbers.take(pa.array(records.device)),
        '", "registrationDate": ', records.registered,
        ', "lastUpdateDate": ', records.updated,
        _where_given(
            ', "shareWithResearchAsOfDate": ', records.research, none.take(pa.array(records.none))
        ),
        _where_given(', "shareWithPublicAsOfDate": ', records.public, ""),
        _where_given(', "shareWithFriendsAsOfDate": ', records.friends, ""),
        "}\n",
    )  # fmt: skip


def step_lines(drawn: Drawn) -> Lines:
    """Step trainer records, in the order of the readings."""
    device = pa.array(drawn.device[drawn.moments.person])
    return _join(
        '{"sensorReadingTime":', drawn.moments.time,
        ',"serialNumber":"', drawn.people.serial_numbers.take(device),
        '","distanceFromObject":', drawn.distance,
        "}\n",
    )  # fmt: skip


def accelerometer_lines(drawn: Drawn) -> Lines:
    """Accelerometer records, in the order of the readings they belong to."""
    moments, records = drawn.moments, drawn.accelerations
    return _join(
        '{"user":"', drawn.people.emails.take(pa.array(moments.person[records.reading])),
        '","timestamp":', moments.time[records.reading],
        ',"x":', records.x,
        ',"y":', records.y,
        ',"z":', records.z,
        "}\n",
    )  # fmt: skip


def _where_given(key: str, instants: Int64s, otherwise: str | pa.Array) -> pa.Array:
    members = pc.binary_join_element_wise(key, pa.array(instants).cast(pa.string()), "")
    return pc.if_else(pa.array(instants > 0), members, otherwise)


def _join(*parts: str | pa.Array | Int64s) -> Lines:
    texts = [
        pa.array(part).cast(pa.string()) if isinstance(part, np.ndarray) else part for part in parts
    ]
    return Lines.of(pc.binary_join_element_wise(*texts, ""))
