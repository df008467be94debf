"""What users read says what was done to the data, and leaves conclusions to the owner."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

THE_WORD = re.compile("anonym", re.IGNORECASE)
ALLOWED = {
    "NotAnonymous": "an error's name, which programs catch; its text says what is missing",
    "Opinion 05/2014 on Anonymisation Techniques": "a title",
    'Mondrian Multidimensional K-Anonymity"': "a title",
    'We don\'t use the word "anonymous" for the table': "about the word itself",
    "the family of k-anonymity": "what the literature calls a family of methods",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "dbt's name of a setting",
    "| k-anonymity |": "a term of the glossary, for those who search for it",
}
"""Where it may stand, and why."""


def texts() -> Iterator[tuple[Path, str]]:
    """All that users read, or that the code says to them."""
    pages = [*ROOT.glob("*.md"), ROOT / "pyproject.toml", ROOT / "Makefile"]
    for folder in ("docs", "sql", "glue", "bench", "src"):
        pages += [path for path in sorted((ROOT / folder).rglob("*")) if path.is_file()]
    for path in pages:
        match path.suffix:
            case ".py":
                yield path, "\n\n".join(strings(path))
            case ".ipynb":
                cells = json.loads(path.read_text())["cells"]
                yield path, "\n\n".join("".join(cell["source"]) for cell in cells)
            case ".pyc" | ".nbi" | ".nbc" | ".png":
                continue
            case _:
                yield path, path.read_text()


def strings(path: Path) -> Iterator[str]:
    """Docstrings, messages, help and other texts in code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def without_allowed(text: str) -> str:
    text = " ".join(text.split())
    for phrase in ALLOWED:
        text = text.replace(phrase, "")
    return text


def concluded(text: str) -> list[str]:
    """Where a text uses the word, with what stands around it."""
    rest = without_allowed(text)
    return [
        rest[max(found.start() - 40, 0) : found.end() + 40] for found in THE_WORD.finditer(rest)
    ]


def test_no_text_says_that_data_are_anonymous() -> None:
    found = {str(path.relative_to(ROOT)): concluded(text) for path, text in texts()}
    assert len(found) > 200
    assert {path: words for path, words in found.items() if words} == {}


def test_each_phrase_that_is_allowed_stands_somewhere() -> None:
    all_ = " ".join(" ".join(text.split()) for _, text in texts())
    assert [phrase for phrase in ALLOWED if phrase not in all_] == []


@pytest.mark.parametrize(
    "text",
    [
        "an anonymous table", "anonymised data", "Anonymization", "what anonymity costs",
        "made\nanonymous by boxes", "k-anonymity holds", "an anonymiser", "ANONYMOUS",
    ],
)  # fmt: skip
def test_the_word_is_found_in_any_form(text: str) -> None:
    assert len(concluded(text)) == 1


def test_titles_and_pseudonyms_are_let_pass() -> None:
    assert (
        concluded("Opinion 05/2014 on\nAnonymisation Techniques; a pseudonym; pseudonymised") == []
    )


@pytest.mark.parametrize("page", ["README.md", "docs/privacy.md", "src/stedi/science/datasheet.py"])
def test_pages_say_what_was_done_and_where_the_evidence_is(page: str) -> None:
    text = " ".join((ROOT / page).read_text().split())
    assert "generalised" in text
    assert "equivalence class" in text or "A class is the rows with equal published values" in text
    assert re.search("evidence", text)
    assert re.search("conclu", text)  # whose it is


def test_links_within_the_page_on_privacy_lead_somewhere() -> None:
    text = (ROOT / "docs" / "privacy.md").read_text()
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(#([^)]*)\)", text)
    assert len(links) > 8
    assert [link for link in links if link not in anchors] == []
