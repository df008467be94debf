"""Contracts: what each table is, and what must be true of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from stedi.columns import Column
from stedi.declared.private import Private

Zone = Literal["landing", "trusted", "curated"]
Severity = Literal["error", "warning"]
Redelivered = Literal["once", "each time"]

DEFAULT_SNAPSHOT_DAYS = 7.0
_METHOD = 3
"""Counted up when the same rows would be published otherwise."""
DEFAULT_UNPACKED_RATIO = 200.0
"""Readings pack to a tenth or a twentieth of their size."""
DEFAULT_UNPACKED_BYTES = 1 << 36
DEFAULT_LEAST_MATCHED = 0.1
RECOMMENDED_K = 5
"""A contract with a smaller one, and so with larger shares, gives its reason."""


@dataclass(frozen=True)
class Rule:
    """An assertion about a whole table: a query in Athena's SQL whose count must be 0."""

    name: str
    description: str
    query: str
    severity: Severity


@dataclass(frozen=True)
class Coarsened:
    """How a published column may be generalised: ranges of the numbers origin + n * grid.

    Values beyond `minimum` and `maximum` count as these. No range reaches across one of `edges`,
    each the least value of what follows it.
    """

    column: str
    minimum: float
    maximum: float
    grid: float
    origin: float = 0.0
    edges: tuple[float, ...] = ()


@dataclass(frozen=True)
class Noise:
    """Noise on how often classes are repeated: discrete Laplace, of this `scale`, in rows.

    With it, of each person `rows_per_person` rows at most are published, always. In some
    `profiles`; in all where these are none.
    """

    scale: float
    rows_per_person: int
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Publication:
    """How a table that leaves the lakehouse is generalised.

    Each class of equal rows has rows of at least `k` people, and no person more than 1/k of them,
    counted on each of the sides that `people` name: working columns that number people. Boxes are
    cut over `axes` so that each has rows of at least `people_per_box` people, and of a hundredth of
    all people (not less than `k`, not more than `people_per_box`) in each band of `target` between
    its edges; inside a box the target is cut as finely as `k` allows.

    Of each person, `rows_per_person` rows at most are published, on each side. Where the rows can't
    be made good as a whole, a share of up to `suppress` of them is left out. `spread_margin` is by
    which share of itself a column's standard deviation may change without a word.

    `controls`
    is a query for rows of people who are not in the table, with the same columns and people: the
    audit compares with them. `identities` is one for who people are: the `person` that a number
    stands for, and a text that names them the same way for any set of people, as `identity`.
    `weaker_than_recommended` is the reason for a smaller k than `RECOMMENDED_K`. A release is held
    back until `people_between_releases` people joined or left since each release before it.
    `private` is how it is released under differential privacy, None where it isn't. `noise` is how
    published counts are changed, None where they are true. The audit's attacks that go person by
    person are measured on `attacked_people` people at most, in the table and outside it.
    """

    k: int
    people_per_box: int
    people: tuple[str, ...]
    target: Coarsened | None
    axes: tuple[Coarsened, ...]
    working_columns: tuple[Column, ...]
    controls: str | None
    identities: str | None = None
    weaker_than_recommended: str | None = field(default=None, repr=False)  # no row depends on it
    suppress: float = 0.0
    rows_per_person: int | None = None
    spread_margin: float = 0.25
    people_between_releases: int = field(default=0, repr=False)  # nor on this
    private: Private | None = field(default=None, repr=False)  # nor on this
    noise: Noise | None = field(default=None, repr=False)  # which `Contract.fingerprint` adds
    attacked_people: int = field(default=100_000, repr=False)  # nor on this

    @property
    def weakness(self) -> str | None:
        """That k is smaller than recommended, and why; None where it isn't."""
        if self.weaker_than_recommended is None:
            return None
        return (
            f"k is {self.k}, and one person may have up to 1/{self.k} of a class: weaker than the "
            f"{RECOMMENDED_K} and 1/{RECOMMENDED_K} that are recommended. The stated reason: "
            f"{self.weaker_than_recommended}"
        )

    @property
    def fingerprint(self) -> str:
        """Changes whenever values could be generalised otherwise."""
        noise = () if self.noise is None else (self.noise.scale, self.noise.rows_per_person)
        parts = (
            *(self.k, self.people_per_box, self.people, self.target, self.axes),
            *(self.suppress, self.rows_per_person, _METHOD, *noise),
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    @property
    def coarsened(self) -> tuple[Coarsened, ...]:
        """Every published column, the target first."""
        return (*((self.target,) if self.target else ()), *self.axes)


@dataclass(frozen=True)
class Margins:
    """How far figures may be beyond those of earlier runs before `status` says so.

    `rows` is a share of the largest earlier change, `set_aside` and `consenting` are differences of
    shares, `per_person` is a share of the most readings of a person in an earlier run.
    """

    rows: float = 0.5
    set_aside: float = 0.05
    consenting: float = 0.1
    per_person: float = 0.5


@dataclass(frozen=True)
class Retention:
    """How long earlier snapshots, and records, are kept, in days.

    `snapshot_days` is for those of this table. `withdrawal_days` belongs to a table of people who
    consent, with their name as its key: a person who leaves it has withdrawn, and after so many
    days no table of the trusted and curated zones keeps an earlier snapshot. Records of a landing
    table are kept for `record_days` since the time in `record_column` (epoch ms), and for ever
    where that isn't declared.
    """

    snapshot_days: float
    withdrawal_days: float | None
    record_days: float | None = None
    record_column: str | None = None


@dataclass(frozen=True)
class Contract:
    """One table: where it lives, its columns in order, and what must be true of it.

    `usage` and `limitations` say what the table is good for, and what not. `location` is relative
    to the lakehouse folder. `source` and `subject` (the column that names whom a record is about)
    belong to landing tables, and so does `max_bad_share`: a file of which a greater share is bad is
    quarantined whole, and so is an archive that unpacks to more than `max_unpacked_ratio` times its
    size or to more than `max_unpacked_bytes`. Where a greater share than `max_aside_share` of all
    its records is quarantined, a run fails. Records may lie in lists under the key `records_under`
    of objects that wrap them. `redelivered` says how often records are loaded that are equal to one
    of an earlier file. A contract with a `publication` is of a table that leaves the lakehouse; its
    SELECT carries working columns beyond the published ones. A table with a `key` (one of its
    columns) is maintained by it. `suspensions` is a query for whose consent does not count for now,
    though there is a record with consent, and why: the table `suspended` is made from it.
    `entered_at` and `changed_at` name columns (epoch ms): since when whom or what a row is about is
    here, or when it was taken; and when the row was last changed. `consent_at` belongs to a table
    of people who consent: since when they do. A join of a derived table that finds a partner for a
    smaller share of rows than `least_matched` is noted.
    """

    name: str
    zone: Zone
    location: str
    description: str
    usage: str
    limitations: str
    version: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    source: str | None
    subject: str | None
    max_bad_share: float
    publication: Publication | None
    key: str | None
    retention: Retention
    place: str
    max_unpacked_ratio: float = DEFAULT_UNPACKED_RATIO
    max_unpacked_bytes: int = DEFAULT_UNPACKED_BYTES
    suspensions: str | None = None
    entered_at: str | None = None
    changed_at: str | None = None
    consent_at: str | None = None
    records_under: str | None = None
    redelivered: Redelivered = "once"
    max_aside_share: float = field(default=1.0, repr=False)  # no row depends on it
    least_matched: float = DEFAULT_LEAST_MATCHED
    margins: Margins = field(default=Margins(), repr=False)  # no row depends on them

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever the table's rows, or what is noted of them, could be others."""
        columns = (replace(column, description="") for column in self.columns)
        parts = (
            *(self.name, self.location, *columns, self.rules, self.key),
            *(self.source, self.subject, self.max_bad_share, self.publication),
            *((c.name, c.folded_from, c.is_arrival) for c in self.columns if c.is_computed),
            *((c.name, "lenient") for c in self.columns if c.lenient),
        )
        if self.records_under is not None:
            parts += (self.records_under,)
        if self.redelivered != "once":  # which no contract said when each time was the only way
            parts += (self.redelivered,)
        unpacked = (self.max_unpacked_ratio, self.max_unpacked_bytes)
        if unpacked != (DEFAULT_UNPACKED_RATIO, DEFAULT_UNPACKED_BYTES):
            parts += unpacked
        if self.least_matched != DEFAULT_LEAST_MATCHED:
            parts += (self.least_matched,)
        if self.publication is not None and self.publication.noise is not None:
            parts += (self.publication.noise.scale, self.publication.noise.rows_per_person)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    @property
    def is_published(self) -> bool:
        """Whether the table leaves the lakehouse, and so may hold no `direct` column."""
        return self.publication is not None

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The columns that say whom a row is about: those classified as `direct`, as delivered."""
        direct = (c for c in self.columns if c.classification == "direct")
        return tuple(c.name for c in direct if not c.is_computed)

    @cached_property
    def delivered(self) -> tuple[Column, ...]:
        """The columns that records have; landing computes the others."""
        return tuple(column for column in self.columns if not column.is_computed)

    @property
    def selected_columns(self) -> tuple[Column, ...]:
        """What the table's SELECT returns: the columns, then the working columns."""
        return self.columns + (self.publication.working_columns if self.publication else ())

    def column(self, name: str) -> Column | None:
        """The column of that name, working columns included."""
        return next((c for c in self.selected_columns if c.name == name), None)
