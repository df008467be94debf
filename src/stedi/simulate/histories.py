"""Customer records over time: consent comes late, changes, is withdrawn; devices change hands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from stedi.arrays import Bools, Int64s
from stedi.simulate.drawn import CustomerRecords, People

LONGEST_DELAY_MS = 15 * 60_000
PAIR_RATE, TRIPLE_RATE = 0.010, 0.003
SPELLINGS_OF_NONE = ("", "null", '""', "0")
"""A record without consent has no such key, or one of these values."""


@dataclass(frozen=True)
class _History:
    """What becomes of a share of the customers; `records` has one letter a record, in time.

    `d` carries the consent the customer was drawn with, `n` none, `y` one of the record's time.
    No record equals another in all columns: of two files it would count once.
    """

    share: float
    records: str
    at_one_instant: bool = False
    exchanges_device: bool = False
    befriends: bool = False


HISTORIES: Mapping[str, _History] = {
    "one record": _History(0.79, "d"),
    "consent given late": _History(0.04, "ny"),
    "consent changed": _History(0.02, "yy"),
    "consent withdrawn": _History(0.04, "yn"),
    "consent given again": _History(0.02, "yny"),
    "consent withdrawn at the same time": _History(0.01, "yn", at_one_instant=True),
    "consent changed at the same time": _History(0.01, "yy", at_one_instant=True),
    "record repeated": _History(0.02, "dd", at_one_instant=True, befriends=True),
    "Step Trainer exchanged": _History(0.02, "dd", exchanges_device=True),
    "Step Trainer exchanged at the same time": _History(
        0.02, "dd", at_one_instant=True, exchanges_device=True
    ),
    "Step Trainer exchanged and consent withdrawn at the same time": _History(
        0.01, "yn", at_one_instant=True, exchanges_device=True
    ),
}


def plain_records(people: People) -> CustomerRecords:
    """One record a person, each with a Step Trainer of one's own."""
    number = np.arange(len(people.registered))
    return CustomerRecords(
        person=number,
        birth_year=people.birth_year,
        device=number,
        registered=people.registered,
        updated=people.updated,
        research=people.research,
        public=people.public,
        friends=people.friends,
        none=np.zeros_like(number),
    )


def draw_devices(people: People) -> Int64s:
    """Which Step Trainer each person has: one's own, or that of one or two others."""
    count = len(people.registered)
    device = np.arange(count)
    shuffled = people.rng.permutation(count)
    begin = 0
    for size, rate in ((2, PAIR_RATE), (3, TRIPLE_RATE)):
        groups = min(max(1, round(count * rate)), count // 10)
        sharing = shuffled[begin : begin + groups * size].reshape(groups, size)
        device[sharing] = device[sharing[:, :1]]
        begin += groups * size
    return device


def draw_histories(people: People, device: Int64s) -> tuple[CustomerRecords, dict[str, int]]:
    """Draw each person's records; returns them, in any order, and how many have each history."""
    rng, count = people.rng, len(people.registered)
    kinds = list(HISTORIES.values())
    kind = rng.choice(len(kinds), p=[history.share for history in kinds], size=count)
    length = np.array([len(history.records) for history in kinds])[kind]
    person = np.repeat(np.arange(count), length)
    nth = np.arange(len(person)) - np.repeat(np.cumsum(length) - length, length)
    letters = np.array([list(f"{history.records:3}") for history in kinds])[kind[person], nth]

    def has(flag: str) -> Bools:
        return np.array([getattr(history, flag) for history in kinds])[kind[person]]

    delay = rng.integers(1, LONGEST_DELAY_MS, size=(count, 3))
    delay[:, 0] = 0
    after = np.cumsum(delay, axis=1)
    first_update = people.updated[person]
    later = first_update + after[person, nth]
    updated = np.where(has("at_one_instant"), first_update + after[person, 1], later)
    consented = np.where(nth == 0, first_update, updated)
    other_device = rng.integers(count, size=len(person))
    records = CustomerRecords(
        person=person,
        birth_year=people.birth_year[person],
        device=np.where(has("exchanges_device") & (nth == 0), other_device, device[person]),
        registered=people.registered[person],
        updated=updated,
        research=np.select(
            [letters == "y", letters == "d"], [consented, people.research[person]], default=0
        ),
        public=people.public[person],
        friends=np.where(has("befriends") & (nth == 1), updated, people.friends[person]),
        none=rng.integers(len(SPELLINGS_OF_NONE), size=len(person)),
    )
    shuffled = rng.permutation(len(person))
    records = CustomerRecords(
        **{column.name: getattr(records, column.name)[shuffled] for column in fields(records)}
    )
    numbers = np.bincount(kind, minlength=len(kinds))
    return records, dict(zip(HISTORIES, numbers.tolist(), strict=True))
