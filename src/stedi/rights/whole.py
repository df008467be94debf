"""Whether a text has an identifier as a whole: `joann@example.com` doesn't have ann's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

FEW = 4
"""An identifier of fewer characters stands in many texts by chance."""
_GOES_ON = frozenset("._%+-@")
"""What may stand inside an identifier, beside letters and digits."""
_ESCAPE = re.compile(
    r"\\(?:u([0-9a-fA-F]{4})|u\{0*([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|U00([0-9a-fA-F]{6})"
    r"|([0-3][0-7]{2})|(.))",
    re.DOTALL,
)
_MEANS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def has_whole(text: str, value: str) -> bool:
    """Whether a text has a value that no longer identifier has around it."""
    at = text.find(value)
    while at >= 0:
        if is_whole(text, at, at + len(value)):
            return True
        at = text.find(value, at + 1)
    return False


def is_whole(text: str, begin: int, end: int) -> bool:
    """Whether what stands at a place is no part of a longer identifier."""
    before, behind = text[begin - 1 : begin], text[end : end + 2]
    if before and (before.isalnum() or before in _GOES_ON):
        return False
    if not behind or not (behind[0].isalnum() or behind[0] in _GOES_ON):
        return True
    return not (behind[0].isalnum() or behind[1:].isalnum())


def readings(raw: bytes) -> Iterator[str]:
    """What bytes may say: as they stand, and with the escapes of JSON undone."""
    text = raw.decode(errors="replace")
    yield text
    if "\\" in text:
        yield unescaped(text)


def unescaped(text: str) -> str:
    """A text with the escapes of JSON and of other languages undone, wherever they stand."""
    plain = _ESCAPE.sub(_meant, text)
    # Two escapes spell a character beyond the first 65,536.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _meant(match: re.Match[str]) -> str:
    if code := match[1] or match[2] or match[3] or match[4]:
        return chr(min(int(code, 16), 0x10FFFF))
    if match[5]:
        return chr(int(match[5], 8))
    return _MEANS.get(match[6], match[6])


def any_whole(raw: bytes, values: Iterable[str]) -> bool:
    """Whether bytes have one of these values as a whole, however JSON spells it.

    A value of few characters has to stand in quotes: it may be a number by chance.
    """
    texts = [*readings(raw)]
    return any(
        has_whole(text, value) if len(value) >= FEW else f'"{value}"' in text
        for value in values
        for text in texts
    )
