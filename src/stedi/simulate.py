"""Landing data with the starter data's shape and keys, at any size, deterministic by seed.

Values are drawn batch by batch (a batch is one file a source), so memory does not grow with the
number of customers. Rates follow the public starter data: 482 of 956 customers share with research,
30 step readings a customer within two minutes, 2.83 accelerometer records a reading.

Customers come in cohorts of 1,000 who exercise within the same 43 minutes, on a clock that ticks
every 12 milliseconds; so about 6 % of the pairs of readings with equal times join two people,
however many customers there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stedi.errors import UsageError

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


@dataclass(frozen=True)
class Simulated:
    """What was written: records a source, and files in all."""

    customers: int
    step_readings: int
    accelerometer_records: int
    files: int


def simulate(destination: Path, *, customers: int, seed: int = 0) -> Simulated:
    """Write a landing zone for `customers` customers below `destination`.

    Files are `<source>/landing/<source>-<batch>.json`, one JSON object a line. The same arguments
    give the same bytes. Raises `UsageError` where a landing zone already stands there.
    """
    if customers < 1:
        raise UsageError(f"--customers must be at least 1, not {customers}")
    if destination.exists() and not destination.is_dir():
        raise UsageError(f"{destination}: not a folder")
    for source in ("customer", "accelerometer", "step_trainer"):
        folder = destination / source / "landing"
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(
                f"{folder} already holds files; simulate into an empty folder, so that two "
                "populations do not mix"
            )
        folder.mkdir(parents=True, exist_ok=True)

    readings = records = files = 0
    for batch, people in enumerate(_batches(customers, seed)):
        steps = _step_readings(people)
        accelerations = _accelerations(people, steps)
        for source, lines in (
            ("customer", _customer_lines(people)),
            ("step_trainer", _step_lines(people, steps)),
            ("accelerometer", _accelerometer_lines(people, steps, accelerations)),
        ):
            _write(destination / source / "landing" / f"{source}-{batch:05}.json", lines)
            files += 1
        readings += len(steps.person)
        records += len(accelerations.reading)
    return Simulated(customers, readings, records, files)


Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _People:
    """One batch of customers; instants are epoch milliseconds, 0 where a consent was not given."""

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
class _Steps:
    """Step trainer readings: index of the person, epoch milliseconds, millimetres."""

    person: Ints
    time: Ints
    distance: Ints


@dataclass(frozen=True)
class _Accelerations:
    """Accelerometer records: index of the reading they belong to, and x, y, z in -1, 0, 1."""

    reading: Ints
    x: Ints
    y: Ints
    z: Ints


def _batches(customers: int, seed: int) -> Iterator[_People]:
    for batch, first in enumerate(range(0, customers, BATCH_CUSTOMERS)):
        rng = np.random.default_rng([seed, batch])
        yield _people(rng, first, min(BATCH_CUSTOMERS, customers - first))


def _people(rng: np.random.Generator, first: int, count: int) -> _People:
    number = np.arange(first, first + count)
    names = pa.array(FIRST_NAMES).take(pa.array(rng.integers(len(FIRST_NAMES), size=count)))
    surnames = pa.array(LAST_NAMES).take(pa.array(rng.integers(len(LAST_NAMES), size=count)))
    emails = pc.binary_join_element_wise(
        names, ".", surnames, pa.array(number).cast(pa.string()), "@test.com", ""
    )
    start = FIRST_COHORT_MS + number // COHORT_CUSTOMERS * COHORT_MS
    registered = start + rng.integers(REGISTRATION_MS, size=count)
    updated = registered + rng.integers(0, 60_000, size=count) * (rng.random(count) < 0.1)

    def consent(rate: float) -> Ints:
        return np.where(rng.random(count) < rate, updated, 0)

    return _People(
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


def _step_readings(people: _People) -> _Steps:
    rng, count = people.rng, len(people.registered)
    ticks_in_cohort = COHORT_MS // TICK_MS
    begin = rng.integers(ticks_in_cohort - EXERCISE_TICKS, size=count)
    # One reading in each of 30 equal stretches: no two of one person at the same instant.
    stretch = EXERCISE_TICKS // READINGS_PER_CUSTOMER
    offset = np.arange(READINGS_PER_CUSTOMER) * stretch
    ticks = begin[:, None] + offset + rng.integers(stretch, size=(count, READINGS_PER_CUSTOMER))
    return _Steps(
        person=np.repeat(np.arange(count), READINGS_PER_CUSTOMER),
        time=(people.cohort_start[:, None] + ticks * TICK_MS).ravel(),
        distance=rng.integers(201, 301, size=count * READINGS_PER_CUSTOMER),
    )


def _accelerations(people: _People, steps: _Steps) -> _Accelerations:
    rng = people.rng
    numbers, rates = zip(*RECORDS_PER_READING, strict=True)
    copies = rng.choice(numbers, p=rates, size=len(steps.person))
    reading = np.repeat(np.arange(len(steps.person)), copies)
    return _Accelerations(
        reading=reading,
        x=rng.integers(-1, 2, size=len(reading)),
        y=rng.integers(-1, 2, size=len(reading)),
        z=rng.integers(-1, 1, size=len(reading)),
    )


def _customer_lines(people: _People) -> pa.Array:
    return _join(
        '{"customerName": "', people.names,
        '", "email": "', people.emails,
        '", "phone": "8015551212", "birthDay": "', people.birth_year,
        '-01-01", "serialNumber": "', people.serial_numbers,
        '", "registrationDate": ', people.registered,
        ', "lastUpdateDate": ', people.updated,
        _where_given(', "shareWithResearchAsOfDate": ', people.research),
        _where_given(', "shareWithPublicAsOfDate": ', people.public),
        _where_given(', "shareWithFriendsAsOfDate": ', people.friends),
        "}\n",
    )  # fmt: skip


def _step_lines(people: _People, steps: _Steps) -> pa.Array:
    return _join(
        '{"sensorReadingTime":', steps.time,
        ',"serialNumber":"', people.serial_numbers.take(pa.array(steps.person)),
        '","distanceFromObject":', steps.distance,
        "}\n",
    )  # fmt: skip


def _accelerometer_lines(people: _People, steps: _Steps, records: _Accelerations) -> pa.Array:
    axis = pa.array(["-1.0", "0.0", "1.0"])
    return _join(
        '{"user":"', people.emails.take(pa.array(steps.person[records.reading])),
        '","timestamp":', steps.time[records.reading],
        ',"x":', axis.take(pa.array(records.x + 1)),
        ',"y":', axis.take(pa.array(records.y + 1)),
        ',"z":', axis.take(pa.array(records.z + 1)),
        "}\n",
    )  # fmt: skip


def _where_given(key: str, instants: Ints) -> pa.Array:
    given = pc.binary_join_element_wise(key, pa.array(instants).cast(pa.string()), "")
    return pc.if_else(pa.array(instants > 0), given, "")


def _join(*parts: str | pa.Array | Ints) -> pa.Array:
    texts = [
        pa.array(part).cast(pa.string()) if isinstance(part, np.ndarray) else part for part in parts
    ]
    return pc.binary_join_element_wise(*texts, "")


def _write(path: Path, lines: pa.Array) -> None:
    # A string array's values lie one after the other in one buffer: that buffer is the file.
    _, offsets, values = lines.buffers()
    end = np.frombuffer(offsets, dtype=np.int32)[lines.offset + len(lines)]
    path.write_bytes(memoryview(values)[:end])
