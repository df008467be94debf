"""Takes the pictures of the page that the README shows: `python docs/page_pictures.py [ROOT]`.

Without ROOT, a lakehouse is simulated. Needs the extra `page`, Playwright and a Chromium.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from stedi import Lakehouse

IMAGES = Path(__file__).parent / "images"
PICTURES = (
    ("page-glance.png", "light", "#glance", 1180),
    ("page-privacy.png", "dark", "#privacy", 900),
)
"""Name, colour scheme, the heading that it begins with, and its height in pixels."""


def main() -> None:
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as folder:
        lakehouse = Lakehouse(sys.argv[1]) if len(sys.argv) > 1 else simulated(Path(folder))
        path = lakehouse.page(Path(folder) / "page.html", audit=True, title="Step Trainer research")
        IMAGES.mkdir(exist_ok=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--headless", "--no-sandbox", "--disable-gpu"],
            )
            for name, scheme, heading, height in PICTURES:
                take(browser, path, IMAGES / name, scheme, heading, height)
            browser.close()


def simulated(folder: Path) -> Lakehouse:
    """A lakehouse of 700 people, who came in three deliveries."""
    lakehouse = Lakehouse(folder / "lake")
    for seed, customers in ((1, 600), (2, 40), (3, 60)):
        deliveries = folder / f"deliveries-{seed}"
        lakehouse.simulate(deliveries, customers=customers, seed=seed, people=True)
        lakehouse.ingest(deliveries)
        lakehouse.run()
    return lakehouse


def take(
    browser: Browser, page_path: Path, path: Path, scheme: str, heading: str, height: int
) -> None:
    """Take the picture of one part of the page, as wide as a small screen."""
    context = browser.new_context(
        viewport={"width": 1200, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    page.goto(page_path.as_uri())
    if heading != "#glance":
        page.evaluate("document.querySelector('nav').style.position = 'static'")
        page.locator(heading).evaluate("one => one.scrollIntoView()")
    page.screenshot(path=path)
    context.close()


if __name__ == "__main__":
    main()
