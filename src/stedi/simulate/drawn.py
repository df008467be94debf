"""What is drawn for one batch of customers, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from stedi.arrays import Bools, Int64s


@dataclass(frozen=True)
class People:
    """One batch of customers; times are epoch milliseconds, 0 where a consent was not given.

    Person `n` is line `n` of each column. There are as many Step Trainers as people: number `n` has
    the serial number `serial_numbers[n]` and came with person `n`.
    """

    rng: np.random.Generator
    names: pa.Array
    emails: pa.Array
    serial_numbers: pa.Array
    cohort_start: Int64s
    birth_year: Int64s
    registered: Int64s
    updated: Int64s
    research: Int64s
    public: Int64s
    friends: Int64s


@dataclass(frozen=True)
class CustomerRecords:
    """Customer records in the order of their delivery.

    `person` and `device` are numbers within the batch, times epoch milliseconds, 0 where a consent
    was not given; `none` says how the record spells it that one to research was not.
    """

    person: Int64s
    birth_year: Int64s
    device: Int64s
    registered: Int64s
    updated: Int64s
    research: Int64s
    public: Int64s
    friends: Int64s
    none: Int64s


@dataclass(frozen=True)
class Moments:
    """When Step Trainers measured: number of the person, epoch milliseconds."""

    person: Int64s
    time: Int64s


@dataclass(frozen=True)
class Accelerations:
    """Accelerometer records: number of the reading of the same moment; x, y, z as JSON numbers."""

    reading: Int64s
    x: pa.Array
    y: pa.Array
    z: pa.Array


@dataclass(frozen=True)
class Drawn:
    """All that one batch delivers; `device` is the number of each person's Step Trainer."""

    people: People
    records: CustomerRecords
    device: Int64s
    moments: Moments
    distance: Int64s
    accelerations: Accelerations

    @cached_property
    def newest(self) -> Int64s:
        """The number of each person's newest record.

        Of records with the same time of update one without consent to research is the newest, then
        the smallest by all columns in order.
        """
        records = self.records
        serial_numbers = np.array(self.people.serial_numbers.to_pylist(), dtype="S36")
        rank = np.argsort(np.argsort(serial_numbers))
        order = np.lexsort(
            (
                records.friends,
                records.public,
                records.research,
                records.registered,
                rank[records.device],
                records.birth_year,
                records.research > 0,
                -records.updated,
                records.person,
            )
        )
        _, first = np.unique(records.person[order], return_index=True)
        newest: Int64s = order[first]
        return newest

    @property
    def consents(self) -> Bools:
        """Whether each person's newest record carries consent to research."""
        consents_to_research: Bools = self.records.research[self.newest] > 0
        return consents_to_research
