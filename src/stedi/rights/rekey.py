"""Keys a lakehouse's lists of people by a new secret.

Everything else that was made with an older secret stays as it is, and can still be verified:
receipts, charges of private releases, numbers of decisions, fingerprints of files.
"""

from __future__ import annotations

from pydantic import BaseModel

from stedi.landing.erased import Keyer, is_of_retired, rekey_erased
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.secret import place_of_secret, secrets_of_user
from stedi.rights.ledger import Ledger, Recorded
from stedi.roots import Files


class Secret(BaseModel):
    """The secret in use; `retired` counts those it replaced.

    `erased` says whether the list of who was erased is keyed by one of these, `ledger` how many
    entries of the ledger are: None where there is no lakehouse.
    """

    place: str
    key: str
    retired: int
    erased: bool | None = None
    ledger: int | None = None


class Rekeyed(BaseModel):
    """What was keyed again: people in the list of erased people, entries of the ledger."""

    erased: int
    ledger: int


def secret(files: Files | None) -> Secret:
    """Which secret is in use, and whether the lakehouse's lists are keyed by an earlier one."""
    keyer, fingerprinter = Keyer.of_user(), Fingerprinter.of_user()
    told = Secret(place=place_of_secret(), key=keyer.key_id, retired=len(secrets_of_user()) - 1)
    if files is None:
        return told
    erased = is_of_retired(files, keyer, fingerprinter)
    return told.model_copy(update={"erased": erased, "ledger": len(_of_retired(files, keyer))})


def rekey(files: Files) -> Rekeyed:
    """Key the lakehouse's lists of people by the newest secret; the caller holds its lock.

    Killed at any point, all can be read, and the next time does the rest. Raises `UsageError` where
    a secret isn't known, and `StorageError` for what is damaged.
    """
    keyer, fingerprinter = Keyer.of_user(), Fingerprinter.of_user()
    erased = rekey_erased(files, keyer, fingerprinter)
    old = _of_retired(files, keyer)
    for noted in old:
        Ledger(files).rekey(noted, keyer)
    return Rekeyed(erased=erased, ledger=len(old))


def _of_retired(files: Files, keyer: Keyer) -> list[Recorded]:
    noted, _ = Ledger(files).read()
    return [one for one in noted if one.entry.key != keyer.key_id and keyer.as_of(one.entry.key)]
