"""Why pieces are set aside, in words for people."""

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
class Explanation:
    """What a reason means, and what usually causes it."""

    meaning: str
    cause: str


EXPLANATIONS: Mapping[Reason, Explanation] = {
    "not JSON": Explanation(
        "The text is not JSON: a misplaced comma or quote, NaN, a control character, stray text.",
        "A writer that puts strings together by hand, a log line in between, a spoilt byte.",
    ),
    "cut off": Explanation(
        "An object begins and doesn't end before the line, the file or the next object does.",
        "A writer that was stopped, a full disk, a copy that broke off.",
    ),
    "not UTF-8": Explanation(
        "The bytes are not UTF-8, or a text spells half of a surrogate pair.",
        "A file in another encoding, such as Latin-1 or UTF-16; a text cut inside a character.",
    ),
    "not an object": Explanation(
        "It is JSON, but no object: a number, a text, true, false or null on its own.",
        "A file of another kind in the landing folder, or a list of lists.",
    ),
    "key missing": Explanation(
        "A key that the contract requires is not there, or is null.",
        "Another version of the app, a file of another source, a measurement that failed.",
    ),
    "records in a wrapper": Explanation(
        "It is no record: one of its keys has a list of objects, which may be records.",
        "An export or an event queue that wraps records. The contract's `recordsUnder` reads them.",
    ),
    "key twice": Explanation(
        "The same key stands there twice, also if in other case; which value holds is unknown.",
        "Two records that ran into one another, or records merged by a tool that ignores case.",
    ),
    "number in quotes": Explanation(
        "A number stands in quotation marks where a number belongs.",
        "An export through a tool that makes everything text, such as a spreadsheet.",
    ),
    "text where a number belongs": Explanation(
        "A text that is no number stands where a number belongs.",
        "Columns that were swapped, a date instead of an instant, a placeholder such as n/a.",
    ),
    "number where text belongs": Explanation(
        "A number stands where text belongs.",
        "Columns that were swapped, or an export that took quotation marks off.",
    ),
    "true or false where a value belongs": Explanation(
        "True or false stands where a number or a text belongs.",
        "A flag that took the place of the instant since when it is set.",
    ),
    "object or list where a value belongs": Explanation(
        "An object or a list stands where a number or a text belongs, or nests without end.",
        "Another version of the app, or an object that lost its end and swallowed others.",
    ),
    "fraction where a whole number belongs": Explanation(
        "A number has a fraction where a whole number belongs; it is not rounded.",
        "Seconds instead of milliseconds, or a mean instead of a reading.",
    ),
    "value out of range": Explanation(
        "A value is outside the range, length or pattern of its contract, or too big to store.",
        "A clock that was wrong, seconds or microseconds instead of milliseconds, a sensor error.",
    ),
    "archive damaged": Explanation(
        "A compressed file ends too early or is damaged; what came before was read.",
        "A copy that broke off. Deliver the file again.",
    ),
    "archive too large": Explanation(
        "A compressed file unpacks to more than its contract allows; nothing of it was read.",
        "An archive made to do harm, or one value repeated. --accept-bad-files reads it.",
    ),
    "file set aside whole": Explanation(
        "The record fits, but so much of its file is bad that none of it is trusted.",
        "A file of another source or format. If it is right, --accept-bad-files loads what fits.",
    ),
}
