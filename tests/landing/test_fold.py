"""Spellings of one identifier fold to the same text, one by one and by the column."""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stedi.landing.fold import fold, folded

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@x.com", "ann@x.com"),
        (" Ann@X.com\n", "ann@x.com"),
        ("a\x00b\x7fc", "abc"),
        ("ann\u00a0@x.com", "ann@x.com"),
        ("a\u180eb\u2060c\u2800", "abc"),
        ("\u00c5ngstr\u00f6m", "\u00e5ngstr\u00f6m"),
        ("\u212bngstr\u00f6m", "\u00e5ngstr\u00f6m"),  # the sign of the unit
        ("e\u200d\u0301", "\u00e9"),
        ("\U0001d41a@x", "a@x"),  # mathematical bold
        ("", ""),
        ("\u200b \u3000", ""),
    ],
)
def test_what_a_text_folds_to(text: str, expected: str) -> None:
    assert fold(text) == expected


@given(TEXTS)
def test_folding_again_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(TEXTS)
def test_no_form_of_unicode_and_no_space_around_makes_a_difference(text: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert fold(unicodedata.normalize(form, text)) == fold(text)
    assert fold(f"\u200b {text}\r\n") == fold(text)


@given(st.lists(st.one_of(st.none(), TEXTS, st.sampled_from(["ann@x.com", "b@x.com"]))))
def test_a_column_is_folded_as_its_texts_are(texts: list[str | None]) -> None:
    expected = [None if text is None else fold(text) for text in texts]
    assert folded(pa.array(texts, pa.string())).to_pylist() == expected
    longer = pa.array([None, "X", *texts, "\u200b"], pa.string())
    assert folded(longer.slice(2, len(texts))).to_pylist() == expected
