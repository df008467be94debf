"""Why records are quarantined, in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Reason = Literal[
    "not JSON",
    "cut off",
    "not UTF-8",
    "not an object",
    "key missing",
    "records in a wrapper",
    "key twice",
    "number in quotes",
    "text where a number belongs",
    "number where text belongs",
    "true or false where a value belongs",
    "object or list where a value belongs",
    "fraction where a whole number belongs",
    "value out of range",
    "archive damaged",
    "archive too large",
    "file set aside whole",
]


WRAPPER: Reason = "records in a wrapper"
FEW_RECORDS = 20
"""No share is taken of fewer records than these."""


@dataclass(frozen=True)
class Meaning:
    """What a reason means, and what usually causes it."""

    meaning: str
    cause: str


EXPLANATIONS: Mapping[Reason, Meaning] = {
    "not JSON": Meaning(
        "The text is not JSON: a misplaced comma or quote, NaN, a control character, stray text.",
        "A program that concatenates strings, a log line in between, a damaged byte.",
    ),
    "cut off": Meaning(
        "An object begins and doesn't end before the line, the file or the next object does.",
        "A program that was stopped, a full disk, an interrupted copy.",
    ),
    "not UTF-8": Meaning(
        "The bytes are not UTF-8, or a text has a lone surrogate.",
        "A file in another encoding, such as Latin-1 or UTF-16; a text cut inside a character.",
    ),
    "not an object": Meaning(
        "It is JSON, but no object: a number, a text, true, false or null on its own.",
        "A file of another kind in the landing folder, or a list of lists.",
    ),
    "key missing": Meaning(
        "A key that the contract requires is not there, or is null.",
        "Another version of the app, a file of another source, a measurement that failed.",
    ),
    "records in a wrapper": Meaning(
        "It is no record: a key of it, or of an object in it, has a list of objects, which may be "
        "records.",
        "An export or an event queue that wraps records. The contract's `recordsUnder` reads them.",
    ),
    "key twice": Meaning(
        "The object has the same key twice, possibly in another case. The right value is unknown.",
        "Two records that ran into each other, or records merged by a tool that ignores case.",
    ),
    "number in quotes": Meaning(
        "A number is in quotation marks.",
        "An export through a tool that turns everything into text, such as a spreadsheet.",
    ),
    "text where a number belongs": Meaning(
        "A text that is no number is in the place of a number.",
        "Mixed-up columns, a date instead of a timestamp, a placeholder such as n/a.",
    ),
    "number where text belongs": Meaning(
        "A number is in the place of a text.",
        "Mixed-up columns, or an export that removed quotation marks.",
    ),
    "true or false where a value belongs": Meaning(
        "True or false is in the place of a number or a text.",
        "A flag in the place of the timestamp since when it is set.",
    ),
    "object or list where a value belongs": Meaning(
        "An object or a list is in the place of a number or a text, or nests without end.",
        "Another version of the app, or an object that lost its end and swallowed others.",
    ),
    "fraction where a whole number belongs": Meaning(
        "A number has a fraction where a whole number belongs; it is not rounded.",
        "Seconds instead of milliseconds, or a mean instead of a reading.",
    ),
    "value out of range": Meaning(
        "A value is outside the range, length or pattern of its contract, or too big to store.",
        "A clock that was wrong, seconds or microseconds instead of milliseconds, a sensor error.",
    ),
    "archive damaged": Meaning(
        "A compressed file ends too early or is damaged. Everything before the damage was read.",
        "An interrupted copy. Deliver the file again.",
    ),
    "archive too large": Meaning(
        "A compressed file unpacks to more than its contract allows. Nothing of it was read.",
        "An archive made to do harm, or one value repeated. --accept-bad-files reads it.",
    ),
    "file set aside whole": Meaning(
        "The record is valid, but so much of its file is invalid that stedi trusts none of it.",
        "A file of another source or format. If not, --accept-bad-files loads its valid records.",
    ),
}
