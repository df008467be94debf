"""Which rows, records and quarantined records belong to the people asked for, by identifier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stedi.arrays import Bools
from stedi.declared.contract import Contract
from stedi.landing.fold import as_spelled, fold
from stedi.landing.records import Piece, parsed_object
from stedi.rights.forms import ENDINGS, SHORTEST
from stedi.rights.subjects import Deciding, Identity, Kind, deciding
from stedi.rights.whole import FEW, any_whole, has_whole

_NOT_VISIBLE_ASCII = "[^!-~]"


@dataclass
class Wanted:
    """What is sought in one table, as `stedi.landing.locate` asks for it.

    `spelled` counts texts, by kind, that are spelled like an identifier but for case, spaces or
    Unicode form: none is taken. `spared` counts what is of others, by the identity's kind and
    value, `mentions` rows of others that have an identifier.
    """

    contract: Contract
    identities: Sequence[Identity]
    known: Mapping[str, Kind]
    spelled: Counter[tuple[str, str]] = field(default_factory=Counter)
    spared: Counter[tuple[str, str]] = field(default_factory=Counter)
    mentions: int = 0

    def __post_init__(self) -> None:
        """Sort the identities by the columns that they are looked for in."""
        self.deciding = deciding(self.contract, self.known)
        self._by_column: dict[str, dict[str, Identity]] = {}
        self._folded: dict[str, set[str]] = {}
        for one in self.deciding:
            of_kind = {i.value: i for i in self.identities if i.kind == one.kind}
            self._by_column[one.column.name] = of_kind
            self._folded[one.column.name] = {fold(value) for value in of_kind}
        # An invalid record may be of anyone it names; of a shared thing, its time alone decides.
        kinds = {column.subject for column in self.contract.delivered}
        self._whole = [
            i.value
            for i in self.identities
            if not i.spared and (len(i.value) >= FEW or i.kind in kinds)
        ]
        self._kind_of_folded = {fold(i.value): i.kind for i in self.identities if not i.spared}
        self._shared = [i for i in self.identities if i.spared]

    @property
    def columns(self) -> Sequence[str]:
        """The columns that say whose a record is."""
        return [*self._by_column]

    @property
    def texts(self) -> set[str]:
        """The identifiers by which records are told."""
        return {text for by_text in self._by_column.values() for text in by_text}

    @property
    def texts_of_records(self) -> Sequence[str]:
        """The columns of text that records have, as they were delivered."""
        return [c.name for c in self.contract.delivered if c.type == "string"]

    def is_spelled(self, column: str, value: str) -> bool:
        """Whether a text of a column that says whose a record is, is spelled like an identifier."""
        return fold(value) in self._folded.get(column, ())

    def among(self, column: str, values: Sequence[str]) -> Sequence[bool]:
        """Which texts of a column are an identifier, or spelled like one."""
        exact, spelled = self._by_column[column], self._folded[column]
        if not exact:
            return [False] * len(values)
        return [value in exact or fold(value) in spelled for value in values]

    def among_all(self, column: str, values: pa.Array, *, respelled: bool) -> Bools:
        """The same of an array of texts; those that are just spelled so only where asked for."""
        exact, spelled = self._by_column[column], self._folded[column]
        if not exact:
            return np.zeros(len(values), np.bool_)
        sought = pc.is_in(values, value_set=pa.array(sorted(exact), pa.string()))
        hits = np.array(sought.to_numpy(zero_copy_only=False), np.bool_)
        if respelled:
            # Visible ASCII folds to its small letters; all else is folded one by one.
            known = pa.array(sorted(spelled), pa.string())
            small = pc.is_in(pc.ascii_lower(values), value_set=known)
            hits |= np.asarray(small.to_numpy(zero_copy_only=False), np.bool_)
            others = pc.match_substring_regex(values, _NOT_VISIBLE_ASCII).fill_null(False)
            for number in np.flatnonzero(others.to_numpy(zero_copy_only=False)):
                hits[number] |= fold(values[int(number)].as_py()) in spelled
        return hits

    def identity(self, one: Deciding, value: Any, time: Any) -> Identity | None:
        """Whose it is, if of one who is asked for; counts what it is instead."""
        column = one.column.name
        identity = self._by_column[column].get(value)
        if identity is None:
            if isinstance(value, str) and fold(value) in self._folded[column]:
                self.spelled[one.kind, value] += 1
            return None
        if identity.has(time):
            return identity
        self.spared[identity.kind, identity.value] += 1
        return None

    def record(self, values: Mapping[str, object]) -> bool:
        """Whether a record is of somebody who is asked for."""
        found = [
            self.identity(one, values[one.column.name], self._time(one, values))
            for one in self.deciding
        ]
        return any(found)

    def piece(self, piece: Piece) -> bool:
        """Whether an invalid record is about somebody who is asked for."""
        return self.raw(piece.raw, piece.subject)

    def raw(self, raw: bytes, subject: str | None) -> bool:
        """Whether an invalid record, by its bytes or subjects, is of somebody who is asked for."""
        named = as_spelled(subject)
        if any(value in named for value in self._whole) or any_whole(raw, self._whole):
            return True
        for text in named:
            if (kind := self._kind_of_folded.get(fold(text))) is not None:
                self.spelled[kind, text] += 1
        shared = [identity for identity in self._shared if any_whole(raw, [identity.value])]
        return bool(shared) and self._is_of(shared, raw)

    def _is_of(self, shared: Iterable[Identity], raw: bytes) -> bool:
        """Whether an invalid record with something shared was taken when it was not others'."""
        if any(self.known[one.kind].is_people for one in self.deciding):
            return False  # it is about a person, and that one isn't asked for
        values = parsed_object(raw)
        times = {one.entered_at.json_key for one in self.deciding if one.entered_at}
        found = [value for key, value in values.items() if key in times]
        time = int(found[0]) if found and isinstance(found[0], int) else None
        return any(identity.has(time) for identity in shared)

    @staticmethod
    def _time(one: Deciding, values: Mapping[str, object]) -> Any:
        return values[one.entered_at.name] if one.entered_at else None


def identifiers(identities: Iterable[Identity]) -> list[Identity]:
    """Those that nobody else shares: no form of them may be left anywhere."""
    return [identity for identity in identities if not identity.spared]


def has_name(name: str, identities: Iterable[Identity]) -> bool:
    """Whether the name of a file has an identifier that nobody else shares."""
    text = ENDINGS.sub("", name)
    return any(
        has_whole(text, identity.value)
        for identity in identifiers(identities)
        if len(identity.value) >= SHORTEST
    )
