"""Look at pages with axe-core in Chromium: are they for everyone?

    npm install --prefix build axe-core
    python tools/check_accessibility.py PAGE.html ... [--axe build/node_modules/axe-core/axe.min.js]

Each page is looked at in the light and the dark scheme, wide and narrow, and with each of its tabs
open. Findings of the impacts "serious" and "critical" are printed, and end it with 1. It needs Debian's packages chromium and
chromium-driver, and selenium.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).resolve().parents[1]
AXE = ROOT / "build" / "node_modules" / "axe-core" / "axe.min.js"
VIEWS = [(1280, "light"), (1280, "dark"), (420, "light"), (420, "dark")]
GRAVE = ("serious", "critical")
STILL = "return document.getAnimations().every(a => a.playState !== 'running')"
RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ["violations"]}).then(r => done(r.violations));
"""


def find_axe() -> Path:
    """Return the script of axe-core: that of the variable AXE_CORE, or the one in build."""
    return Path(os.environ.get("AXE_CORE", AXE))


def start_browser() -> webdriver.Chrome:
    """Return Chromium without a window."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for name in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{name}")
    return webdriver.Chrome(options, Service(shutil.which("chromedriver")))


def show(browser: webdriver.Chrome, page: Path, width: int, scheme: str) -> None:
    """Open a page in a window of that width, in a scheme of colours."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.resolve().as_uri())
    wait(browser)


def wait(browser: webdriver.Chrome) -> None:
    """Wait until nothing moves: colours that fade have no contrast yet."""
    WebDriverWait(browser, 10).until(lambda b: b.execute_script(STILL))


def violations(browser: webdriver.Chrome, axe: str) -> Iterator[dict[str, Any]]:
    """Yield what axe-core says is grave in the page that is open, tab by tab."""
    browser.execute_script(axe)
    tabs = browser.find_elements("css selector", "[role=tab]")
    for tab in tabs or [None]:
        if tab is not None:
            tab.click()
            wait(browser)
        for violation in browser.execute_async_script(RUN):
            if violation["impact"] in GRAVE:
                yield violation


def findings(pages: list[Path], axe: Path) -> list[str]:
    """Return a line for each grave violation of each page in each view."""
    script = axe.read_text(encoding="utf-8")
    if missing := [str(page) for page in pages if not page.exists()]:
        raise FileNotFoundError(", ".join(missing))
    lines = []
    browser = start_browser()
    try:
        for page in pages:
            for width, scheme in VIEWS:
                show(browser, page, width, scheme)
                for violation in violations(browser, script):
                    nodes = violation["nodes"]
                    lines.append(
                        f"{page.name}, {width} px, {scheme}: {violation['id']} "
                        f"({violation['impact']}): {violation['help']}; {len(nodes)} "
                        f"times, first {nodes[0]['html'][:200]} "
                        f"{nodes[0]['failureSummary']}"
                    )
    finally:
        browser.quit()
    return lines


def main() -> int:
    """Print what is grave; 1 if anything is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--axe", type=Path, default=find_axe())
    args = parser.parse_args()
    lines = findings(args.pages, args.axe)
    print(*lines, sep="\n", end="\n" if lines else "")
    print(f"{len(args.pages)} pages, {len(VIEWS)} views each: {len(lines)} violations")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
