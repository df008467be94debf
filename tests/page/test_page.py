"""The page: one file that has no person in it, runs nothing but its own, and says what is so."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.errors import Unavailable, UsageError
from stedi.extras import to_install
from stedi.page import charts
from tests.page.conftest import HOSTILE, NAMES, facts_of
from tests.support import small
from tests.support.processes import stedi

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Parsed(HTMLParser):
    """The elements of a page, the text of scripts and styles, and what is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "title": []}
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.texts:
            self.texts[self.open[-1]][-1] += data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_nobodys_name_gets_onto_the_page(page_of_planted: Path, planted: Lakehouse) -> None:
    html = page_of_planted.read_text().lower()
    for name in (*NAMES, "ann", "eve", "gus", "ivy"):
        assert not re.search(rf"\b{name.lower()}\b", html)
        assert f"{name.lower()}@" not in html
    status = planted.status()
    said = json.dumps([status.problems, [*status.sources.items()]], default=str)
    assert any(name in said for name in NAMES)  # what the terminal says does have them


def test_what_came_from_outside_is_text(page_of_planted: Path) -> None:
    html = page_of_planted.read_text()
    page = Parsed(html)
    assert page.open == []
    assert page.texts["title"][0].startswith(HOSTILE)
    assert {tag for tag, _ in page.elements} & {
        "img",
        "iframe",
        "object",
        "b onclick=alert(3)",
    } == set()
    for _, attributes in page.elements:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
        assert "src" not in attributes
    assert "49" not in page.texts["title"][0]


def test_nothing_but_its_own_script_and_style_may_run(page_of_planted: Path) -> None:
    html = page_of_planted.read_text()
    page = Parsed(html)
    [policy] = [a["content"] for t, a in page.elements if a.get("http-equiv")]
    [style] = page.texts["style"]
    lineage, script = page.texts["script"]
    for kind, text in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in str(policy)
    assert str(policy).startswith("default-src 'none'; ")
    assert "unsafe" not in str(policy)
    assert json.loads(lineage)["inputs"]["customer_trusted"]
    assert "//" not in html.replace("http://www.w3.org/2000/svg", "").replace("// Opens", "")


def test_it_says_what_is_wrong_and_where_without_counts_of_a_few(page_of_planted: Path) -> None:
    text = Parsed(page_of_planted.read_text()).text
    assert "Is it right? No: " in text
    assert re.search(r"landing file #\d+ of step_trainer: gone since it was read", text)
    assert re.search(r"landing file #\d+ of customer: changed since it was read", text)
    assert "fewer than 5 records of accelerometer quarantined" in text.replace("Fewer", "fewer")


def test_counts_of_a_few_are_not_on_it(page_of_planted: Path, planted: Lakehouse) -> None:
    status = planted.status()
    few = [n for s in status.steps.values() for n in s.dropped.values() if 0 < n < 5]
    few += [n for s in status.sources.values() for n in s.quarantined.values() if 0 < n < 5]
    assert few
    html = page_of_planted.read_text()
    of_rows = html[: html.index('id="privacy"')]  # there, classes are counted, and not people
    cells = re.findall(r"<td[^>]*>\s*([1-4])\s*</td>", of_rows)
    files = [n for s in status.sources.values() for n in (s.files, s.unread, len(s.copies))]
    assert sorted(cells) == sorted(str(n) for n in files if 0 < n < 5)


def test_every_declared_table_and_column_is_in_the_dictionary(page_of_planted: Path) -> None:
    html = page_of_planted.read_text()
    dictionary = html[html.index('id="dictionary-rows"') :]
    for table in small.SEED:
        assert f'href="#table-{table}"' in dictionary
        assert f'id="table-{table}"' in html
    page = Parsed(html)
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {str(a["href"])[1:] for t, a in page.elements if t == "a"} <= set(ids)


def test_known_counts_of_a_clean_lakehouse_are_exact(demo: Lakehouse, tmp_path: Path) -> None:
    text = Parsed(demo.page(tmp_path / "page.html").read_text()).text
    published = (
        demo.query("SELECT COUNT(*) AS n FROM machine_learning_curated").to_arrow()["n"][0].as_py()
    )
    assert f"{published:,} rows, published on" in text
    assert "Is it right? Yes: every record is accounted for" in text
    assert "How fresh is it? Up to date" in text
    assert "How private is it? At least 5 people behind every published row" in text
    assert "No attack was tried for this page" in text


def test_how_long_runs_took_is_on_it(demo: Lakehouse, tmp_path: Path) -> None:
    text = Parsed(demo.page(tmp_path / "page.html").read_text()).text
    assert "Seconds until a run had built step_trainer_trusted" in text
    facts = facts_of(demo)
    built = [run.committed for run in facts.tables["step_trainer_trusted"].runs]
    assert facts.run_times
    assert [committed for committed, _ in facts.run_times.times] == built
    began = [committed - seconds * 1000 for committed, seconds in facts.run_times.times]
    read = [run.committed for run in facts.tables["customer_landing"].runs]
    assert began[0] < read[0] < built[0] < began[1] < read[1] < built[1]


def test_the_share_quarantined_is_charted_by_day(demo: Lakehouse) -> None:
    facts = facts_of(demo)
    arrived, aside = {"2024-01-01": 1000, "2024-01-02": 2000}, {"2024-01-02": 100}
    source = replace(facts.sources[0], name="a", arrived=arrived, set_aside=aside)
    clean = replace(source, name="b", set_aside={})
    (chart,) = charts.quarantined(replace(facts, sources=(source, clean)))
    assert chart.rows == (("2024-01-01", "0.0%"), ("2024-01-02", "5.0%"))
    assert chart.words == "Most on 2024-01-02: 5.0%."


def test_before_the_first_run_it_says_so(tmp_path: Path) -> None:
    root = tmp_path / "root"
    small.land(root)
    text = Parsed(Lakehouse(root).page(tmp_path / "page.html").read_text()).text
    assert "Is it right? Nothing is built yet" in text
    assert "How private is it? Nothing is published yet" in text


def test_a_withheld_publication_is_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    small.land(root)
    stedi("run", "--quiet", "--page", tmp_path / "page.html", "--root", root, check=1)
    text = Parsed((tmp_path / "page.html").read_text()).text
    assert "How private is it? Nothing is published" in text
    assert "machine_learning_curated is withheld" in text
    assert re.search(r"there are rows of fewer than 5 people, and 5 are needed", text)


def test_a_page_replaces_a_page_and_nothing_else(planted: Lakehouse, tmp_path: Path) -> None:
    page = planted.page(tmp_path / "page.html")
    assert planted.page(page) == page
    other = tmp_path / "other.html"
    other.write_text("<html>mine</html>")
    for path in (
        other,
        tmp_path / "page.txt",
        tmp_path / "nowhere" / "page.html",
        planted.root / "page.html",
        tmp_path,
    ):
        with pytest.raises(UsageError):
            planted.page(path)
    assert other.read_text() == "<html>mine</html>"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.html", "page.html"]


def test_a_folder_without_a_model_is_refused(planted: Lakehouse, tmp_path: Path) -> None:
    (tmp_path / "figures.json").write_text("{}")
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError, match=r"no figures.json of a model in it"):
            planted.page(tmp_path / "page.html", model=folder)


@pytest.mark.slow
def test_what_a_model_is_worth_is_on_the_page(demo: Lakehouse, tmp_path: Path) -> None:
    trained = demo.train(tmp_path / "model")
    page = demo.page(tmp_path / "page.html", model=tmp_path / "model").read_text()
    text = Parsed(page).text
    assert trained.verdict in text
    for name, figures in trained.models.items():
        assert f"<td>{name}</td><td>raw</td><td>{figures.raw.auc.value:.3f}</td>" in page


def test_without_its_packages_it_says_which_to_install(
    planted: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stedi.page.find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"Jinja2 and vl-convert-python: pip install .*\[page\]"):
        planted.page(tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_without_the_extra_it_says_what_to_install(planted: Lakehouse, tmp_path: Path) -> None:
    without = f"""
import importlib.util, sys
from stedi import Lakehouse
from stedi.errors import Unavailable
import stedi.page
find = importlib.util.find_spec
stedi.page.find_spec = lambda name: None if name in ("jinja2", "vl_convert") else find(name)
sys.modules["jinja2"] = sys.modules["vl_convert"] = None
try:
    Lakehouse({str(planted.root)!r}).page({str(tmp_path / "x.html")!r})
except Unavailable as told:
    print(told)
"""
    done = subprocess.run(
        [sys.executable, "-c", without], capture_output=True, text=True, check=True
    )
    assert done.stdout == (f"a page needs Jinja2 and vl-convert-python: {to_install('page')}\n")
    assert not (tmp_path / "x.html").exists()
