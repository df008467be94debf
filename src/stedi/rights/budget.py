"""The budget of private releases: what was spent for ever, and the noisy vectors it bought.

Below `_stedi/budget`, by number from 1:

    NUMBER.json     a charge, noted before noise is drawn
    NUMBER.vector   the noisy vector, noted before anything is made of it

Nothing of it is ever changed or removed. What a release cost is spent, also where the command died
before it had a vector, and also for people who left since: rho of zero-concentrated differential
privacy is summed over all charges, and the sum stays within what the contract declares for a
lifetime. A vector serves again, at no cost, for the same state of the tables that it is made from,
and, until the next release is due, for whatever became of them: so that nobody learns from a
release that comes right after somebody left, who that was.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ValidationError

from stedi.arrays import Int64s
from stedi.declared.contract import Contract
from stedi.declared.private import Private
from stedi.errors import NotAnonymous, StorageError, UsageError
from stedi.landing.erased import Keyer
from stedi.privacy.private.density import NoisyVector
from stedi.privacy.private.noise import Cost, cost_of, epsilon_of
from stedi.rights.ledger import Ledger
from stedi.roots import Files
from stedi.roots.copies import temporary_folder
from stedi.roots.names import budget_folder
from stedi.storage.withdrawals import DAY, epoch_ms

_CLOSE = 1 + 1e-9
_SCHEDULES = (1, 2, 4, 8, 12)


class Charge(BaseModel, frozen=True):
    """What one noisy vector cost, and what it was made from.

    `at` and `committed` (when the snapshot was published) are epoch milliseconds. `state` says what
    the tables were that the vector is made from, `mechanism` how it is made. `deviation` is the
    noise's standard deviation in each whole number of the vector, which has `size` of them.
    """

    number: int
    at: int
    table: str
    snapshot: str
    committed: int
    state: str
    mechanism: str
    profile: str
    epsilon: float
    delta: float
    rho: float
    sensitivity: int
    deviation: float
    size: int
    library: str
    seal: str = ""

    def sealed(self, keyer: Keyer) -> Charge:
        """The same with its seal."""
        body = self.model_dump_json(exclude={"seal"}).encode()
        return self.model_copy(update={"seal": keyer.seal(body)})

    @property
    def when(self) -> datetime:
        """When it was charged."""
        return datetime.fromtimestamp(self.at / 1000, UTC)


class _Vector(BaseModel, frozen=True):
    """A noisy vector as it is stored; the seal is of its charge, too.

    `values` are whole numbers of 8 bytes, the lowest first, in hexadecimal digits: as numbers they
    could be taken for somebody's identifier.
    """

    values: str
    seal: str


@dataclass(frozen=True)
class BudgetRequest:
    """A private release that is asked for, of a published table in some state."""

    contract: Contract
    private: Private
    state: str
    mechanism: str
    epsilon: float

    @cached_property
    def cost(self) -> Cost:
        """What it costs, if it costs anything."""
        return cost_of(self.epsilon, self.private.delta)

    @cached_property
    def cap(self) -> float:
        """The rho of all releases together, for ever."""
        return cost_of(self.private.lifetime_epsilon, self.private.delta).rho


@dataclass(frozen=True)
class Spent:
    """What releases of a table cost, in rho: those `before` one, and all of them, of the `cap`."""

    before: float
    total: float
    cap: float
    delta: float

    @property
    def epsilon(self) -> float:
        """The ε that all releases together have, up to now."""
        return epsilon_of(self.total, self.delta)

    def left(self, releases: int) -> float:
        """The ε of each, if what is left is shared out evenly among so many more releases."""
        return epsilon_of(max(self.cap - self.total, 0.0) / releases, self.delta)

    @property
    def schedules(self) -> dict[int, float]:
        """What is left for each release, by how many there are to be."""
        return {releases: self.left(releases) for releases in _SCHEDULES}

    @property
    def schedule(self) -> str:
        """The same in words."""
        shares = ", ".join(f"{n} of epsilon {e:.3g}" for n, e in self.schedules.items())
        return f"what is left is enough for one of these: {shares}"


@dataclass(frozen=True)
class Budget:
    """The charges of one lakehouse, the earliest first; they change under its lock only."""

    files: Files
    keyer: Keyer
    charges: Sequence[Charge]
    with_vector: frozenset[int]

    @classmethod
    def read(cls, files: Files) -> Budget:
        """The budget as it lies there; raises `StorageError` where nobody can tell it."""
        keyer = Keyer.of_user()
        paths = {path.name: path for path, _ in files.below(budget_folder(files.root))}
        charges = [_read(files, path, keyer) for name, path in paths.items() if _is_charge(name)]
        charges.sort(key=lambda charge: charge.number)
        if [charge.number for charge in charges] != list(range(1, len(charges) + 1)):
            raise _lost(files, "a charge is missing")
        noted, _ = Ledger(files).read()
        if any(one.entry.cost.charge > len(charges) for one in noted if one.entry.cost):
            raise _lost(files, "a charge is missing that the ledger has a release of")
        vectors = (Path(name).stem for name in paths if name.endswith(".vector"))
        return cls(files, keyer, charges, frozenset(int(n) for n in vectors if n.isdigit()))

    def spent(self, table: str) -> float:
        """The rho of all that was ever charged for a published table."""
        return sum((charge.rho for charge in self.charges if charge.table == table), 0.0)

    def around(self, wanted: BudgetRequest, charge: Charge) -> Spent:
        """What was spent before a charge, and is up to now."""
        name = wanted.contract.name
        earlier = (c.rho for c in self.charges if c.table == name and c.number < charge.number)
        return Spent(sum(earlier, 0.0), self.spent(name), wanted.cap, wanted.private.delta)

    def at_hand(self, wanted: BudgetRequest) -> Charge | None:
        """The charge whose vector serves again; None where a release costs again.

        Raises `NotAnonymous` where it would cost more than is left, or is not due yet, and
        `UsageError` for an epsilon beyond what is declared for a lifetime.
        """
        private, name = wanted.private, wanted.contract.name
        if wanted.epsilon > private.lifetime_epsilon:
            raise UsageError(
                f"--epsilon {wanted.epsilon:g}: all releases of {name} together may have "
                f"{private.lifetime_epsilon:g} ({wanted.contract.place}, lifetimeEpsilon)"
            )
        bought = [c for c in self.charges if c.table == name and c.number in self.with_vector]
        alike = [
            c for c in bought if (c.mechanism, c.epsilon) == (wanted.mechanism, wanted.epsilon)
        ]
        if same := [c for c in alike if c.state == wanted.state]:
            return same[-1]
        last = bought[-1] if bought else None
        if last and last.state != wanted.state and epoch_ms() < due_after(last, private):
            if serving := [c for c in alike if c.state == last.state]:
                return serving[-1]
            raise NotAnonymous(
                f"{name} has changed since the private release of {last.when:%Y-%m-%d}, and the "
                f"next is due on {_day(due_after(last, private))} ({wanted.contract.place}, "
                f"private.days), so nothing was released: one that comes right after somebody left "
                f"could tell who. Until then --epsilon {last.epsilon:g} releases the same again"
            )
        self._refuse_beyond(wanted)
        return None

    def _refuse_beyond(self, wanted: BudgetRequest) -> None:
        name, spent = wanted.contract.name, self.spent(wanted.contract.name)
        if spent + wanted.cost.rho <= wanted.cap * _CLOSE:
            return
        now = Spent(spent, spent, wanted.cap, wanted.private.delta)
        most = now.left(1)
        rest = (
            f"{now.schedule}. Give a smaller --epsilon"
            if most >= 0.01
            else "nothing is left, for ever: also for people who left, and for those who will "
            "join. The same state of the lakehouse releases the same rows again"
        )
        raise NotAnonymous(
            f"the budget of {name} doesn't allow a private release of epsilon {wanted.epsilon:g}, "
            f"so nothing was released: of rho {wanted.cap:.4g} for a lifetime (epsilon "
            f"{wanted.private.lifetime_epsilon:g} at delta {wanted.private.delta:g}, "
            f"{wanted.contract.place}) {spent:.4g} is spent, and this would cost "
            f"{wanted.cost.rho:.4g}. That stays so until the contract declares more; {rest}"
        )

    def charge(self, charge: Charge) -> Budget:
        """Note a charge, durably, before there is any noise; returns the budget with it."""
        assert charge.number == len(self.charges) + 1
        sealed = charge.sealed(self.keyer)
        self._write(charge.number, "json", sealed.model_dump_json(indent=2) + "\n")
        return Budget(self.files, self.keyer, (*self.charges, sealed), self.with_vector)

    def keep(self, charge: Charge, values: Int64s) -> None:
        """Note the noisy vector that a charge bought, before anything is made of it."""
        digits = values.astype("<i8").tobytes().hex()
        vector = _Vector(values=digits, seal=self._seal(charge, digits))
        self._write(charge.number, "vector", vector.model_dump_json() + "\n")

    def vector(self, charge: Charge) -> NoisyVector:
        """The noisy vector that a charge bought; raises `StorageError` where it is damaged."""
        path = _path(self.files, charge.number, "vector")
        try:
            with self.files.open(path) as file:
                stored = _Vector.model_validate_json(file.readall())
            values = np.frombuffer(bytes.fromhex(stored.values), "<i8").astype(np.int64)
        except (OSError, ValueError):  # pydantic's errors are ValueErrors, too
            raise _lost(self.files, f"{path.name} can't be read") from None
        if not hmac.compare_digest(stored.seal, self._seal(charge, stored.values)):
            raise _lost(self.files, f"{path.name} was changed since it was noted")
        return NoisyVector(values, charge.deviation)

    def _seal(self, charge: Charge, digits: str) -> str:
        sealer = self.keyer.as_of(charge.seal.partition(":")[0]) or self.keyer
        return sealer.seal(f"{charge.sealed(sealer).seal} {digits}".encode())

    def _write(self, number: int, part: str, content: str) -> None:
        path = _path(self.files, number, part)
        try:
            with temporary_folder() as folder:
                fresh = folder / part
                fresh.write_text(content, encoding="utf-8")
                self.files.add(fresh, path)
            _outlive_power_cuts(path)
        except OSError as error:
            raise StorageError(
                f"{self.files.name(path)} can't be written: {error.strerror or error}, so nothing "
                "was released; is the disk full, or the folder read-only?"
            ) from None


def due_after(charge: Charge, private: Private) -> int:
    """When the next release is due, epoch milliseconds."""
    return int(charge.at + private.days * DAY)


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _read(files: Files, path: Path, keyer: Keyer) -> Charge:
    try:
        with files.open(path) as file:
            charge = Charge.model_validate_json(file.readall())
    except (OSError, ValidationError):
        raise _lost(files, f"{path.name} can't be read") from None
    key, _, _ = charge.seal.partition(":")
    sealer = keyer.as_of(key)
    if sealer is None:
        raise StorageError(
            f"{files.name(path)}: was noted with another secret; set STEDI_SECRET to that one"
        )
    if path.stem != f"{charge.number:06d}" or not hmac.compare_digest(
        charge.sealed(sealer).seal, charge.seal
    ):
        raise _lost(files, f"{path.name} was changed since it was noted")
    return charge


def _lost(files: Files, what: str) -> StorageError:
    return StorageError(
        f"{files.name(budget_folder(files.root))}: {what}, so nobody can tell what private "
        "releases have cost, and nothing was released; restore the folder from a backup"
    )


def _is_charge(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".")


def _path(files: Files, number: int, part: str) -> Path:
    return budget_folder(files.root) / f"{number:06d}.{part}"


def _outlive_power_cuts(path: Path) -> None:
    """Have a file of this machine on its disk, with its name; objects in a bucket are so anyway."""
    if not path.exists():
        return
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            with suppress(OSError):  # a file system that has no such thing
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
