"""What is drawn for one batch of customers, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class People:
    """One batch of customers; instants are epoch milliseconds, 0 where a consent was not given.

    Person `n` is line `n` of each column. There are as many Step Trainers as people: number `n` has
    the serial number `serial_numbers[n]` and came with person `n`.
    """

    rng: np.random.Generator
    names: pa.Array
    emails: pa.Array
    serial_numbers: pa.Array
    cohort_start: Ints
    birth_year: Ints
    registered: Ints
    updated: Ints
    research: Ints
    public: Ints
    friends: Ints


@dataclass(frozen=True)
class CustomerRecords:
    """Customer records in the order of their delivery.

    `person` and `device` are numbers within the batch, instants epoch milliseconds, 0 where a
    consent was not given; `none` says how the record spells it that one to research was not.
    """

    person: Ints
    birth_year: Ints
    device: Ints
    registered: Ints
    updated: Ints
    research: Ints
    public: Ints
    friends: Ints
    none: Ints


@dataclass(frozen=True)
class Moments:
    """When Step Trainers measured: number of the person, epoch milliseconds."""

    person: Ints
    time: Ints


@dataclass(frozen=True)
class Accelerations:
    """Accelerometer records: number of the reading of the same moment; x, y, z as JSON numbers."""

    reading: Ints
    x: pa.Array
    y: pa.Array
    z: pa.Array


@dataclass(frozen=True)
class Drawn:
    """All that one batch delivers; `device` is the number of each person's Step Trainer."""

    people: People
    records: CustomerRecords
    device: Ints
    moments: Moments
    distance: Ints
    accelerations: Accelerations

    @cached_property
    def newest(self) -> Ints:
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
        newest: Ints = order[first]
        return newest

    @property
    def consents(self) -> Bools:
        """Whether each person's newest record carries consent to research."""
        given: Bools = self.records.research[self.newest] > 0
        return given
