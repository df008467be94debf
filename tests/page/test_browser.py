"""The page in a real browser: it fetches nothing, fits, can be read and used by all.

They run where there is a Chromium (Debian: `apt-get install chromium`), or where STEDI_BROWSER
names one, and axe-core's tests where npm can fetch it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse

pytest.importorskip("playwright", reason="needs Playwright's Python package")

from playwright.sync_api import Browser, Page, sync_playwright

AXE = "axe-core@4.14.1"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WIDTHS = (390, 1024, 1600)
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = (os.environ.get("STEDI_BROWSER", ""), "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, filter(None, names))), None)
    if found is None:
        pytest.skip("no Chromium here: apt-get install chromium, or set STEDI_BROWSER")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*FLAGS])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def of_demo(demo: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo.page(tmp_path_factory.mktemp("page") / "page.html", audit=True)


@pytest.fixture(scope="module")
def of_planted(planted: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted.page(tmp_path_factory.mktemp("page") / "page.html")


@dataclass
class Opened:
    """A page that was opened, and what it asked for and complained of since."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.page.context.close()


def opened(browser: Browser, path: Path, **options: Any) -> Opened:
    page = browser.new_context(**options).new_page()
    result = Opened(page)
    page.on("request", lambda request: result.requests.append(request.url))
    page.on("console", lambda message: result.complaints.append(message.text))
    page.on("pageerror", lambda error: result.complaints.append(str(error)))
    page.on("dialog", lambda dialog: result.complaints.append(dialog.message))
    page.goto(path.as_uri())
    return result


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_it_opens_fits_a_phone_and_what_came_from_outside_does_nothing(
    browser: Browser, of_planted: Path
) -> None:
    with opened(browser, of_planted, viewport={"width": 390, "height": 844}) as it:
        for details in it.page.locator("details").all():
            details.evaluate("one => { one.open = true }")
        assert it.requests == [of_planted.as_uri()]
        assert it.complaints == []
        assert fits(it.page)
        assert it.page.locator("img, iframe, object, form, script[src]").count() == 0


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_every_width_in_the_light_and_in_the_dark(
    browser: Browser, of_demo: Path, width: int, scheme: Any
) -> None:
    size = {"width": width, "height": 900}
    with opened(browser, of_demo, viewport=size, color_scheme=scheme) as it:
        assert fits(it.page)
        for details in it.page.locator("details").all():
            details.evaluate("one => { one.open = true }")
        assert fits(it.page)
        assert (it.requests, it.complaints) == ([of_demo.as_uri()], [])
        dark = it.page.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every(n => n < 60)"
        )
        assert dark == (scheme == "dark")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", (390, 1600))
def test_axe_finds_nothing(
    browser: Browser, of_demo: Path, width: int, scheme: Any, axe: str
) -> None:
    size = {"width": width, "height": 900}
    with opened(browser, of_demo, viewport=size, color_scheme=scheme, bypass_csp=True) as it:
        for details in it.page.locator("details").all():
            details.evaluate("one => { one.open = true }")
        it.page.evaluate(axe)
        found = it.page.evaluate("axe.run().then(found => found.violations)")
        told = [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found]
        assert told == []


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm to fetch axe-core with")
    packed = subprocess.run(
        [npm, "pack", "--silent", AXE], cwd=folder, capture_output=True, text=True, timeout=120
    )
    if packed.returncode:
        pytest.skip("npm can't fetch axe-core")
    shutil.unpack_archive(next(folder.glob("*.tgz")), folder)
    return (folder / "package" / "axe.min.js").read_text()


@pytest.mark.slow
def test_a_reader_of_screens_hears_the_four_answers(browser: Browser, of_demo: Path) -> None:
    with opened(browser, of_demo) as it:
        heard = it.page.locator("main").aria_snapshot()
        for question in (
            "Is it right?",
            "How fresh is it?",
            "What needs somebody?",
            "How private is it?",
        ):
            assert f'heading "{question}" [level=3]' in heard
        assert "Yes: every record is accounted for" in heard
        assert "Up to date" in heard
        assert "At least 5 people behind every published row" in heard
        assert 'link "machine_learning_curated ' in heard
        assert "The reason that drops most rows is" in heard


@pytest.mark.slow
def test_keys_alone_open_a_table_and_lead_back(browser: Browser, of_demo: Path) -> None:
    with opened(browser, of_demo) as it:
        page = it.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the content"
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.dataset.table") == "customer_trusted":
                break
        else:
            pytest.fail("no key leads to customer_trusted")
        page.keyboard.press("Enter")
        table = page.locator("#table-customer_trusted")
        assert table.evaluate("one => one.open")
        assert page.evaluate("document.activeElement.parentElement.id") == "table-customer_trusted"
        lit = page.locator(".flow a.lit").evaluate_all("all => all.map(a => a.dataset.table)")
        assert "customer_landing" in lit
        assert "machine_learning_curated" in lit
        assert "step_trainer_landing" not in lit
        page.go_back()
        assert page.locator(".flow a.lit").count() == 0


@pytest.mark.slow
def test_a_column_lights_up_where_its_values_go(browser: Browser, of_demo: Path) -> None:
    with opened(browser, of_demo) as it:
        it.page.goto(f"{of_demo.as_uri()}#column-machine_learning_curated.x")
        lit = it.page.locator(".flow a.lit").evaluate_all("all => all.map(a => a.dataset.table)")
        assert {"accelerometer_landing", "machine_learning_curated"} <= {*lit}
        assert "customer_landing" not in lit


@pytest.mark.slow
def test_the_dictionary_is_searched(browser: Browser, of_demo: Path) -> None:
    with opened(browser, of_demo) as it:
        it.page.get_by_label("Search tables and columns").fill("trusted EMAIL")
        shown = it.page.locator("#dictionary-rows tr:visible").all_inner_texts()
        assert [row.split()[:2] for row in shown] == [["customer_trusted", "email"]]
        assert it.page.locator("#found").inner_text().startswith("1 of ")


@pytest.mark.slow
def test_without_script_all_can_be_read(browser: Browser, of_demo: Path) -> None:
    with opened(browser, of_demo, java_script_enabled=False) as it:
        assert not it.page.get_by_label("Search tables and columns").is_visible()
        it.page.locator("#table-customer_trusted > summary").click()
        assert it.page.get_by_text("The newest record of each customer").first.is_visible()


@pytest.mark.slow
def test_it_prints(browser: Browser, of_demo: Path) -> None:
    with opened(browser, of_demo) as it:
        printed = it.page.pdf(format="A4", print_background=True)
        assert printed.startswith(b"%PDF")
        assert 3 <= printed.count(b"/Type /Page\n") <= 40
        assert it.complaints == []
