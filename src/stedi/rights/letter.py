"""The text for recipients of a release that has rows of people who left (GDPR Art. 19)."""

from __future__ import annotations

from stedi.rights.ledger import Recorded


def letter(noted: Recorded) -> str:
    """What to send; it says of nobody who left, nor how many.

    How many would help an attacker who compares two releases to find them.
    """
    entry = noted.entry
    files = "\n".join(f"  {file.sha256}  {name}" for name, file in entry.files.items())
    if entry.kind == "model":
        what, replacement = "a model that was trained on", "train it again on"
    else:
        what, replacement = "the data set", "replace it by"
    return f"""\
To: {entry.recipient or "the owner of this copy"}
Subject: Please delete your copy of {entry.table}, snapshot {entry.snapshot}

On {noted.when:%Y-%m-%d} you received {what} {entry.table}, snapshot {entry.snapshot}.
It was made from readings of people of whom some have since withdrawn their consent or
had their data erased. Article 19 of the GDPR asks us to tell you.

Please delete your copies and what was derived from them, or {replacement} a release that
we publish from now on. Don't keep both and don't compare them. Send this letter to everybody
who got a copy from you. Tell us when it is done, or why it isn't possible.

We can't tell you which rows to delete: the data set has no names, and its rows don't name
the person they came from. The files have these SHA-256 sums:

{files}
"""
