"""Who is simulated, and when they measure.

Values are drawn batch by batch (a batch is one delivery of each source), so memory does not grow
with the number of customers. Rates follow the public starter data: 482 of 956 customers share with
research, 30 step readings a customer within two minutes, 2.83 accelerometer records a reading.

Customers come in cohorts of 1,000 who exercise within the same 43 minutes, on a clock that ticks
every 12 milliseconds; so about 6 % of the matched readings join two people, however many customers
there are. Cohorts follow one another: no timestamp is in two of them, and two customers who share a
timestamp or a device are in the same batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stedi.arrays import Int64s
from stedi.simulate.drawn import Accelerations, Moments, People

BATCH_CUSTOMERS = 10_000
COHORT_CUSTOMERS = 1_000
COHORT_MS = 43 * 60_000
FIRST_COHORT_MS = 1_655_561_935_464
REGISTRATION_MS = int(0.44 * COHORT_MS)  # so that 22 % of readings are before consent, as there
TICK_MS = 12
EXERCISE_TICKS = 120_000 // TICK_MS
READINGS_PER_CUSTOMER = 30
RECORDS_PER_READING = ((2, 0.40), (3, 0.37), (4, 0.23))
RESEARCH_RATE, PUBLIC_RATE, FRIENDS_RATE = 482 / 956, 491 / 956, 508 / 956

FIRST_NAMES = [
    *("Ada", "Amir", "Ana", "Ben", "Bo", "Carla", "Chen", "Dana", "Dev", "Elif", "Emil", "Fay"),
    *("Femi", "Gita", "Hana", "Hugo", "Ida", "Ivo", "Jana", "Jon", "Kai", "Kim", "Lea", "Liam"),
    *("Mara", "Milo", "Nia", "Noor", "Olga", "Omar", "Pia", "Priya", "Quinn", "Rosa", "Sam"),
    *("Suri", "Tara", "Uma", "Vera", "Zoe"),
]
LAST_NAMES = [
    *("Abe", "Ahmed", "Berg", "Bianchi", "Castro", "Chavez", "Dahl", "Diaz", "Evans", "Farah"),
    *("Fischer", "Garcia", "Haas", "Ito", "Jensen", "Kaya", "Khan", "Kowal", "Lang", "Lopez"),
    *("Mbeki", "Meyer", "Nagy", "Novak", "Okafor", "Olsen", "Patel", "Petrov", "Reyes", "Rossi"),
    *("Sato", "Silva", "Singh", "Tanaka", "Torres", "Vega", "Wagner", "Weber", "Yilmaz", "Zhang"),
]


def batches(customers: int, seed: int) -> Iterator[People]:
    """The customers in batches of 10,000, each drawn from a random generator of its own."""
    for batch, first in enumerate(range(0, customers, BATCH_CUSTOMERS)):
        rng = np.random.default_rng([seed, batch])
        yield _people(rng, first, min(BATCH_CUSTOMERS, customers - first))


def moments(people: People) -> Moments:
    """Draw 30 moments within two minutes for each person, no two of one person at the same time."""
    rng, count = people.rng, len(people.registered)
    ticks_in_cohort = COHORT_MS // TICK_MS
    begin = rng.integers(ticks_in_cohort - EXERCISE_TICKS, size=count)
    stretch = EXERCISE_TICKS // READINGS_PER_CUSTOMER
    offset = np.arange(READINGS_PER_CUSTOMER) * stretch
    ticks = begin[:, None] + offset + rng.integers(stretch, size=(count, READINGS_PER_CUSTOMER))
    return Moments(
        person=np.repeat(np.arange(count), READINGS_PER_CUSTOMER),
        time=(people.cohort_start[:, None] + ticks * TICK_MS).ravel(),
    )


def records_of_readings(rng: np.random.Generator, readings: int) -> Int64s:
    """Draw 2 to 4 accelerometer records for each reading; returns the reading of each record."""
    numbers, rates = zip(*RECORDS_PER_READING, strict=True)
    return np.repeat(np.arange(readings), rng.choice(numbers, p=rates, size=readings))


def plain_distances(rng: np.random.Generator, readings: int) -> Int64s:
    """Distances in millimetres without any movement behind them, as in the starter data."""
    return rng.integers(201, 301, size=readings)


def plain_accelerations(rng: np.random.Generator, readings: int) -> Accelerations:
    """Accelerations of -1, 0 or 1 without any movement behind them, as in the starter data."""
    reading = records_of_readings(rng, readings)
    axis = pa.array(["-1.0", "0.0", "1.0"])

    def drawn(most: int) -> pa.Array:
        return axis.take(pa.array(rng.integers(-1, most + 1, size=len(reading)) + 1))

    return Accelerations(reading, drawn(1), drawn(1), drawn(0))


def _people(rng: np.random.Generator, first: int, count: int) -> People:
    number = np.arange(first, first + count)
    names = pa.array(FIRST_NAMES).take(pa.array(rng.integers(len(FIRST_NAMES), size=count)))
    surnames = pa.array(LAST_NAMES).take(pa.array(rng.integers(len(LAST_NAMES), size=count)))
    emails = pc.binary_join_element_wise(
        names, ".", surnames, pa.array(number).cast(pa.string()), "@test.com", ""
    )
    start = FIRST_COHORT_MS + number // COHORT_CUSTOMERS * COHORT_MS
    registered = start + rng.integers(REGISTRATION_MS, size=count)
    updated = registered + rng.integers(0, 60_000, size=count) * (rng.random(count) < 0.1)

    def consent(rate: float) -> Int64s:
        return np.where(rng.random(count) < rate, updated, 0)

    return People(
        rng=rng,
        names=pc.binary_join_element_wise(names, surnames, " "),
        emails=emails,
        serial_numbers=_uuids(rng, count),
        cohort_start=start,
        birth_year=rng.integers(1930, 2006, size=count),
        registered=registered,
        updated=updated,
        research=consent(RESEARCH_RATE),
        public=consent(PUBLIC_RATE),
        friends=consent(FRIENDS_RATE),
    )


def _uuids(rng: np.random.Generator, count: int) -> pa.Array:
    digits = np.frombuffer(rng.bytes(16 * count).hex().encode(), dtype="S1").reshape(count, 32)
    dash = np.full((count, 1), b"-", dtype="S1")
    parts = (digits[:, :8], digits[:, 8:12], digits[:, 12:16], digits[:, 16:20], digits[:, 20:])
    columns = [column for part in parts for column in (part, dash)][:-1]
    text = np.ascontiguousarray(np.concatenate(columns, axis=1)).view("S36").ravel()
    return pa.array(text).cast(pa.string())
