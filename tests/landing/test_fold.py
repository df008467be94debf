"""Spellings of one identifier fold to the same text, one by one and by the column."""

from __future__ import annotations

import hashlib
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
        ("\U0001e030\U0001e06d", "\u0430\u04b1"),  # of Unicode 15, which Python 3.11 lacks
        ("a\U0001343f\U0001e4ec\u0301", "\u00e1"),
    ],
)
def test_what_a_text_folds_to(text: str, expected: str) -> None:
    assert fold(text) == expected


@pytest.mark.slow
def test_every_python_folds_alike() -> None:
    """This is what 3.11, 3.12 and 3.13 gave, which know Unicode 14.0, 15.0 and 15.1."""
    digest = hashlib.sha256()
    for code in range(0x110000):
        if not 0xD800 <= code < 0xE000:
            digest.update(fold(f"A{chr(code)}\u0301\u0323").encode() + b"\0")
    assert digest.hexdigest() == "8575cd9ce66f96be496ed9607eb0e59471ad4166072b9e6170604bafd52cb18f"


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
