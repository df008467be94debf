"""The counts that a lakehouse must find in simulated data, computed from the drawn arrays.

Nothing is read back and no SQL is run: records, drops by reason, matched readings and notes are
counted with NumPy, batch by batch, from the very arrays that were written. The counts follow the
design: the newest record decides on consent, equal timestamps make a matched reading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from stedi.arrays import Bools, Int64s
from stedi.simulate.drawn import Drawn

PROFILES = ("seed", "strict")
BIRTH_YEARS_EXPECTED = 1900, 2100
SOURCES = ("customer", "accelerometer", "step_trainer")


@dataclass
class SourceTruth:
    """What a source holds; copies are in neither `files` nor `records`."""

    files: int = 0
    loaded: int = 0
    copies: int = 0
    unknown_keys: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """The figures by name."""
        return {
            "files": self.files,
            "records": self.loaded + self.quarantined.total(),
            "loaded": self.loaded,
            "quarantined": dict(sorted(self.quarantined.items())),
            "copies": self.copies,
            "unknown_keys": self.unknown_keys,
        }


@dataclass
class StepTruth:
    """What becomes of the rows that a derived table is made from."""

    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, other: StepTruth) -> None:
        """Count those of another batch too."""
        self.kept += other.kept
        self.dropped += other.dropped

    def as_json(self) -> dict[str, Any]:
        """The figures by name; reasons for which nothing was dropped are left out."""
        rows_in = self.kept + self.dropped.total()
        return {"in": rows_in, "kept": self.kept, "dropped": _above_none(self.dropped)}


class Truth:
    """The counts of all batches."""

    def __init__(self) -> None:
        self.sources = {source: SourceTruth() for source in SOURCES}
        self.histories: Counter[str] = Counter()
        self.spelled: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self._steps: dict[str, dict[str, StepTruth]] = {profile: {} for profile in PROFILES}
        self._notes: dict[str, Counter[str]] = {profile: Counter() for profile in PROFILES}

    @property
    def files(self) -> int:
        """How many files there are, copies included."""
        return sum(source.files + source.copies for source in self.sources.values())

    def add(self, drawn: Drawn, suspended: Bools) -> None:
        """Count a batch; `suspended` says whose consent a broken record suspends."""
        self.sources["customer"].loaded += len(drawn.records.person)
        self.sources["step_trainer"].loaded += len(drawn.moments.person)
        self.sources["accelerometer"].loaded += len(drawn.accelerations.reading)
        years = drawn.records.birth_year
        least, most = BIRTH_YEARS_EXPECTED
        self.notes["birth_year_out_of_range"] += int(((years < least) | (years > most)).sum())
        pairs = _pairs(drawn.moments.time)
        for profile in PROFILES:
            judgement = _Judgement(drawn, suspended, pairs, is_strict=profile == "strict")
            self._notes[profile] += judgement.notes()
            for table, step in judgement.steps().items():
                self._steps[profile].setdefault(table, StepTruth()).add(step)

    def as_json(self) -> dict[str, Any]:
        """Everything, under the names that `status` gives it."""
        return {
            "histories": dict(self.histories),
            "spelled": dict(self.spelled),
            "profiles": {profile: self._profile(profile) for profile in PROFILES},
        }

    def _profile(self, profile: str) -> dict[str, Any]:
        sources, steps = self.sources, self._steps[profile]
        landing = {f"{name}_landing": source.loaded for name, source in sources.items()}
        totals = Counter(
            quarantined=sum(source.quarantined.total() for source in sources.values()),
            copies=sum(source.copies for source in sources.values()),
            unknown_keys=sum(source.unknown_keys for source in sources.values()),
            nobody_consents=_customers(steps["customer_trusted"]) if steps else 0,
        )
        return {
            "tables": landing | {table: step.kept for table, step in steps.items()},
            "sources": {name: source.as_json() for name, source in sources.items()},
            "steps": {table: step.as_json() for table, step in steps.items()},
            "notes": _above_none(self._notes[profile] + self.notes + totals),
        }


def _customers(trusted: StepTruth) -> int:
    """How many customers there are, if none of them is trusted."""
    newest = trusted.dropped.total() - trusted.dropped["not the newest record of its customer"]
    return newest if trusted.kept == 0 else 0


@dataclass(frozen=True)
class _Pairs:
    """Matched readings, with equal times: the one of the Step Trainer, and that of the phone."""

    step: Int64s
    phone: Int64s


def _pairs(time: Int64s) -> _Pairs:
    order = np.argsort(time, kind="stable")
    in_order = time[order]
    first = np.searchsorted(in_order, time, "left")
    count = np.searchsorted(in_order, time, "right") - first
    step = np.repeat(np.arange(len(time)), count)
    nth = np.arange(len(step)) - np.repeat(np.cumsum(count) - count, count)
    return _Pairs(step, order[first[step] + nth])


@dataclass(frozen=True)
class _Judgement:
    """What a profile makes of a batch: who is trusted, and which readings and matches are kept."""

    drawn: Drawn
    suspended: Bools
    pairs: _Pairs
    is_strict: bool

    def steps(self) -> dict[str, StepTruth]:
        """What is kept and dropped on the way to each table."""
        return {
            "customer_trusted": self._customer_trusted(),
            "accelerometer_trusted": self._accelerometer_trusted(),
            "customer_curated": self._customer_curated(),
            "step_trainer_trusted": self._step_trainer_trusted(),
            "machine_learning_curated": self._machine_learning_curated(),
        }

    def notes(self) -> Counter[str]:
        """What is let through, or odd."""
        phone_rows, pair_rows = self._rows, self._rows[self.pairs.phone]
        is_early = self._is_before_owner[self.pairs.step] | self._is_before_user[self.pairs.phone]
        return Counter(
            consent_suspended=_count(self.drawn.consents & self.suspended),
            shared_serial_numbers=_count(np.bincount(self._device) > 1),
            accelerometer_before_consent=_count(
                self._phone_kept & self._is_before_user, phone_rows
            ),
            step_trainer_before_consent=_count(self._step_kept & self._is_before_owner),
            cross_owner_pairs=_count(self._pair_kept & self._is_crossed, pair_rows),
            pairs_before_consent=_count(self._pair_kept & is_early, pair_rows),
        )

    def _customer_trusted(self) -> StepTruth:
        records = self.drawn.records
        is_newest = np.zeros(len(records.person), bool)
        is_newest[self.drawn.newest] = True
        consents, suspended = records.research > 0, self.suspended[records.person]
        return _step(
            is_newest & consents & ~suspended,
            {
                "not the newest record of its customer": ~is_newest,
                "no consent to research": is_newest & ~consents,
                "consent suspended: a record of the customer was set aside": is_newest
                & consents
                & suspended,
            },
        )

    def _accelerometer_trusted(self) -> StepTruth:
        consents = self._trusted[self._person]
        is_suspended = (self.drawn.consents & self.suspended)[self._person]
        records, once = self.drawn.records, np.zeros(len(self.suspended), bool)
        once[records.person[records.research > 0]] = True
        has_withdrawn = ~self.drawn.consents[self._person] & once[self._person]
        dropped = {
            "consent suspended": is_suspended,
            "after withdrawal": has_withdrawn,
            "user does not consent": ~consents & ~is_suspended & ~has_withdrawn,
            "taken before consent": consents & self._is_before_user & self.is_strict,
        }
        return _step(self._phone_kept, dropped, self._rows)

    def _customer_curated(self) -> StepTruth:
        dropped = {"no accelerometer record": self._trusted & ~self._curated}
        return _step(self._curated, dropped)

    def _step_trainer_trusted(self) -> StepTruth:
        dropped = {
            "serial number of no curated customer": ~self._is_of_curated,
            "serial number also of a customer who does not consent": self._is_refused,
            "taken before consent": self._is_of_curated
            & ~self._is_refused
            & self._is_before_owner
            & self.is_strict,
        }
        return _step(self._step_kept, dropped)

    def _machine_learning_curated(self) -> StepTruth:
        dropped = {
            "serial number of several owners": self._is_pair & self._is_shared,
            "readings of two people": self._is_pair
            & ~self._is_shared
            & self._is_crossed
            & self.is_strict,
        }
        return _step(self._pair_kept, dropped, self._rows[self.pairs.phone])

    @property
    def _person(self) -> Int64s:
        return self.drawn.moments.person

    @property
    def _used(self) -> Int64s:
        """The Step Trainer that took each reading."""
        return self.drawn.device[self._person]

    @cached_property
    def _rows(self) -> Int64s:
        """How many accelerometer records each reading has."""
        return np.bincount(self.drawn.accelerations.reading, minlength=len(self._person))

    @cached_property
    def _consent(self) -> Int64s:
        consent: Int64s = self.drawn.records.research[self.drawn.newest]
        return consent

    @cached_property
    def _device(self) -> Int64s:
        """The Step Trainer each person has by the newest record."""
        device: Int64s = self.drawn.records.device[self.drawn.newest]
        return device

    @cached_property
    def _trusted(self) -> Bools:
        return self.drawn.consents & ~self.suspended

    @cached_property
    def _is_before_user(self) -> Bools:
        return self.drawn.moments.time < self._consent[self._person]

    @cached_property
    def _phone_kept(self) -> Bools:
        return self._trusted[self._person] & ~(self._is_before_user & self.is_strict)

    @cached_property
    def _curated(self) -> Bools:
        measured = np.zeros(len(self._trusted), bool)
        measured[self._person[self._phone_kept]] = True
        return self._trusted & measured

    @cached_property
    def _is_of_curated(self) -> Bools:
        curated = np.zeros(len(self._device), bool)
        curated[self._device[self._curated]] = True
        return curated[self._used]

    @cached_property
    def _is_refused(self) -> Bools:
        """Whether a reading's Step Trainer was ever that of someone who does not consent."""
        records, refused = self.drawn.records, np.zeros(len(self._device), bool)
        refused[records.device[~self._trusted[records.person]]] = True
        return refused[self._used] & self._is_of_curated & self.is_strict

    @cached_property
    def _is_before_owner(self) -> Bools:
        """Whether a reading was taken before the latest consent of its Step Trainer's owners."""
        latest = np.zeros(len(self._device), np.int64)
        np.maximum.at(latest, self._device[self._trusted], self._consent[self._trusted])
        return self.drawn.moments.time < latest[self._used]

    @cached_property
    def _step_kept(self) -> Bools:
        early = self._is_before_owner & self.is_strict
        return self._is_of_curated & ~self._is_refused & ~early

    @cached_property
    def _is_pair(self) -> Bools:
        return self._step_kept[self.pairs.step] & self._phone_kept[self.pairs.phone]

    @cached_property
    def _is_crossed(self) -> Bools:
        """Whether a match joins two people, which is two Step Trainers."""
        crossed: Bools = self._used[self.pairs.step] != self._device[self._person][self.pairs.phone]
        return crossed

    @cached_property
    def _is_shared(self) -> Bools:
        """Whether the Step Trainer of a match has several owners, which matters to `strict`."""
        owners = np.bincount(self._device[self._trusted], minlength=len(self._device))
        return (owners[self._used] > 1)[self.pairs.step] & self.is_strict

    @cached_property
    def _pair_kept(self) -> Bools:
        return self._is_pair & ~self._is_shared & ~(self._is_crossed & self.is_strict)


def _step(kept: Bools, dropped: Mapping[str, Bools], rows: Int64s | None = None) -> StepTruth:
    counts = {reason: _count(which, rows) for reason, which in dropped.items()}
    return StepTruth(_count(kept, rows), Counter(counts))


def _count(which: Bools, rows: Int64s | None = None) -> int:
    """How many there are, each counting as its number of rows."""
    return int(which.sum() if rows is None else rows[which].sum())


def _above_none(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in sorted(counts.items()) if count > 0}
