"""Few people are not counted on the page, and nobody can work out how many they are."""

from __future__ import annotations

import pytest

from stedi.page.discreet import Discreet, Sum, without_numbers


def of(*terms: int, tables: str) -> Sum:
    return Sum(frozenset(tables.split()), terms)


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0"), (1, "fewer than 5"), (4, "fewer than 5"), (5, "5"), (43_681, "43,681")],
)
def test_a_count_below_k_is_only_that(count: int, shown: str) -> None:
    assert Discreet(5).count(count, "t") == shown


def test_sums_without_a_few_are_exact() -> None:
    discreet = Discreet(5, [of(956, 482, 474, tables="landing trusted")])
    assert [discreet.count(n, "trusted") for n in (956, 482, 474)] == ["956", "482", "474"]


def test_a_few_can_not_be_worked_out_from_the_sums_that_they_are_in() -> None:
    discreet = Discreet(5, [of(486, 482, 4, tables="landing trusted")])
    assert discreet.count(486, "landing") == discreet.count(490, "landing") == "about 490"
    assert discreet.count(482, "trusted") == "about 480"
    assert discreet.count(7, "trusted") == "fewer than 10"
    assert discreet.number(482, "trusted") == 480
    assert discreet.number(4, "trusted") == 0


def test_nor_by_way_of_the_sums_of_other_tables() -> None:
    sums = [
        of(100, 60, 40, tables="c d"),
        of(500, 100, 400, tables="b c"),
        of(503, 500, 3, tables="a b"),
        of(70, 30, 40, tables="x y"),
    ]
    discreet = Discreet(5, sums)
    assert discreet.rounded == {"a", "b", "c", "d"}
    assert discreet.count(60, "d") == "about 60"
    assert discreet.count(33, "y") == "33"


def test_a_larger_k_hides_more() -> None:
    assert Discreet(10).count(9, "t") == "fewer than 10"


@pytest.mark.parametrize(
    ("text", "count", "shown"),
    [
        ("3 customers left", 3, "fewer than 5 customers left"),
        ("12 customers left", 12, "12 customers left"),
        ("1,203 rows, of 1 person", 1203, "1,203 rows, of 1 person"),
        ("0.25 of 2 people", 2, "0.25 of fewer than 5 people"),
    ],
)
def test_a_sentence_names_no_few(text: str, count: int, shown: str) -> None:
    assert Discreet(5).words(text, count) == shown


def test_a_sentence_is_rounded_where_anything_is() -> None:
    discreet = Discreet(5, [of(486, 482, 4, tables="landing trusted")])
    assert discreet.words("26 customers wait", 26) == "about 30 customers wait"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "source customer: 1,018 records in its files, but 17 rows in customer_landing",
            "source customer: … records in its files, but … rows in customer_landing",
        ),
        ("file part-0001-3.parquet: missing", "file part-0001-3.parquet: missing"),
    ],
)
def test_a_sum_that_does_not_hold_is_told_without_what_it_is(text: str, shown: str) -> None:
    assert without_numbers(text) == shown
