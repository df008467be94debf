"""Documents: each block is run or says why not, links lead somewhere, words are the glossary's."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import blocks
import json_reference
import pytest
import references
import yaml
from typer.main import get_command

from stedi.cli.commands import app
from tests.support.words import OLD_WORDS, old_words, prose

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = blocks.pages()
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
RUN = [name for name, page in zip(NAMES, PAGES, strict=True) if blocks.is_run(page.read_text())]
ALL = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
COMMANDS: Any = get_command(app)
HAS_OLD_WORDS: set[str] = set()
"""Pages that are still to be rewritten. The list may only get shorter."""
OF_FIGURES = {f"docs/{name}.md" for name in ("aws", "privacy", "scale", "sensitivity")}
"""Pages with sentences that list figures with their conditions, which take more words."""


def test_pages_with_commands_are_found() -> None:
    assert len(RUN) >= 12
    assert {"README.md", "docs/how-to/withdrawal-and-erasure.md"} <= set(RUN)


@pytest.mark.parametrize(
    "name", [name if name == "README.md" else pytest.param(name, marks=pytest.mark.slow) for name in RUN]
)  # fmt: skip
def test_every_block_of_a_page_runs_and_prints_what_the_page_shows(
    name: str, tmp_path: Path
) -> None:
    for one in blocks.run(ROOT / name, tmp_path):
        assert blocks.steady(one.text) == blocks.steady(one.block.code), (
            f"{name} shows something else: make outputs"
        )


@pytest.mark.parametrize("name", [*NAMES, "CONTRIBUTING.md"])
def test_no_block_is_unmarked(name: str) -> None:
    text = (ROOT / name).read_text()
    assert blocks.indented(text) == []
    test = blocks.tested_by(text)
    if test is not None:
        assert (ROOT / test).exists()
        return
    for block in blocks.blocks(text):
        assert block.is_accounted_for, (name, block.code)
        assert block.mark in (None, *blocks.MARKS)
        if block.mark == "tested by":
            assert Path(name).name in (ROOT / block.of).read_text()


def test_blocks_are_told_apart() -> None:
    text = (
        "```bash\nls\n```\n\n<!-- output -->\n```text\na\n```\n\n```sql\nSELECT 1\n```\n"
        "\n<!-- not run: it takes a person -->\n```bash\nrm\n```\n\n<!-- not run:  -->\n```bash\nrm\n```\n"
    )
    found = [(b.kind, b.is_run, b.is_accounted_for) for b in blocks.blocks(text)]
    assert found == [
        ("bash", True, True), ("text", False, True), ("sql", False, False),
        ("bash", False, True), ("bash", False, False),
    ]  # fmt: skip
    assert blocks.indented("text\n\n    ls\n    ls\n") == ["    ls"]


def test_a_block_that_fails_is_told(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```bash\nexit 3\n```\n")
    (tmp_path / "a").mkdir()
    with pytest.raises(AssertionError):
        blocks.run(page, tmp_path / "a")
    page.write_text(
        "<!-- exit: 3 -->\n```bash\necho no; exit 3\n```\n<!-- output -->\n```text\nyes\n```\n"
    )
    (tmp_path / "b").mkdir()
    [printed] = blocks.run(page, tmp_path / "b")
    assert (printed.text, printed.is_same) == ("no\n", False)


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub and the site make it."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return {
        slug(re.sub(r"\]\([^)]*\)", "", h)) for h in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Each link of a page within the project: the file and the anchor."""
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", page.read_text())):
        if "://" not in target and not target.startswith("mailto:"):
            file, _, anchor = unquote(target).partition("#")
            yield (page.parent / file if file else page), anchor


@pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    for file, anchor in links(page):
        assert file.exists(), f"{page.name} links to {file}"
        if DOCS in page.parents:
            assert DOCS in file.resolve().parents, f"{page.name} links out of docs: {file}"
        if anchor:
            assert anchor in anchors(file), f"{page.name} links to {file.name}#{anchor}"


def test_the_links_of_pages_are_seen() -> None:
    assert sum(1 for page in ALL for _ in links(page)) > 150


@pytest.mark.parametrize("name", [*NAMES, "CONTRIBUTING.md", "CHANGELOG.md"])
def test_pages_have_no_old_words(name: str) -> None:
    text = (ROOT / name).read_text()
    if name.endswith("glossary.md"):
        text = text.partition("## Words that we no longer use")[0]
    if name not in HAS_OLD_WORDS:
        assert old_words(prose(text)) == []


def test_the_notebook_has_no_old_words() -> None:
    cells = json.loads((DOCS / "step-detection.ipynb").read_text())["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    assert len(texts) > 5
    assert old_words(prose("\n\n".join(texts))) == []


def sentences(text: str) -> Iterator[list[str]]:
    """The words of each sentence of a page's running text, but for tables."""
    for paragraph in re.split(r"\n\s*\n|\n(?=[-#*|]|\d\.)", prose(text)):
        if not paragraph.lstrip().startswith("|"):
            for sentence in re.split(r"(?<=[.:;?!])\s+", " ".join(paragraph.split())):
                yield re.findall(r"[\w'-]+", sentence)


def test_sentences_are_short() -> None:
    checked = {name for name in NAMES if not name.startswith("docs/reference/")} - OF_FIGURES
    long = [
        (name, " ".join(words))
        for name in sorted(checked)
        for words in sentences((ROOT / name).read_text())
        if len(words) > 29
    ]
    assert long == []
    assert sum(1 for name in checked for _ in sentences((ROOT / name).read_text())) > 800


def test_no_sentence_is_on_two_pages() -> None:
    pages: dict[str, set[str]] = {}
    for name in NAMES:
        for words in sentences((ROOT / name).read_text()):
            if len(words) > 7:
                pages.setdefault(" ".join(words).lower(), set()).add(name)
    assert {sentence: on for sentence, on in pages.items() if len(on) > 1} == {}


def test_the_glossary_lists_the_old_words() -> None:
    listed = (DOCS / "glossary.md").read_text().partition("## Words that we no longer use")[2]
    rows = re.findall(r"^\| (.*) \| (.*) \|$", listed, re.MULTILINE)[2:]
    assert rows == [(old.word, old.prefer) for old in OLD_WORDS]


@pytest.mark.parametrize(
    "term",
    ["k-anonymity", "equivalence class", "quasi-identifier", "generalisation", "incremental",
     "idempotent", "data quality check", "lineage", "snapshot", "manifest", "data contract",
     "suppression", "differential privacy", "quarantined record"],
)  # fmt: skip
def test_the_glossary_has_the_terms_of_the_field(term: str) -> None:
    assert re.search(rf"^\| [^|]*{term}", (DOCS / "glossary.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_commands_in_the_text_exist_with_their_options(name: str) -> None:
    for words in re.findall(r"`stedi ([^`]*)`", (ROOT / name).read_text()):
        assert_known(words.split())


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for words in (["nothing"], ["run", "--nothing"], ["quarantine", "lst"]):
        with pytest.raises(AssertionError):
            assert_known(words)


def assert_known(words: list[str]) -> None:
    command, known = COMMANDS, {name for p in COMMANDS.params for name in p.opts}
    subjects = {"--email", "--serial-number"}
    for word in words:
        if word.startswith("-") and word != "-":
            option = word.split("=")[0]
            assert option in known | {"--help", "-h"} | subjects, words
        elif getattr(command, "commands", None) and word not in ("COMMAND", "[OPTIONS]"):
            assert word in command.commands, words
            command = command.commands[word]
            known |= {name for p in command.params for name in (*p.opts, *p.secondary_opts)}


def test_the_reference_of_settings_names_every_variable() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    assert set(re.findall(r"\bSTEDI_[A-Z_]+[A-Z]", code)) == set(references.SETTINGS)


def test_pages_that_code_and_tests_name_are_there() -> None:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    named = {
        path for file in files for path in re.findall(r"\bdocs/[\w/-]+\.md\b", file.read_text())
    }
    assert len(named) > 5
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_the_site_has_every_page_once() -> None:
    text = re.sub(r"!!python\S+", "", (ROOT / "mkdocs.yml").read_text())
    listed = re.findall(r"[\w/-]+\.md", str(yaml.safe_load(text)["nav"]))
    pages = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
    assert sorted(listed) == pages
    home = (DOCS / "index.md").read_text()
    assert [page for page in pages if page != "index.md" and f"]({page})" not in home] == []


def commands_with(option: str) -> Iterator[str]:
    """Each command, below groups too, that has an option."""
    below = [("", COMMANDS)]
    while below:
        name, command = below.pop()
        if name and any(option in parameter.opts for parameter in command.params):
            yield name
        below += [
            (f"{name} {n}".strip(), one) for n, one in getattr(command, "commands", {}).items()
        ]


def test_the_page_on_json_has_every_command_that_prints_json() -> None:
    headings = re.findall(r"^## stedi (.*)$", json_reference.PAGE.read_text(), re.MULTILINE)
    described = {re.match(r"[a-z ]*[a-z]", heading)[0] for heading in headings}  # type: ignore[index]
    assert described == {*commands_with("--json")}
    assert {"status", "review", "review accept", "secret", "quarantine show"} <= described


def test_the_page_on_json_has_each_form_of_a_command_that_prints_something_else() -> None:
    headings = re.findall(r"^## stedi (.*)$", json_reference.PAGE.read_text(), re.MULTILINE)
    forms = {"release DIR --private", "ingest PATH --look", "run --dry-run", "erase --verify"}
    assert forms <= {*headings}
    for heading in headings:
        assert_known([word for word in heading.split() if not word[0].isupper()])


@pytest.mark.slow
def test_the_page_on_json_has_what_commands_print() -> None:
    assert json_reference.page() == json_reference.PAGE.read_text()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_the_site_is_built_strictly_and_fetches_nothing(tmp_path: Path) -> None:
    """Like `make docs`, in an environment of its own."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    lock, python = ROOT / "requirements-docs.lock", tmp_path / "venv" / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "--quiet", "install", "--require-hashes", "-r", lock], check=True
    )
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    done = subprocess.run(
        [tmp_path / "venv" / "bin" / "zensical", "build", "--strict"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "dist" / "site"
    for page in DOCS.rglob("*.md"):
        html = (site / page.relative_to(DOCS)).with_suffix(".html").read_text()
        assert re.findall(r'<(?:script|link rel="stylesheet"|img)[^>]*"https?:[^"]*"', html) == []
    assert "quasi-identifier" in (site / "search.js").read_text()
