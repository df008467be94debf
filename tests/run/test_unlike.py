"""What makes the values of two columns equal is found without naming one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from stedi.run.unlike import numbers_look, texts_look, texts_would_meet, times_would_meet

SERIALS = [f"00ab{n:02d}-cdef-{n * 7919 % 10_000:04d}" for n in range(50)]
TIMES = np.array([1_664_000_000_000 + 61_007 * n for n in range(500)])


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (str.upper, "in small letters"),
        ("{}  ".format, "without spaces around them"),
        (lambda s: s.lstrip("0"), "without the zeros that they begin with"),
        (lambda s: s.replace("-", ""), "without hyphens and other signs in them"),
        (lambda s: s.replace("-", "_"), "without hyphens and other signs in them"),
        (lambda s: s.replace("a", "\uff41"), "in one spelling (case, spaces, Unicode forms)"),
        (lambda s: s.replace("-", "\u200b-"), "in one spelling (case, spaces, Unicode forms)"),
        (lambda s: s[:12], "cut to 12 characters"),
        ("SN:{}".format, "without what all of one side begin with"),
        ("{}.0".format, "without .0 at their end"),
        ("{}@example.com".format, "up to the @"),
        (
            lambda s: s.lstrip("0").replace("-", "").upper(),
            "in one spelling, without signs and zeros that they begin with",
        ),
    ],
)
def test_texts(change: Callable[[str], str], how: str) -> None:
    for one, other in (
        (SERIALS, [change(s) for s in SERIALS]),
        ([change(s) for s in SERIALS], SERIALS),
    ):
        found = texts_would_meet(one, other)
        assert found is not None
        assert (found.share, found.how) == (1.0, how)


@pytest.mark.parametrize("other", [["x"], [""], ["1", "2"], [s[::-1] for s in SERIALS]])
def test_texts_that_have_nothing_to_do_with_one_another(other: list[str]) -> None:
    assert texts_would_meet(SERIALS, other) is None


def test_some_texts_alone_would_be_equal() -> None:
    found = texts_would_meet(SERIALS, [s.upper() for s in SERIALS[:40]] + ["?"] * 10)
    assert found is not None
    assert 0.9 < found.share < 1


@pytest.mark.parametrize(
    ("other", "how"),
    [
        (TIMES // 1000, "one side divided by 1,000"),
        (TIMES * 1000 + 7, "one side divided by 1,000"),
        (TIMES * 1_000_000 + 7, "one side divided by 1,000,000"),
        (TIMES + 3_600_000, "the times of the first side 1 hour later"),
        (TIMES - 7_200_000, "the times of the first side 2 hours earlier"),
        (TIMES + 19_800_000, "the times of the first side 5.5 hours later"),
        (TIMES + 86_400_000, "the times of the first side 1 day later"),
        (TIMES - 365 * 86_400_000, "the times of the first side 1 year earlier"),
        (TIMES + 1461 * 86_400_000, "the times of the first side 4 years later"),
        (
            TIMES - 978_307_200_000,
            "the times of the first side 31 years (counted from 2001, not from 1970) earlier",
        ),
    ],
)
def test_times(other: np.ndarray[tuple[int], np.dtype[np.int64]], how: str) -> None:
    found = times_would_meet(TIMES, other)
    assert found is not None
    assert (found.share, found.how) == (1.0, f"with {how}")


def test_times_that_have_nothing_to_do_with_one_another() -> None:
    assert times_would_meet(TIMES, np.array([5, 6, 7])) is None
    assert times_would_meet(np.array([5, 6, 7]), TIMES) is None


def test_looks_name_no_value() -> None:
    assert texts_look(["ab-1", "C"]) == (
        "texts of 1 to 4 characters: small letters, capital letters, digits and other signs"
    )
    assert texts_look([""]) == "texts of 0 characters"
    assert numbers_look(TIMES, are_times=True) == "times in milliseconds, from 2022-09 to 2022-09"
    assert numbers_look(TIMES // 1000, are_times=True) == (
        "times in seconds, from 2022-09 to 2022-09"
    )
    assert numbers_look(TIMES, are_times=False) == "numbers of 13 digits"
    assert numbers_look(np.array([7, 1000]), are_times=True) == "numbers of 1 to 4 digits"
